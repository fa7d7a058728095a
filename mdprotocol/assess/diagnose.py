"""Diagnosis: what caused a failed criterion, by the numbers of its follow-up calculations (engine/followup). No torch.

The rules, all of them. A fault of the potential is found where a probe's number passes the limit in `SIGNS`; it is named
for every failed criterion that it can move:

    non-conservative forces   forces are not minus the gradient of the energy      dynamics, and errors to the reference
    energy discontinuity      the energy jumps where nothing does                  dynamics
    broken symmetry           turning, moving or renaming atoms changes forces     errors to the reference, and dynamics
                              or energy                                            but for the conservation of energy
    a hole in the potential   atoms that come near each other find no wall         runs that end early
    memory                    the same place gives another answer later            dynamics, and errors to the reference

A failed criterion on trajectories is then looked at in the failing run once more, from the same start, if that breaks the
bound again (or ends early again):

    integration               with half the time step it keeps the bound, or the value falls below 0.4 of what it was
                              where no fault of the potential was found (the error of a second-order integrator falls to
                              a quarter: Hairer, Lubich and Wanner 2003, Acta Numerica 12, 399)
    precision                 the same in float64

Where nothing of this is found, the physics itself is to blame: a smooth, conservative, symmetric potential that differs
from the reference, or under which the molecule really does what the criterion forbids.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import xarray as xr

from mdprotocol.contracts import ComparisonMetric, Metric, ProbeMetric
from mdprotocol.plan.followup import AS_RUN, DOUBLE, HALF_STEP, PROBE, TRIPPED
from mdprotocol.plan.metrics import needs_labels, split_quantity
from mdprotocol.verdicts import CriterionResult, Diagnosis, ModelVerdict, Outcome

NON_CONSERVATIVE = "non-conservative forces"
DISCONTINUITY = "energy discontinuity"
BROKEN_SYMMETRY = "broken symmetry"
HOLE = "a hole in the potential"
MEMORY = "memory of earlier calls"
INTEGRATION = "integration: the time step is too long"
PRECISION = "precision: rounding of the model's numbers"
WRONG_PHYSICS = "wrong physics: the potential differs from the reference"
OWN_PHYSICS = "the physics of the potential itself"

FALLEN = 0.4


@dataclass(frozen=True)
class Sign:
    """A number of a probe that betrays a fault.

    Attributes:
        most: a sound potential stays below.
        says: what it means, with the number in it.
    """

    quantity: str
    most: float
    cause: str
    says: str


SIGNS = (
    Sign(
        "force_consistency.relative",
        0.003,
        NON_CONSERVATIVE,
        "forces and the energy's slope differ by {:.2g} of their size",
    ),
    Sign("force_consistency.loop_work", 2.0, NON_CONSERVATIVE, "forces do {:.2g} meV of work round a closed path"),
    Sign(
        "force_consistency.repeatability",
        1e-3,
        MEMORY,
        "the same geometry asked again has forces that differ by {:.2g} eV/Å",
    ),
    Sign("force_consistency.energy_repeatability", 0.1, MEMORY, "the same geometry asked again differs by {:.2g} meV"),
    Sign("symmetry.rotation_energy", 1.0, BROKEN_SYMMETRY, "rotation changes the energy by up to {:.2g} meV"),
    Sign("symmetry.rotation_force", 0.005, BROKEN_SYMMETRY, "rotation changes forces by up to {:.2g} eV/Å"),
    Sign("symmetry.reflection_energy", 1.0, BROKEN_SYMMETRY, "reflection changes the energy by up to {:.2g} meV"),
    Sign("symmetry.reflection_force", 0.005, BROKEN_SYMMETRY, "reflection changes forces by up to {:.2g} eV/Å"),
    Sign("symmetry.translation_energy", 1.0, BROKEN_SYMMETRY, "translation changes the energy by up to {:.2g} meV"),
    Sign("symmetry.translation_force", 0.005, BROKEN_SYMMETRY, "translation changes forces by up to {:.2g} eV/Å"),
    Sign(
        "symmetry.permutation_energy",
        1.0,
        BROKEN_SYMMETRY,
        "another order of the atoms changes the energy by {:.2g} meV",
    ),
    Sign(
        "symmetry.permutation_force", 0.005, BROKEN_SYMMETRY, "another order of the atoms changes forces by {:.2g} eV/Å"
    ),
    Sign("smoothness.energy_jump", 1.0, DISCONTINUITY, "the energy jumps by {:.2g} meV along a smooth path"),
    Sign(
        "smoothness.cutoff_jump",
        1.0,
        DISCONTINUITY,
        "it jumps at the cutoff, by {:.2g} meV while two copies are pulled apart",
    ),
    Sign(
        "short_range_wall.holes", 0.5, HOLE, "at {:.0f} places atoms that are pressed together attract instead of repel"
    ),
)
"""Limits lie well above what float32 models and iterative references show, and well below what moves a criterion."""

PROBES = ("symmetry", "smoothness", "short_range_wall", "force_consistency")
"""Metrics (by their type) that a follow-up runs, in this order."""
OF_ITS_OWN = {
    "force_consistency": (NON_CONSERVATIVE, MEMORY),
    "symmetry": (BROKEN_SYMMETRY,),
    "smoothness": (DISCONTINUITY,),
    "short_range_wall": (HOLE,),
}
"""Metrics that measure a fault itself."""
ENERGY_METRICS = ("energy_drift", "energy_fluctuation", "timestep_convergence", "reversibility")
NO_PHYSICS = ("inference_time", "resources", "kernel_error", "masses")


@dataclass(frozen=True)
class Row:
    """One number of a follow-up."""

    what: str
    quantity: str
    system: str
    criteria: tuple[str, ...]
    value: float
    detail: str


def rows_of(table: xr.Dataset) -> list[Row]:
    """The rows of a stored follow-up."""
    names = ("what", "quantity", "system", "criteria", "value", "detail")
    columns = zip(*(table[name].values.tolist() for name in names), strict=True)
    return [
        Row(str(a), str(b), str(c), tuple(str(names).split()), float(value), str(e))
        for a, b, c, names, value, e in columns
    ]


def diagnose(verdict: ModelVerdict, metrics: Mapping[str, Metric], rows: Sequence[Row]) -> Iterator[Diagnosis]:
    """The causes of every failed criterion of a model that was followed up."""
    faults = dict(_faults(rows))
    for result in verdict.criteria:
        metric = metrics.get(split_quantity(result.quantity)[0])
        if result.outcome is Outcome.FAIL and metric is not None and rows:
            for cause, evidence in _causes(result, metric, faults, rows):
                yield Diagnosis(result.name, cause, evidence)


def _faults(rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    """Faults of the potential, each with all of its evidence."""
    found: dict[str, list[str]] = {}
    for sign in SIGNS:
        bad = [row for row in rows if row.what == PROBE and row.quantity == sign.quantity and row.value > sign.most]
        if bad:
            worst = max(bad, key=lambda row: row.value)
            found.setdefault(sign.cause, []).append(f"{sign.says.format(worst.value)} ({worst.system})")
    yield from ((cause, "; ".join(texts)) for cause, texts in found.items())


def _causes(
    result: CriterionResult, metric: Metric, faults: Mapping[str, str], rows: Sequence[Row]
) -> Iterator[tuple[str, str]]:
    if metric.type in NO_PHYSICS:
        return
    if metric.type in OF_ITS_OWN:
        named = [cause for cause in OF_ITS_OWN[metric.type] if cause in faults]
        yield from ((cause, faults[cause]) for cause in named)
        return
    found = [(cause, text) for cause, text in faults.items() if _can_move(cause, metric)]
    yield from found
    if against_reference(metric):
        if not found:
            yield WRONG_PHYSICS, _nothing_found(rows)
        return
    yield from _by_dynamics(result, rows, known=bool(found))


def against_reference(metric: Metric) -> bool:
    """Whether it compares the model with the reference."""
    probes = isinstance(metric, ProbeMetric) and metric.needs_reference
    return probes or isinstance(metric, ComparisonMetric) or needs_labels(metric)


def _can_move(cause: str, metric: Metric) -> bool:
    if against_reference(metric):
        return cause in (NON_CONSERVATIVE, BROKEN_SYMMETRY, MEMORY)
    if cause == HOLE:
        return metric.type == "stability"
    return not (cause == BROKEN_SYMMETRY and metric.type in ENERGY_METRICS)


def _by_dynamics(result: CriterionResult, rows: Sequence[Row], *, known: bool) -> Iterator[tuple[str, str]]:
    """What the failing run says when it is run again.

    Args:
        known: a fault of the potential was found; a value that merely falls then proves nothing.
    """
    rows = [row for row in rows if result.name in row.criteria or row.what == PROBE]
    quantity = TRIPPED if split_quantity(result.quantity)[0] == "stability" or _tripped(rows) else result.quantity
    found = {row.what: row for row in rows if row.quantity == quantity}
    base = found.get(AS_RUN)
    if base is None or not _breaks(result, quantity, base.value):
        return
    fixed = False
    for what, cause in ((HALF_STEP, INTEGRATION), (DOUBLE, PRECISION)):
        row = found.get(what)
        if row is not None and _fixes(result, quantity, base.value, row.value, known=known):
            fixed = True
            yield cause, f"{_told(quantity, base)}; with {_in_words(what)} {_told(quantity, row)}"
    if not fixed and not known:
        tried = [_in_words(what) for what in (HALF_STEP, DOUBLE) if what in found]
        yield OWN_PHYSICS, f"{_told(quantity, base)}, and no less with {' or '.join(tried)}; {_nothing_found(rows)}"


def _tripped(rows: Sequence[Row]) -> bool:
    return any(row.what == AS_RUN and row.quantity == TRIPPED and row.value > 0 for row in rows)


def _breaks(result: CriterionResult, quantity: str, value: float) -> bool:
    if quantity == TRIPPED:
        return value > 0
    least = -math.inf if result.minimum is None else result.minimum
    most = math.inf if result.maximum is None else result.maximum
    return not least <= value <= most


def _fixes(result: CriterionResult, quantity: str, before: float, after: float, *, known: bool) -> bool:
    if not _breaks(result, quantity, after):
        return True
    return quantity != TRIPPED and not known and abs(after) < FALLEN * abs(before)


def _told(quantity: str, row: Row) -> str:
    if quantity == TRIPPED:
        return f"it ended early ({row.detail})" if row.value > 0 else f"it did not end {row.detail}"
    return f"{quantity} is {row.value:.3g} {row.detail}"


def _in_words(what: str) -> str:
    return {HALF_STEP: "half the time step", DOUBLE: "float64"}[what]


def _nothing_found(rows: Sequence[Row]) -> str:
    done = dict.fromkeys(split_quantity(row.quantity)[0] for row in rows if row.what == PROBE)
    return f"{', '.join(done) or 'no probe'} found no fault"
