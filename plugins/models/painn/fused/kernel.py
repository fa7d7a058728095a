"""PaiNN on a CPU, fused: energies, analytic forces and virials, one thread, no torch after loading.

The network is the one of `network` (same equations, same state-dict names). Three things make it fast:

* the radial filters, a small network on every pair, are read once from the network in float64 and tabulated as cubic
  Hermite interpolants on a uniform grid of the distance. The table *is* then the model: forces are the derivative of the
  interpolant, so that energy is conserved exactly, and the grid is fine enough for forces within 1e-4 eV/Å of the network;
* forces come from a reverse pass written by hand, that keeps only what it needs;
* all loops are compiled (by numba, so that no compiler is needed) with explicit vectors; see `loops`.

Arithmetic is float32, except distances, repulsion, sums of energies and forces, which are float64. Results do not depend on
what else is in the batch, to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from ase.data import covalent_radii

from mdprotocol_plugins.models.painn.flops import Sizes
from mdprotocol_plugins.models.painn.fused.evaluator import FusedEvaluator, ListPairs, aligned

COARSEST_A, FINEST_A = 0.01, 0.0025
"""Intervals of the table, Å, between which one is chosen; the error of the derivative goes with the third power."""
MORE = 1.25
SLOPE_ERROR = 8e-6
"""Largest error of the filters' derivative (root mean square over channels, relative to its largest value) that is
taken. The largest force error on geometries of hot dynamics is then below 1e-4 eV/Å (see tests). No finer: a pair then
leaves its interval at every step, and what is read from main memory each time takes a tenth of the step."""
SHORTEST_A = 0.4
"""Half the shortest bond: the accuracy of the table is asked for from here on."""


class KernelUnavailable(RuntimeError):
    """The fused kernel cannot run here (numba is missing or broken, or the processor lacks fused multiply-add)."""


class SizesLike(Sizes, Protocol):
    """What the kernel reads of an architecture (see `network.Architecture`)."""

    @property
    def cutoff_A(self) -> float: ...
    @property
    def elements(self) -> tuple[int, ...]: ...
    @property
    def norm_eps(self) -> float: ...


def _loops() -> Any:
    """The compiled half; imported at first use, for numba takes a second to import."""
    try:
        from mdprotocol_plugins.models.painn.fused import loops
    except Exception as error:  # numba can also fail on a NumPy it does not know, with other errors than ImportError
        raise KernelUnavailable(f"the fused PaiNN kernel needs numba: {error}") from error
    if not loops.HAS_FMA:
        raise KernelUnavailable("the fused PaiNN kernel needs a processor with fused multiply-add")
    return loops


def radial_filters(
    state: Mapping[str, np.ndarray], block: int, distance: np.ndarray, radial: int, cutoff: float
) -> tuple[np.ndarray, np.ndarray]:
    """Filters W(d) = fc(d) filter(g(d)) of one block and dW/dd, float64, from the network's weights.

    Args:
        state: the network's tensors, by the names of `network.PaiNN`.
        distance: (P,) Å, from 0 to the cutoff.

    Returns:
        (P, 3H) filters (a, b, c) and (P, 3H) their derivatives, 1/Å.
    """
    w0, b0, w2, b2 = (
        np.asarray(state[f"blocks.{block}.filter.{part}"], dtype=np.float64)
        for part in ("0.weight", "0.bias", "2.weight", "2.bias")
    )
    basis, basis_slope = _basis(distance, radial, cutoff)
    before = basis @ w0.T + b0
    gate = 1.0 / (1.0 + np.exp(-before))
    value = (before * gate) @ w2.T + b2
    slope = (gate * (1.0 + before * (1.0 - gate)) * (basis_slope @ w0.T)) @ w2.T
    cut, cut_slope = _envelope(distance, cutoff)
    return cut[:, None] * value, cut[:, None] * slope + cut_slope[:, None] * value


def hermite(value: np.ndarray, slope: np.ndarray, interval: float) -> np.ndarray:
    """Coefficients of 1, t, t², t³ of the cubics with these values and slopes (2, ..., C) at t = 0 and 1: (4, ..., C)."""
    rise, (first, last) = value[1] - value[0], slope * interval
    return np.stack([value[0], first, 3.0 * rise - 2.0 * first - last, first + last - 2.0 * rise])


def slope_error(state: Mapping[str, np.ndarray], sizes: SizesLike, block: int, intervals: int) -> float:
    """Error of the tabulated derivative of one block's filters from SHORTEST_A on, as SLOPE_ERROR is measured."""
    interval, t = sizes.cutoff_A / intervals, 0.21  # where the derivative of a cubic Hermite interpolant errs most
    low = np.arange(int(SHORTEST_A / interval), intervals, max(1, intervals // 250)) * interval
    where = np.concatenate([low, low + interval, low + t * interval])
    value, slope = radial_filters(state, block, where, sizes.radial, sizes.cutoff_A)
    value, slope = value.reshape(3, len(low), -1), slope.reshape(3, len(low), -1)
    _, c1, c2, c3 = hermite(value[:2], slope[:2], interval)
    error = (c1 + 2.0 * t * c2 + 3.0 * t * t * c3) / interval - slope[2]
    largest = np.sqrt(np.mean(slope[2] ** 2, axis=1)).max()
    return float(np.sqrt(np.mean(error**2, axis=1)).max() / max(largest, 1e-300))


def _choose_intervals(state: Mapping[str, np.ndarray], sizes: SizesLike) -> int:
    """The fewest intervals, a quarter more at a time, that are accurate enough."""
    intervals = int(np.ceil(sizes.cutoff_A / COARSEST_A))
    while MORE * intervals <= np.ceil(sizes.cutoff_A / FINEST_A):
        if all(slope_error(state, sizes, block, intervals) <= SLOPE_ERROR for block in range(sizes.blocks)):
            break
        intervals = round(MORE * intervals)
    return intervals


def _basis(distance: np.ndarray, count: int, cutoff: float) -> tuple[np.ndarray, np.ndarray]:
    """sqrt(2/rc) sin(k pi d/rc)/d and its derivative, (P, K); finite at d = 0, where the series takes over."""
    wave = np.arange(1, count + 1) * np.pi / cutoff
    d = distance[:, None]
    x = wave * d
    near = x < 1e-3
    safe = np.where(near, 1.0, x)
    value = np.where(near, 1.0 - x**2 / 6.0, np.sin(safe) / safe)
    slope = np.where(near, -x / 3.0, (np.cos(safe) - np.sin(safe) / safe) / safe)
    scale = np.sqrt(2.0 / cutoff) * wave
    return scale * value, scale * wave * slope


def _envelope(distance: np.ndarray, cutoff: float) -> tuple[np.ndarray, np.ndarray]:
    """exp(-d²/((rc-d)(rc+d))) and its derivative, (P,); see `network.envelope`."""
    gap = np.maximum((cutoff - distance) * (cutoff + distance), 1e-12)
    inside = (distance < cutoff) & (distance**2 / gap < 80.0)
    value = np.where(inside, np.exp(-np.minimum(distance**2 / gap, 80.0)), 0.0)
    return value, -2.0 * distance * cutoff**2 / gap**2 * value


class FusedKernel:
    """A network ready to be evaluated on a CPU; `prepare` fixes the molecules, the callable it returns takes positions.

    Args:
        state: the network's tensors, by the names of `network.PaiNN`.
        architecture: its sizes.

    Raises:
        KernelUnavailable: numba or the processor cannot do it.
    """

    def __init__(self, state: Mapping[str, np.ndarray], architecture: SizesLike) -> None:
        self.loops = _loops()
        self.architecture = architecture
        panel = self.loops.PANEL
        self.hidden = -(-architecture.hidden // panel) * panel
        self.read = -(-(architecture.hidden // 2) // panel) * panel
        self.intervals = _choose_intervals(state, architecture)
        self.table = self._tabulate(state)
        self.weights, self.where = self._pack(state)
        elements = np.asarray(architecture.elements)
        self.charges = elements.astype(np.float64)
        radii = np.asarray(covalent_radii, dtype=np.float64)[elements]
        self.ranges = radii[:, None] + radii[None, :]
        offset = float(np.asarray(state["readout.2.bias"])[0])
        self.shift = np.asarray(state["atomic_energy"], dtype=np.float64) + offset

    def prepare(self, numbers: np.ndarray, offsets: np.ndarray, pairs: ListPairs | None = None) -> FusedEvaluator:
        """What takes positions (N, 3) Å, float64, and gives energies (M,) eV and forces (N, 3) eV/Å, both float64.

        It owns its workspace: call it from one thread at a time.

        Args:
            numbers: (N,) atomic numbers, molecules one after the other.
            offsets: (M + 1,) first atom of each molecule, and N.
            pairs: the pairs to look at, for positions; all pairs of each molecule, without images, where absent.
        """
        return FusedEvaluator(self, self._species(np.asarray(numbers)), offsets, pairs)

    @property
    def interval_A(self) -> float:
        """Interval of the radial table, Å."""
        return self.architecture.cutoff_A / self.intervals

    def _species(self, numbers: np.ndarray) -> np.ndarray:
        """(N,) index of each atom's element."""
        elements = np.asarray(self.architecture.elements)
        order = np.argsort(elements)
        found = np.clip(np.searchsorted(elements[order], numbers), 0, len(elements) - 1)
        species = order[found].astype(np.int64)
        if not np.array_equal(elements[species], numbers):
            raise ValueError(
                f"elements {sorted(set(numbers.tolist()) - set(elements.tolist()))} are unknown to the model"
            )
        return species

    def _tabulate(self, state: Mapping[str, np.ndarray]) -> np.ndarray:
        """The table: per block, interval and group of channels the columns of `loops`."""
        sizes, lanes = self.architecture, self.loops.LANES
        intervals = self.intervals
        found = []
        for block in range(sizes.blocks):
            distance = np.linspace(0.0, sizes.cutoff_A, intervals + 1)
            value, slope = radial_filters(state, block, distance, sizes.radial, sizes.cutoff_A)
            ends = np.stack([value[:-1], value[1:]]), np.stack([slope[:-1], slope[1:]])
            cubics = hermite(*ends, self.interval_A)
            padded = np.zeros((4, intervals, 3, self.hidden), dtype=np.float32)
            padded[..., : sizes.hidden] = cubics.reshape(4, intervals, 3, sizes.hidden)
            grouped = padded.reshape(4, intervals, 3, self.hidden // lanes, lanes).transpose(1, 3, 2, 0, 4)
            found.append(grouped.ravel())
        return _aligned_copy(np.concatenate(found))

    def _pack(self, state: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """All weights in one array, matrices in panels, and (L, regions + 1) where each starts; the last is zeros."""
        parts: list[np.ndarray] = []
        rows, size = [], 0
        for block in range(self.architecture.blocks):
            row = []
            for part in self._regions(state, block):
                parts.append(part)
                row.append(size)
                size += len(part)
            rows.append(row)
        return _aligned_copy(np.concatenate(parts)), np.array(rows, dtype=np.int64)

    def _regions(self, state: Mapping[str, np.ndarray], block: int) -> list[np.ndarray]:
        """One block's parts in the order of the regions named in `loops`; readout and embedding with block 0."""
        h, r = self.architecture.hidden, self.architecture.hidden // 2
        big, small = self.hidden, self.read

        def matrix(name: str, out: tuple[int, int, int], into: tuple[int, int, int]) -> np.ndarray:
            return _pad(_pad(np.asarray(state[name], dtype=np.float32), *out, axis=0), *into, axis=1)

        mix = matrix(f"blocks.{block}.mix.weight", (2, h, big), (1, h, big))
        up0 = matrix(f"blocks.{block}.update.0.weight", (1, h, big), (2, h, big))
        up2 = matrix(f"blocks.{block}.update.2.weight", (3, h, big), (1, h, big))
        bias0 = _pad(np.asarray(state[f"blocks.{block}.update.0.bias"], dtype=np.float32), 1, h, big, axis=0)
        bias2 = _pad(np.asarray(state[f"blocks.{block}.update.2.bias"], dtype=np.float32), 3, h, big, axis=0)
        read0 = matrix("readout.0.weight", (1, r, small), (1, h, big))
        read_bias = _pad(np.asarray(state["readout.0.bias"], dtype=np.float32), 1, r, small, axis=0)
        read2 = _pad(np.asarray(state["readout.2.weight"], dtype=np.float32)[0], 1, r, small, axis=0)
        embed = _pad(np.asarray(state["embedding.weight"], dtype=np.float32), 1, h, big, axis=1)
        panels = [p for m in (mix, up0, up2, read0) for p in (self._panels(m.T), self._panels(m))]
        eps, zeros = np.full(big, self.architecture.norm_eps, dtype=np.float32), np.zeros(3 * big, dtype=np.float32)
        return [embed.ravel(), *panels, bias0, bias2, read_bias, read2, eps, zeros]

    def _panels(self, matrix: np.ndarray) -> np.ndarray:
        """(K, N) in panels of columns, each contiguous row by row."""
        depth, columns = matrix.shape
        panel = self.loops.PANEL
        return np.ascontiguousarray(matrix.reshape(depth, columns // panel, panel).transpose(1, 0, 2)).ravel()


def _pad(array: np.ndarray, groups: int, size: int, padded: int, axis: int) -> np.ndarray:
    """Fills each of `groups` runs of `size` along `axis` with zeros up to `padded`."""
    shape = array.shape
    split = array.reshape(*shape[:axis], groups, size, *shape[axis + 1 :])
    room = [(0, 0)] * split.ndim
    room[axis + 1] = (0, padded - size)
    return np.pad(split, room).reshape(*shape[:axis], groups * padded, *shape[axis + 1 :])


def _aligned_copy(array: np.ndarray) -> np.ndarray:
    copy = aligned(len(array))
    copy[:] = array
    return copy
