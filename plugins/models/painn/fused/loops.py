"""The compiled loops of the fused PaiNN kernel: numba with explicit vectors. Imported by `kernel` at first use only.

A molecule's result is bitwise the same alone and in any batch, because nothing here depends on what else is in the batch:
pairs are walked molecule by molecule, and every element of a matrix product is one chain of fused multiply-adds over the
inner index in rising order, whatever the tile of rows it was computed in. That is why the products are written here
instead of called from BLAS, whose summation order changes with the shape; with weights packed once they are also faster
at the few dozen rows of a molecule.

Vectors are explicit (a numba type over LLVM's `<W x float>`) because LLVM does not vectorise loops whose many arrays may
overlap, nor `exp`. No fast-math flag is set, so a NaN stays a NaN.

Arrays are flat and float32; every offset counts elements. Letters: H hidden channels, N atoms of a chunk, L blocks.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

from mdprotocol_plugins.models.painn.fused.evaluator import FARTHEST_A

_FEATURES = llvmlite.binding.get_host_cpu_features()
WIDE = bool(_FEATURES.get("avx512f"))
LANES = 16 if WIDE else 8
"""Floats in one vector; narrower machines split a vector into several registers."""
PANEL = 2 * LANES
"""Columns that a tile of a matrix product covers; hidden sizes are padded to a multiple of it."""
TILE_ROWS = 10 if WIDE else 6
"""Most rows of a tile: two accumulators a row have to fit into the 32 (16) vector registers, and with 12 rows their
addresses no longer fit into the others: products were then slower by a quarter."""
HAS_FMA = bool(_FEATURES.get("fma", False)) or "x86" not in llvmlite.binding.get_process_triple()

COULOMB_EV_A = 14.399645
ZBL_LENGTH_A = 0.46850
TABLE_COLUMNS = 12
"""Per channel and interval: coefficients of 1, t, t², t³ of the filters a, b, c, where t goes from 0 to 1."""
GEOMETRY = 4
"""Per pair: u (3) and t."""

(SCALAR, VECTOR, INPUT, MIXED, SLOPE, GATE, ACTIVE, READ, GRAD_S, GRAD_V, GRAD_S2, GRAD_V2, GRAD_X, GRAD_M, GRAD_G) = (
    range(15)
)
"""Regions of the workspace, in the order of `workspace_widths`."""
(EMBED, MIX, MIX_T, UP0, UP0_T, UP2, UP2_T, READ0, READ0_T, BIAS0, BIAS2, READ_BIAS, READ2, EPS) = range(14)
"""Regions of the packed weights."""


def workspace_widths(h: int, r: int, blocks: int) -> list[int]:
    """Floats per atom of each workspace region, for `h` padded channels and `r` padded readout channels."""
    kept = [(blocks + 1) * h, (blocks + 1) * 3 * h, blocks * 2 * h, blocks * 6 * h, blocks * h, blocks * 3 * h]
    return [*kept, h, r, h, 3 * h, h, 3 * h, 2 * h, 6 * h, 3 * h]


# ---------------------------------------------------------------------------------------------------------- vectors

_VECTOR = ir.VectorType(ir.FloatType(), LANES)
_INTEGERS = ir.VectorType(ir.IntType(32), LANES)


class _Lanes(types.Type):
    def __init__(self) -> None:
        super().__init__(name=f"Lanes{LANES}")


lanes = _Lanes()


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


def _register_operator(symbol: Any, method: str) -> None:
    @infer_global(symbol)
    class _Template(ConcreteTemplate):
        cases = [signature(lanes, lanes, lanes)]

    @lower_builtin(symbol, lanes, lanes)
    def _lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, method)(*args)


for _symbol, _method in (
    (operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul"), (operator.truediv, "fdiv")
):  # fmt: skip
    _register_operator(_symbol, _method)


def _address(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:
    return builder.gep(context.make_array(kind)(context, builder, array).data, [offset])


def _vector_at(builder: Any, pointer: Any) -> Any:
    return builder.load(builder.bitcast(pointer, _VECTOR.as_pointer()), align=4)


def _spread(builder: Any, scalar: Any) -> Any:
    one = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, ir.Constant(_VECTOR, ir.Undefined), ir.Constant(_INTEGERS, [0] * LANES))


def _call(builder: Any, name: str, *args: Any) -> Any:
    function = ir.FunctionType(_VECTOR, [_VECTOR] * len(args))
    full = f"llvm.{name}.v{LANES}f32"
    return builder.call(cgutils.get_or_insert_function(builder.module, function, full), args)


@intrinsic
def load(typingctx: Any, array: Any, offset: Any) -> Any:
    """The vector of `array` that starts at `offset`."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _vector_at(builder, _address(context, builder, sig.args[0], *args))

    return lanes(array, types.intp), codegen


@intrinsic
def store(typingctx: Any, array: Any, offset: Any, value: Any) -> Any:
    """Writes a vector into `array` from `offset` on."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _address(context, builder, sig.args[0], args[0], args[1])
        builder.store(args[2], builder.bitcast(pointer, _VECTOR.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), codegen


@intrinsic
def splat(typingctx: Any, value: Any) -> Any:
    """A vector with this number in every lane."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _spread(builder, args[0])

    return lanes(types.float32), codegen


