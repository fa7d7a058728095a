"""Diagnosis: what caused a failed criterion, by the numbers of its follow-up calculations (engine/followup). No torch.

The rules, all of them. A property of the potential is found broken where a number of a metric passes the limit of one of
its signs (`Metric.signs`); the failure is named for every failed criterion that it can move, as the property declares
(`Property.moves`, `leaves`, `in_errors`). Those of the first-party probes:

    non-conservative forces   forces are not minus the gradient of the energy      dynamics, and errors to the reference
    memory                    the same place gives another answer later            dynamics, and errors to the reference
    broken symmetry           turning, moving or renaming atoms changes forces     errors to the reference, and dynamics
                              or energy                                            but for the conservation of energy
    energy discontinuity      the energy jumps where nothing does                  dynamics
    a hole in the potential   atoms that come near each other find no wall         runs that end early

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

from mdprotocol.contracts import PROPERTIES, ComparisonMetric, Metric, ProbeMetric, Property, Sign, properties
from mdprotocol.plan.followup import AS_RUN, DOUBLE, HALF_STEP, PROBE, TRIPPED
from mdprotocol.plan.metrics import needs_labels, split_quantity
from mdprotocol.verdicts import CriterionResult, Diagnosis, ModelVerdict, Outcome

OWN_PHYSICS = "the physics of the potential itself"

FALLEN = 0.4


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


def without_physics(metric: Metric) -> bool:
    """Whether all that it tests is a matter of cost or records, for which no cause is looked for in the model's physics."""
    return bool(metric.tests) and not any(tested.physics for tested in metric.tests)


def recognising(metrics: Sequence[Metric]) -> tuple[tuple[str, Sign], ...]:
    """Every sign of these metrics with its `type.quantity`, in the order in which causes are named."""
    found = [(f"{metric.type}.{sign.quantity}", sign) for metric in metrics for sign in metric.signs]
    return tuple(sorted(found, key=lambda item: _place(item[1].breaks)))


def _place(broken: Property) -> int:
    """Place in the first-party list; those of other plugins follow it."""
    return PROPERTIES.index(broken) if broken in PROPERTIES else len(PROPERTIES)


def in_order(probes: Sequence[ProbeMetric]) -> list[ProbeMetric]:
    """Probes as a follow-up runs them: those that look for one property first (they are quick), by the list of causes."""

    def rank(probe: ProbeMetric) -> tuple[int, int]:
        broken = {sign.breaks for sign in probe.signs}
        return len(broken), min(map(_place, broken))

    return sorted(probes, key=rank)


def diagnose(
    verdict: ModelVerdict, metrics: Mapping[str, Metric], rows: Sequence[Row], probes: Sequence[ProbeMetric]
) -> Iterator[Diagnosis]:
    """The causes of every failed criterion of a model that was followed up.

    Args:
        probes: those that the follow-up may have run.
    """
    broken = dict(_broken(rows, recognising(probes)))
    for result in verdict.criteria:
        metric = metrics.get(split_quantity(result.quantity)[0])
        if result.outcome is Outcome.FAIL and metric is not None and rows:
            for cause, evidence in _causes(result, metric, broken, rows):
                yield Diagnosis(result.name, cause, evidence)


def _broken(rows: Sequence[Row], signs: Sequence[tuple[str, Sign]]) -> Iterator[tuple[Property, str]]:
    """Broken properties of the potential, each with all of its evidence."""
    found: dict[Property, list[str]] = {}
    for quantity, sign in signs:
        bad = [row for row in rows if row.what == PROBE and row.quantity == quantity and row.value > sign.most]
        if bad:
            worst = max(bad, key=lambda row: row.value)
            found.setdefault(sign.breaks, []).append(f"{sign.says.format(worst.value)} ({worst.system})")
    yield from ((broken, "; ".join(texts)) for broken, texts in found.items())


def _causes(
    result: CriterionResult, metric: Metric, broken: Mapping[Property, str], rows: Sequence[Row]
) -> Iterator[tuple[str, str]]:
    if without_physics(metric):
        return
    if metric.signs:
        own = dict.fromkeys(sign.breaks for sign in metric.signs)
        yield from ((one.failure(), broken[one]) for one in own if one in broken)
        return
    found = [(one.failure(), text) for one, text in broken.items() if can_move(one, metric)]
    yield from found
    if against_reference(metric):
        if not found:
            yield properties.LANDSCAPE.failure(), _nothing_found(rows)
        return
    yield from _by_dynamics(result, metric, rows, known=bool(found))


def against_reference(metric: Metric) -> bool:
    """Whether it compares the model with the reference."""
    probes = isinstance(metric, ProbeMetric) and metric.needs_reference
    return probes or isinstance(metric, ComparisonMetric) or needs_labels(metric)


def can_move(broken: Property, metric: Metric) -> bool:
    """Whether a broken property of the potential can be why a criterion on this metric failed."""
    if against_reference(metric):
        return broken.in_errors
    names = {tested.name for tested in metric.tests}
    if broken.moves is not None:
        return bool(names & broken.moves)
    return not names or not names <= broken.leaves


def _by_dynamics(
    result: CriterionResult, metric: Metric, rows: Sequence[Row], *, known: bool
) -> Iterator[tuple[str, str]]:
    """What the failing run says when it is run again.

    Args:
        known: a fault of the potential was found; a value that merely falls then proves nothing.
    """
    rows = [row for row in rows if result.name in row.criteria or row.what == PROBE]
    quantity = TRIPPED if properties.STABILITY in metric.tests or _tripped(rows) else result.quantity
    found = {row.what: row for row in rows if row.quantity == quantity}
    base = found.get(AS_RUN)
    if base is None or not _breaks(result, quantity, base.value):
        return
    fixed = False
    for what, cured in ((HALF_STEP, properties.TIMESTEP), (DOUBLE, properties.PRECISION)):
        row = found.get(what)
        if row is not None and _fixes(result, quantity, base.value, row.value, known=known):
            fixed = True
            yield cured.failure(), f"{_told(quantity, base)}; with {_in_words(what)} {_told(quantity, row)}"
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