@intrinsic
def fma(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """a*b + c with one rounding."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _call(builder, "fma", *args)

    return lanes(lanes, lanes, lanes), codegen


@intrinsic
def root(typingctx: Any, a: Any) -> Any:
    """Square root."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _call(builder, "sqrt", *args)

    return lanes(lanes), codegen


@intrinsic
def total(typingctx: Any, a: Any) -> Any:
    """Sum over the lanes, by halves, in a fixed order."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value, width = args[0], LANES
        while width > 1:
            width //= 2
            kind = ir.VectorType(ir.IntType(32), width)
            undefined = ir.Constant(value.type, ir.Undefined)
            low = builder.shuffle_vector(value, undefined, ir.Constant(kind, list(range(width))))
            high = builder.shuffle_vector(value, undefined, ir.Constant(kind, list(range(width, 2 * width))))
            value = builder.fadd(low, high)
        return builder.extract_element(value, ir.Constant(ir.IntType(32), 0))

    return types.float32(lanes), codegen


@intrinsic
def exponential(typingctx: Any, a: Any) -> Any:
    """exp, relative error about 1e-7; arguments are held within +-87, NaN stays NaN.

    exp(x) = 2^n exp(r), |r| <= ln2/2: n is read off the low bits of x/ln2 + 1.5*2^23, exp(r) is a polynomial
    (Cephes expf).
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        def constant(number: float) -> Any:
            return ir.Constant(_VECTOR, [float(np.float32(number))] * LANES)

        def whole(number: int) -> Any:
            return ir.Constant(_INTEGERS, [number] * LANES)

        x = args[0]
        # Ordered comparisons are false for NaN, so that it is kept.
        x = builder.select(builder.fcmp_ordered(">", x, constant(87.0)), constant(87.0), x)
        x = builder.select(builder.fcmp_ordered("<", x, constant(-87.0)), constant(-87.0), x)
        shifted = _call(builder, "fma", x, constant(1.44269504088896341), constant(12582912.0))
        n = builder.fsub(shifted, constant(12582912.0))
        r = _call(builder, "fma", n, constant(-0.693359375), x)
        r = _call(builder, "fma", n, constant(2.12194440e-4), r)
        p = constant(1.9875691500e-4)
        for c in (1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1, 1.0, 1.0):
            p = _call(builder, "fma", p, r, constant(c))
        bits = builder.shl(builder.bitcast(shifted, _INTEGERS), whole(23))
        return builder.fmul(p, builder.bitcast(builder.add(bits, whole(0x3F800000)), _VECTOR))

    return lanes(lanes), codegen


# -------------------------------------------------------------------------------------------------- matrix products


def _emit_tile(builder: Any, rows: int, at: Any, depth: Any, strides: tuple[Any, Any, Any]) -> None:
    """Code for one tile: `rows` x PANEL of c = start + a @ b, in registers."""
    (a, b, start, c), (lda, ld_start, ldc) = at, strides
    integer = depth.type

    def step(pointer: Any, row: int, stride: Any, column: int) -> Any:
        shift = builder.add(builder.mul(ir.Constant(integer, row), stride), ir.Constant(integer, column * LANES))
        return builder.gep(pointer, [shift])

    first = [_vector_at(builder, step(start, row, ld_start, v)) for row in range(rows) for v in range(2)]
    before = builder.block
    body, done = builder.append_basic_block("tile"), builder.append_basic_block("tile.done")
    builder.branch(body)
    builder.position_at_end(body)
    k = builder.phi(integer)
    sums = [builder.phi(_VECTOR) for _ in first]
    right = [_vector_at(builder, builder.gep(b, [builder.add(
        builder.mul(k, ir.Constant(integer, PANEL)), ir.Constant(integer, v * LANES))])) for v in range(2)]  # fmt: skip
    after = []
    for row in range(rows):
        left = _spread(builder, builder.load(builder.gep(step(a, row, lda, 0), [k])))
        after += [_call(builder, "fma", left, right[v], sums[2 * row + v]) for v in range(2)]
    following = builder.add(k, ir.Constant(integer, 1))
    builder.cbranch(builder.icmp_signed("<", following, depth), body, done)
    k.add_incoming(ir.Constant(integer, 0), before)
    k.add_incoming(following, body)
    for phi, start_value, end_value in zip(sums, first, after, strict=True):
        phi.add_incoming(start_value, before)
        phi.add_incoming(end_value, body)
    builder.position_at_end(done)
    for n, value in enumerate(after):
        builder.store(value, builder.bitcast(step(c, n // 2, ldc, n % 2), _VECTOR.as_pointer()), align=4)


@intrinsic
def _tile(typingctx: Any, rows: Any, a: Any, a0: Any, lda: Any, b: Any, b0: Any, depth: Any, start: Any, start0: Any,
          ld_start: Any, c: Any, c0: Any, ldc: Any) -> Any:  # fmt: skip
    """One tile of `gemm`, for a number of rows chosen among 1 .. TILE_ROWS at run time."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        _, a, a0, lda, b, b0, depth, start, start0, ld_start, c, c0, ldc = args
        kinds = sig.args
        at = tuple(
            _address(context, builder, kind, array, offset)
            for kind, array, offset in (
                (kinds[1], a, a0), (kinds[4], b, b0), (kinds[7], start, start0), (kinds[10], c, c0)
            )
        )  # fmt: skip
        end = builder.append_basic_block("tiles.end")
        switch = builder.switch(args[0], end)
        for rows in range(1, TILE_ROWS + 1):
            block = builder.append_basic_block(f"tile.{rows}")
            switch.add_case(ir.Constant(args[0].type, rows), block)
            builder.position_at_end(block)
            _emit_tile(builder, rows, at, depth, (lda, ld_start, ldc))
            builder.branch(end)
        builder.position_at_end(end)
        return context.get_dummy_value()

    n = types.intp
    return types.void(n, a, n, n, b, n, n, start, n, n, c, n, n), codegen


@njit(cache=True, nogil=True)
def gemm(a, a0, lda, b, b0, stride, depth, start, start0, ld_start, c, c0, ldc, rows, columns):  # type: ignore
    """c[:rows, :columns] = start + a[:rows, :depth] @ b.

    `b` is packed in panels of PANEL columns, `stride` floats apart; `start` has row stride `ld_start`, 0 for a bias.
    """
    tiles = (rows + TILE_ROWS - 1) // TILE_ROWS
    for panel in range(columns // PANEL):
        at = 0
        for n in range(tiles):
            count = (rows - at + tiles - n - 1) // (tiles - n)
            _tile(
                count, a, a0 + at * lda, lda, b, b0 + panel * stride, depth,
                start, start0 + at * ld_start + panel * PANEL, ld_start, c, c0 + at * ldc + panel * PANEL, ldc,
            )  # fmt: skip
            at += count


# ------------------------------------------------------------------------------------------------------------ pairs


@njit(cache=True, nogil=True)
def _cut(d, cutoff):  # type: ignore
    """exp(-d²/((rc-d)(rc+d))) and its derivative; 0 from the cutoff on (and where the exponent is beyond 80)."""
    if not d < cutoff:
        return 0.0, 0.0
    gap = (cutoff - d) * (cutoff + d)
    if d * d >= 80.0 * gap:
        return 0.0, 0.0
    value = math.exp(-d * d / gap)
    return value, -2.0 * d * cutoff * cutoff / (gap * gap) * value


@njit(cache=True, nogil=True)
def _repulsion(z_i, z_j, d, range_):  # type: ignore
    """Ziegler-Biersack-Littmark energy of a pair, eV, and its derivative, eV/Å; see `network.zbl_energy`."""
    cut, cut_slope = _cut(d, range_)
    if cut == 0.0:
        return 0.0, 0.0
    length = ZBL_LENGTH_A / (z_i**0.23 + z_j**0.23)
    x = d / length
    t0, t1 = 0.18175 * math.exp(-3.19980 * x), 0.50986 * math.exp(-0.94229 * x)
    t2, t3 = 0.28022 * math.exp(-0.40290 * x), 0.02817 * math.exp(-0.20162 * x)
    screening = t0 + t1 + t2 + t3
    slope = -(3.19980 * t0 + 0.94229 * t1 + 0.40290 * t2 + 0.20162 * t3) / length
    bare = COULOMB_EV_A * z_i * z_j / d
    return bare * screening * cut, bare * (screening * cut_slope + slope * cut - screening * cut / d)


@njit(cache=True, nogil=True)
def _add_pair(rx, ry, rz, i, j, base, species, charges, ranges, spacing, intervals, index, geometry, slopes, count):  # type: ignore
    """Writes pair `count`, of atoms i, j with x_j - x_i = r; returns its repulsion, eV.

    index (P, 3): atoms i, j of the chunk and the interval of the table; geometry (P * GEOMETRY); slopes (P, 9): d, dE/dd
    of the repulsion, dE/dt, dE/du and u. The second u is in float64: the projection of forces must be exact.
    """
    d = max(math.sqrt(rx * rx + ry * ry + rz * rz), 1e-6)
    ux, uy, uz = rx / d, ry / d, rz / d
    at = count * GEOMETRY
    geometry[at], geometry[at + 1], geometry[at + 2] = ux, uy, uz
    index[count, 0], index[count, 1] = i - base, j - base
    where = d / spacing
    index[count, 2] = min(int(where), intervals - 1)
    geometry[at + 3] = where - index[count, 2]
    a, b = species[i], species[j]
    repulsion, slope = _repulsion(charges[a], charges[b], d, ranges[a, b])
    slopes[count, 0], slopes[count, 1] = d, slope
    for k in range(2, 6):
        slopes[count, k] = 0.0
    slopes[count, 6], slopes[count, 7], slopes[count, 8] = ux, uy, uz
    return repulsion


@njit(cache=True, nogil=True)
def _find_pairs(
    x, low, high, base, species, charges, ranges, spacing, intervals, cutoff, index, geometry, slopes, count
):  # type: ignore
    """Appends all pairs of atoms low .. high - 1 within the cutoff; returns their number so far and the repulsion."""
    energy = 0.0
    for i in range(low, high):
        for j in range(i + 1, high):
            rx, ry, rz = x[j, 0] - x[i, 0], x[j, 1] - x[i, 1], x[j, 2] - x[i, 2]
            if rx * rx + ry * ry + rz * rz < cutoff * cutoff:
                energy += _add_pair(
                    rx, ry, rz, i, j, base, species, charges, ranges, spacing, intervals, index, geometry, slopes, count
                )  # fmt: skip
                count += 1
    return count, energy


@njit(cache=True, nogil=True)
def _take_pairs(
    x,
    low,
    high,
    listed,
    shifts,
    base,
    species,
    charges,
    ranges,
    spacing,
    intervals,
    cutoff,
    index,
    geometry,
    slopes,
    count,
):  # type: ignore
    """The same from pairs low .. high - 1 of a list, with the vector to the image of the second atom."""
    energy = 0.0
    for p in range(low, high):
        i, j = listed[0, p], listed[1, p]
        rx = x[j, 0] - x[i, 0] + shifts[p, 0]
        ry = x[j, 1] - x[i, 1] + shifts[p, 1]
        rz = x[j, 2] - x[i, 2] + shifts[p, 2]
        if rx * rx + ry * ry + rz * rz < cutoff * cutoff:
            energy += _add_pair(
                rx, ry, rz, i, j, base, species, charges, ranges, spacing, intervals, index, geometry, slopes, count
            )  # fmt: skip
            count += 1
    return count, energy


@njit(cache=True, nogil=True)
def _spread_forces(base, spacing, index, slopes, first, last, forces, virial):  # type: ignore
    """Adds the forces of pairs first .. last - 1: r = x_j - x_i, dE/dr = dE/dd u + (1 - u u) dE/du / d; and r dE/dr."""
    f = np.empty(3)
    for p in range(first, last):
        i, j = index[p, 0] + base, index[p, 1] + base
        d = slopes[p, 0]
        ux, uy, uz = slopes[p, 6], slopes[p, 7], slopes[p, 8]
        gx, gy, gz = slopes[p, 3], slopes[p, 4], slopes[p, 5]
        along = slopes[p, 1] + slopes[p, 2] / spacing - (ux * gx + uy * gy + uz * gz) / d
        f[0], f[1], f[2] = along * ux + gx / d, along * uy + gy / d, along * uz + gz / d
        for k in range(3):
            forces[i, k] += f[k]
            forces[j, k] -= f[k]
            virial[0, k] += d * ux * f[k]
            virial[1, k] += d * uy * f[k]
            virial[2, k] += d * uz * f[k]


# ---------------------------------------------------------------------------------------------------------- message


@njit(cache=True, nogil=True, forceinline=True)
def _value(table, k, t):  # type: ignore
    """The cubic whose coefficients start at `k`."""
    high = fma(t, load(table, k + 3 * LANES), load(table, k + 2 * LANES))
    return fma(t, fma(t, high, load(table, k + LANES)), load(table, k))


@njit(cache=True, nogil=True, forceinline=True)
def _derivative(table, k, t2, tt3):  # type: ignore
    """Its derivative by t, from 2t and 3t²."""
    low = fma(t2, load(table, k + 2 * LANES), load(table, k + LANES))
    return fma(tt3, load(table, k + 3 * LANES), low)


@njit(cache=True, nogil=True)
def _message_first(table, index, geometry, pairs, h, w, s0, x0, v1):  # type: ignore
    """Block 0, whose vectors are zero: s_i += s_j a, v_i += u (s_j c), both ways. Filter b is never read."""
    for p in range(pairs):
        i, j, at = index[p, 0], index[p, 1], p * GEOMETRY
        ux, uy, uz = splat(geometry[at]), splat(geometry[at + 1]), splat(geometry[at + 2])
        t = splat(geometry[at + 3])
        low = index[p, 2] * TABLE_COLUMNS * h
        for c in range(0, h, LANES):
            k = low + c * TABLE_COLUMNS
            a = _value(table, k, t)
            f = _value(table, k + 8 * LANES, t)
            s_i, s_j = load(w, s0 + i * h + c), load(w, s0 + j * h + c)
            xi, xj = x0 + 2 * i * h + c, x0 + 2 * j * h + c
            store(w, xi, fma(s_j, a, load(w, xi)))
            store(w, xj, fma(s_i, a, load(w, xj)))
            s_j, s_i = s_j * f, splat(np.float32(0.0)) - s_i * f
            vi, vj = v1 + 3 * i * h + c, v1 + 3 * j * h + c
            store(w, vi, fma(ux, s_j, load(w, vi)))
            store(w, vi + h, fma(uy, s_j, load(w, vi + h)))
            store(w, vi + 2 * h, fma(uz, s_j, load(w, vi + 2 * h)))
            store(w, vj, fma(ux, s_i, load(w, vj)))
            store(w, vj + h, fma(uy, s_i, load(w, vj + h)))
            store(w, vj + 2 * h, fma(uz, s_i, load(w, vj + 2 * h)))


@njit(cache=True, nogil=True)
def _message(table, block, index, geometry, pairs, h, w, s0, v0, x0, v1):  # type: ignore
    """s_i += s_j a, v_i += v_j b + u (s_j c), both ways (u turns its sign): from s0, v0 into x0 (stride 2H), v1."""
    for p in range(pairs):
        i, j, at = index[p, 0], index[p, 1], p * GEOMETRY
        ux, uy, uz = splat(geometry[at]), splat(geometry[at + 1]), splat(geometry[at + 2])
        t = splat(geometry[at + 3])
        low = block + index[p, 2] * TABLE_COLUMNS * h
        for c in range(0, h, LANES):
            k = low + c * TABLE_COLUMNS
            a = _value(table, k, t)
            b = _value(table, k + 4 * LANES, t)
            f = _value(table, k + 8 * LANES, t)
            s_i, s_j = load(w, s0 + i * h + c), load(w, s0 + j * h + c)
            xi, xj = x0 + 2 * i * h + c, x0 + 2 * j * h + c
            store(w, xi, fma(s_j, a, load(w, xi)))
            store(w, xj, fma(s_i, a, load(w, xj)))
            s_j, s_i = s_j * f, splat(np.float32(0.0)) - s_i * f
            oi, oj = v0 + 3 * i * h + c, v0 + 3 * j * h + c
            vi, vj = v1 + 3 * i * h + c, v1 + 3 * j * h + c
            store(w, vi, fma(ux, s_j, fma(b, load(w, oj), load(w, vi))))
            store(w, vi + h, fma(uy, s_j, fma(b, load(w, oj + h), load(w, vi + h))))
            store(w, vi + 2 * h, fma(uz, s_j, fma(b, load(w, oj + 2 * h), load(w, vi + 2 * h))))
            store(w, vj, fma(ux, s_i, fma(b, load(w, oi), load(w, vj))))
            store(w, vj + h, fma(uy, s_i, fma(b, load(w, oi + h), load(w, vj + h))))
            store(w, vj + 2 * h, fma(uz, s_i, fma(b, load(w, oi + 2 * h), load(w, vj + 2 * h))))


@njit(cache=True, nogil=True)
def _message_first_back(table, index, geometry, slopes, pairs, h, w, s0, gs, gv):  # type: ignore
    """Derivatives of block 0's message by t and u of each pair, into `slopes`; the embedding needs none."""
    zero = splat(np.float32(0.0))
    for p in range(pairs):
        i, j, at = index[p, 0], index[p, 1], p * GEOMETRY
        ux, uy, uz = splat(geometry[at]), splat(geometry[at + 1]), splat(geometry[at + 2])
        t = splat(geometry[at + 3])
        t2 = t + t
        tt3 = t * (t + t2)
        low = index[p, 2] * TABLE_COLUMNS * h
        by_d, by_x, by_y, by_z = zero, zero, zero, zero
        for c in range(0, h, LANES):
            k = low + c * TABLE_COLUMNS
            f = _value(table, k + 8 * LANES, t)
            a_slope = _derivative(table, k, t2, tt3)
            f_slope = _derivative(table, k + 8 * LANES, t2, tt3)
            s_i, s_j = load(w, s0 + i * h + c), load(w, s0 + j * h + c)
            by_a = fma(load(w, gs + i * h + c), s_j, load(w, gs + j * h + c) * s_i)
            qi, qj = gv + 3 * i * h + c, gv + 3 * j * h + c
            x = load(w, qi) * s_j - load(w, qj) * s_i
            y = load(w, qi + h) * s_j - load(w, qj + h) * s_i
            z = load(w, qi + 2 * h) * s_j - load(w, qj + 2 * h) * s_i
            by_d = fma(by_a, a_slope, fma(fma(uz, z, fma(uy, y, ux * x)), f_slope, by_d))
            by_x, by_y, by_z = fma(f, x, by_x), fma(f, y, by_y), fma(f, z, by_z)
        slopes[p, 2] += total(by_d)
        slopes[p, 3] += total(by_x)
        slopes[p, 4] += total(by_y)
        slopes[p, 5] += total(by_z)


@njit(cache=True, nogil=True)
def _message_back(table, block, index, geometry, slopes, pairs, h, w, s0, v0, gs, gv, ns, nv):  # type: ignore
    """Reverse of `_message`: from gs, gv (by its results) adds to ns, nv (by s0, v0) and to `slopes` (by t and u)."""
    zero = splat(np.float32(0.0))
    for p in range(pairs):
        i, j, at = index[p, 0], index[p, 1], p * GEOMETRY
        ux, uy, uz = splat(geometry[at]), splat(geometry[at + 1]), splat(geometry[at + 2])
        t = splat(geometry[at + 3])
        t2 = t + t
        tt3 = t * (t + t2)
        low = block + index[p, 2] * TABLE_COLUMNS * h
        by_d, by_x, by_y, by_z = zero, zero, zero, zero
        for c in range(0, h, LANES):
            k = low + c * TABLE_COLUMNS
            a = _value(table, k, t)
            f = _value(table, k + 8 * LANES, t)
            a_slope = _derivative(table, k, t2, tt3)
            f_slope = _derivative(table, k + 8 * LANES, t2, tt3)
            s_i, s_j = load(w, s0 + i * h + c), load(w, s0 + j * h + c)
            gs_i, gs_j = load(w, gs + i * h + c), load(w, gs + j * h + c)
            qi, qj = gv + 3 * i * h + c, gv + 3 * j * h + c
            xi, yi, zi = load(w, qi), load(w, qi + h), load(w, qi + 2 * h)
            xj, yj, zj = load(w, qj), load(w, qj + h), load(w, qj + 2 * h)
            along_i, along_j = fma(uz, zi, fma(uy, yi, ux * xi)), fma(uz, zj, fma(uy, yj, ux * xj))
            ti, tj = ns + i * h + c, ns + j * h + c
            store(w, tj, fma(f, along_i, fma(a, gs_i, load(w, tj))))
            store(w, ti, fma(zero - f, along_j, fma(a, gs_j, load(w, ti))))
            by_a = fma(gs_i, s_j, gs_j * s_i)
            by_f = along_i * s_j - along_j * s_i
            by_d = fma(by_a, a_slope, fma(by_f, f_slope, by_d))
            by_x = fma(f, xi * s_j - xj * s_i, by_x)
            by_y = fma(f, yi * s_j - yj * s_i, by_y)
            by_z = fma(f, zi * s_j - zj * s_i, by_z)
            b = _value(table, k + 4 * LANES, t)
            b_slope = _derivative(table, k + 4 * LANES, t2, tt3)
            oi, oj = v0 + 3 * i * h + c, v0 + 3 * j * h + c
            by_b = fma(xi, load(w, oj), fma(yi, load(w, oj + h), zi * load(w, oj + 2 * h)))
            by_b = fma(xj, load(w, oi), fma(yj, load(w, oi + h), fma(zj, load(w, oi + 2 * h), by_b)))
            by_d = fma(by_b, b_slope, by_d)
            mi, mj = nv + 3 * i * h + c, nv + 3 * j * h + c
            store(w, mj, fma(b, xi, load(w, mj)))
            store(w, mj + h, fma(b, yi, load(w, mj + h)))
            store(w, mj + 2 * h, fma(b, zi, load(w, mj + 2 * h)))
            store(w, mi, fma(b, xj, load(w, mi)))
            store(w, mi + h, fma(b, yj, load(w, mi + h)))
            store(w, mi + 2 * h, fma(b, zj, load(w, mi + 2 * h)))
        slopes[p, 2] += total(by_d)
        slopes[p, 3] += total(by_x)
        slopes[p, 4] += total(by_y)
        slopes[p, 5] += total(by_z)


# ----------------------------------------------------------------------------------------------------------- update


@njit(cache=True, nogil=True)
def _activate(w, at, count, out):  # type: ignore
    """out = SiLU of `count` numbers at `at`, which are replaced by the derivative of SiLU."""
    one = splat(np.float32(1.0))
    for k in range(0, count, LANES):
        x = load(w, at + k)
        gate = one / (one + exponential(splat(np.float32(0.0)) - x))
        store(w, out + k, x * gate)
        store(w, at + k, gate * fma(x, one - gate, one))


@njit(cache=True, nogil=True)
def _norms(n, h, w, mixed, x0, weights, eps):  # type: ignore
    """|Vv| over xyz into the second half of the update's input."""
    for atom in range(n):
        for c in range(0, h, LANES):
            m = mixed + atom * 6 * h + h + c
            x, y, z = load(w, m), load(w, m + 2 * h), load(w, m + 4 * h)
            store(w, x0 + atom * 2 * h + h + c, root(fma(z, z, fma(y, y, fma(x, x, load(weights, eps + c))))))


@njit(cache=True, nogil=True)
def _apply(n, h, w, mixed, x0, gate, v1, s_out, v_out, last):  # type: ignore
    """s = s + p + t q, v = v + w Uv, q = sum over xyz of Uv Vv; the last block's v is never used."""
    for atom in range(n):
        for c in range(0, h, LANES):
            m, g = mixed + atom * 6 * h + c, gate + atom * 3 * h + c
            ux, uy, uz = load(w, m), load(w, m + 2 * h), load(w, m + 4 * h)
            q = ux * load(w, m + h)
            q = fma(uz, load(w, m + 5 * h), fma(uy, load(w, m + 3 * h), q))
            s = load(w, x0 + atom * 2 * h + c) + load(w, g)
            store(w, s_out + atom * h + c, fma(load(w, g + h), q, s))
            if not last:
                k, o, t = v1 + atom * 3 * h + c, v_out + atom * 3 * h + c, load(w, g + 2 * h)
                store(w, o, fma(t, ux, load(w, k)))
                store(w, o + h, fma(t, uy, load(w, k + h)))
                store(w, o + 2 * h, fma(t, uz, load(w, k + 2 * h)))


@njit(cache=True, nogil=True)
def _apply_back(n, h, w, mixed, gate, gs, gv, grad_g, grad_m, last):  # type: ignore
    """Reverse of `_apply`: derivatives by p, t, w (grad_g), and by Uv and Vv through q and w (grad_m)."""
    for atom in range(n):
        for c in range(0, h, LANES):
            m, g, o = mixed + atom * 6 * h + c, gate + atom * 3 * h + c, grad_g + atom * 3 * h + c
            ux, uy, uz = load(w, m), load(w, m + 2 * h), load(w, m + 4 * h)
            vx, vy, vz = load(w, m + h), load(w, m + 3 * h), load(w, m + 5 * h)
            by_s = load(w, gs + atom * h + c)
            by_q = by_s * load(w, g + h)
            store(w, o, by_s)
            store(w, o + h, by_s * fma(uz, vz, fma(uy, vy, ux * vx)))
            r = grad_m + atom * 6 * h + c
            store(w, r + h, by_q * ux)
            store(w, r + 3 * h, by_q * uy)
            store(w, r + 5 * h, by_q * uz)
            vx, vy, vz = by_q * vx, by_q * vy, by_q * vz
            if not last:
                k, t = gv + atom * 3 * h + c, load(w, g + 2 * h)
                gx, gy, gz = load(w, k), load(w, k + h), load(w, k + 2 * h)
                store(w, o + 2 * h, fma(gz, uz, fma(gy, uy, gx * ux)))
                vx, vy, vz = fma(t, gx, vx), fma(t, gy, vy), fma(t, gz, vz)
            store(w, r, vx)
            store(w, r + 2 * h, vy)
            store(w, r + 4 * h, vz)


@njit(cache=True, nogil=True)
def _norms_back(n, h, w, mixed, x0, grad_x, gs, grad_m):  # type: ignore
    """Adds the derivative by s to `gs`, and the one by |Vv|, carried on to Vv, to `grad_m`."""
    for atom in range(n):
        for c in range(0, h, LANES):
            k, m = atom * 2 * h + c, atom * 6 * h + h + c
            store(w, gs + atom * h + c, load(w, gs + atom * h + c) + load(w, grad_x + k))
            pull = load(w, grad_x + k + h) / load(w, x0 + k + h)
            for x in range(3):
                to = grad_m + m + 2 * x * h
                store(w, to, fma(pull, load(w, mixed + m + 2 * x * h), load(w, to)))


@njit(cache=True, nogil=True)
def _scale(w, at, by, count):  # type: ignore
    for k in range(0, count, LANES):
        store(w, at + k, load(w, at + k) * load(w, by + k))


# ------------------------------------------------------------------------------------------------------- the network


@njit(cache=True, nogil=True)
def _copy(source, of, to_array, to, count):  # type: ignore
    """Vector by vector: slices would bring in numba's broadcasting, which takes seconds to compile."""
    for k in range(0, count, LANES):
        store(to_array, to + k, load(source, of + k))


@njit(cache=True, nogil=True)
def _block(l, blocks, n, h, pairs, table, block_size, weights, wo, w, o, index, geometry):  # type: ignore
    """Block `l` forward, for `n` atoms: message, then update; keeps what `_block_back` needs."""
    last = l == blocks - 1
    s0, v0 = o[SCALAR] + l * n * h, o[VECTOR] + l * n * 3 * h
    x0, mixed, slope = o[INPUT] + l * n * 2 * h, o[MIXED] + l * n * 6 * h, o[SLOPE] + l * n * h
    gate, v1, zero, flat = o[GATE] + l * n * 3 * h, o[GRAD_V], wo[0, -1], np.int64(0)
    for atom in range(n):
        _copy(w, s0 + atom * h, w, x0 + atom * 2 * h, h)
    if l == 0:
        for k in range(0, n * 3 * h, LANES):
            store(w, v1 + k, splat(np.float32(0.0)))
        _message_first(table, index, geometry, pairs, h, w, s0, x0, v1)
    else:
        _copy(w, v0, w, v1, n * 3 * h)
        _message(table, l * block_size, index, geometry, pairs, h, w, s0, v0, x0, v1)
    gemm(w, v1, h, weights, wo[l, MIX], h * PANEL, h, weights, zero, flat, w, mixed, 2 * h, 3 * n, 2 * h)
    _norms(n, h, w, mixed, x0, weights, wo[l, EPS])
    gemm(w, x0, 2 * h, weights, wo[l, UP0], 2 * h * PANEL, 2 * h, weights, wo[l, BIAS0], flat, w, slope, h, n, h)
    _activate(w, slope, n * h, o[ACTIVE])
    columns = 2 * h if last else 3 * h
    gemm(w, o[ACTIVE], h, weights, wo[l, UP2], h * PANEL, h, weights, wo[l, BIAS2], flat, w, gate, 3 * h, n, columns)
    _apply(n, h, w, mixed, x0, gate, v1, s0 + n * h, v0 + n * 3 * h, last)


@njit(cache=True, nogil=True)
def _block_back(l, blocks, n, h, pairs, table, block_size, weights, wo, w, o, index, geometry, slopes, gs, gv, ns, nv):  # type: ignore
    """Block `l` in reverse: from gs, gv (by its results) to ns, nv (by its inputs) and `slopes` (by the pairs)."""
    last = l == blocks - 1
    s0, v0 = o[SCALAR] + l * n * h, o[VECTOR] + l * n * 3 * h
    x0, mixed, slope = o[INPUT] + l * n * 2 * h, o[MIXED] + l * n * 6 * h, o[SLOPE] + l * n * h
    gate, grad_x, grad_m, grad_g = o[GATE] + l * n * 3 * h, o[GRAD_X], o[GRAD_M], o[GRAD_G]
    zero, flat = wo[0, -1], np.int64(0)  # a plain 0 has a type of its own, for which `gemm` would be compiled again
    _apply_back(n, h, w, mixed, gate, gs, gv, grad_g, grad_m, last)
    depth, act = 2 * h if last else 3 * h, o[ACTIVE]
    gemm(w, grad_g, 3 * h, weights, wo[l, UP2_T], 3 * h * PANEL, depth, weights, zero, flat, w, act, h, n, h)
    _scale(w, act, slope, n * h)
    gemm(w, act, h, weights, wo[l, UP0_T], h * PANEL, h, weights, zero, flat, w, grad_x, 2 * h, n, 2 * h)
    _norms_back(n, h, w, mixed, x0, grad_x, gs, grad_m)
    if last:
        gemm(w, grad_m, 2 * h, weights, wo[l, MIX_T], 2 * h * PANEL, 2 * h, weights, zero, flat, w, gv, h, 3 * n, h)
    else:
        gemm(w, grad_m, 2 * h, weights, wo[l, MIX_T], 2 * h * PANEL, 2 * h, w, gv, h, w, gv, h, 3 * n, h)
    if l == 0:
        _message_first_back(table, index, geometry, slopes, pairs, h, w, s0, gs, gv)
        return
    _copy(w, gs, w, ns, n * h)
    _copy(w, gv, w, nv, n * 3 * h)
    _message_back(table, l * block_size, index, geometry, slopes, pairs, h, w, s0, v0, gs, gv, ns, nv)


@njit(cache=True, nogil=True)
def _readout(n, h, r, blocks, weights, wo, w, o, atomic):  # type: ignore
    """Energy of each atom without its offset, eV, into `atomic`, and its derivative by s into GRAD_S."""
    top, hidden, act, zero, flat = o[SCALAR] + blocks * n * h, o[READ], o[GRAD_X], wo[0, -1], np.int64(0)
    gemm(w, top, h, weights, wo[0, READ0], h * PANEL, h, weights, wo[0, READ_BIAS], flat, w, hidden, r, n, r)
    _activate(w, hidden, n * r, act)
    for atom in range(n):
        energy = splat(np.float32(0.0))
        for c in range(0, r, LANES):
            output = load(weights, wo[0, READ2] + c)
            energy = fma(output, load(w, act + atom * r + c), energy)
            store(w, hidden + atom * r + c, output * load(w, hidden + atom * r + c))
        atomic[atom] = total(energy)
    gemm(w, hidden, r, weights, wo[0, READ0_T], r * PANEL, r, weights, zero, flat, w, o[GRAD_S], h, n, h)


@njit(cache=True, nogil=True)
def step(x, species, offsets, chunks, listed, shifts, bounds, sizes, cell, charges, ranges, shift, table, weights, wo,
         w, widths, o, atomic, index, geometry, slopes, ends, energy, forces, virial):  # type: ignore  # fmt: skip
    """Energies, forces and virials of all molecules, chunk by chunk.

    Args:
        x, species: (N, 3) Å; (N,) index of each atom's element.
        offsets, chunks: (M + 1,) first atom of each molecule; (C + 1,) first molecule of each chunk.
        listed, shifts, bounds: (2, P) atoms, (P, 3) Å and (M + 1,) first pair of each molecule; without bounds all pairs
            of a molecule are looked at.
        sizes, cell: H, padded readout width, L, intervals; their length and cutoff, Å.
        charges, ranges, shift: per element, pair of elements and element: Z, repulsion range, energy offset.
        table, weights, wo: radial table, packed weights, (L, regions) where each weight starts.
        w, widths, o, atomic, index, geometry, slopes: workspace of one chunk (see `_add_pair`).
        ends: (M,) pairs of the chunk up to and with each molecule, written.
        energy, forces, virial: (M,) eV, (N, 3) eV/Å and (M, 3, 3) eV (the derivative by a strain), written.
    """
    h, r, blocks, intervals = sizes[0], sizes[1], sizes[2], sizes[3]
    for atom in range(len(species)):
        forces[atom, 0] = forces[atom, 1] = forces[atom, 2] = 0.0
    for chunk in range(len(chunks) - 1):
        first, last = chunks[chunk], chunks[chunk + 1]
        base, n = offsets[first], offsets[last] - offsets[first]
        at = 0
        for region in range(len(widths)):
            o[region] = at
            at += widths[region] * n
        pairs = np.int64(0)  # a plain 0 has a type of its own, for which everything would be compiled once more
        for m in range(first, last):
            if len(bounds) > 0:
                pairs, energy[m] = _take_pairs(
                    x, bounds[m], bounds[m + 1], listed, shifts, base, species, charges, ranges, cell[0], intervals,
                    cell[1], index, geometry, slopes, pairs,
                )  # fmt: skip
            else:
                pairs, energy[m] = _find_pairs(
                    x, offsets[m], offsets[m + 1], base, species, charges, ranges, cell[0], intervals, cell[1],
                    index, geometry, slopes, pairs,
                )  # fmt: skip
            ends[m] = pairs
            for k in range(9):
                virial[m, k // 3, k % 3] = 0.0
        for atom in range(n):
            _copy(weights, wo[0, EMBED] + species[base + atom] * h, w, o[SCALAR] + atom * h, h)
        size = intervals * TABLE_COLUMNS * h
        for l in range(blocks):
            _block(l, blocks, n, h, pairs, table, size, weights, wo, w, o, index, geometry)
        _readout(n, h, r, blocks, weights, wo, w, o, atomic)
        gs, gv, ns, nv = o[GRAD_S], o[GRAD_V], o[GRAD_S2], o[GRAD_V2]
        for l in range(blocks - 1, -1, -1):
            _block_back(
                l, blocks, n, h, pairs, table, size, weights, wo, w, o, index, geometry, slopes, gs, gv, ns, nv
            )  # fmt: skip
            gs, gv, ns, nv = ns, nv, gs, gv
        done = np.int64(0)
        for m in range(first, last):
            _spread_forces(base, cell[0], index, slopes, done, ends[m], forces, virial[m])
            done = ends[m]
        _sum_atoms(x, species, offsets, first, last, base, shift, atomic, energy, forces)


@njit(cache=True, nogil=True)
def _sum_atoms(x, species, offsets, first, last, base, shift, atomic, energy, forces):  # type: ignore
    """Adds the atoms' energies; a molecule with a position that is no place gets NaN, never a plausible number."""
    for m in range(first, last):
        broken = False
        for atom in range(offsets[m], offsets[m + 1]):
            energy[m] += atomic[atom - base] + shift[species[atom]]
            for k in range(3):
                broken |= not abs(x[atom, k]) < FARTHEST_A
        if broken:
            energy[m] = math.nan
            for atom in range(offsets[m], offsets[m + 1]):
                forces[atom, 0] = forces[atom, 1] = forces[atom, 2] = math.nan
