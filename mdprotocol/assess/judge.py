"""Judge: criteria against measurements, and the decision on each model. The rules, all of them:

Cell       PASS where the whole confidence interval lies within the bound. FAIL where the whole of a wider interval, at
           confidence 1 - (1 - c)/m for m cells, lies outside. NOT MEASURED where any planned run has no value. Else
           INCONCLUSIVE, with the number of replicas that would decide it.
Criterion  its worst cell, in the order FAIL, NOT MEASURED, INCONCLUSIVE, PASS.
Model      any `must` FAIL: REJECTED. Else any `must` that is not PASS, or no `must` at all: UNDECIDED. Else APPROVED.

Why the two intervals differ: a PASS claims that every cell keeps the bound, which is an intersection-union test
(Berger 1982, Technometrics 24, 295): testing each cell at c holds the whole at c. A FAIL claims that some cell breaks
it; over m cells chance finds one, hence Bonferroni's correction. Nothing is corrected across criteria.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from mdprotocol.assess.cells import Pooled, cells, pooled
from mdprotocol.assess.decision import decide, recommend
from mdprotocol.assess.measurements import Measurements
from mdprotocol.assess.places import Place
from mdprotocol.assess.statistics import EXACT, samples_to_decide
from mdprotocol.components import Metric, ProbeMetric, Quantity
from mdprotocol.plan import Probe, Run, select, split_quantity
from mdprotocol.protocol.schema import Criterion, Protocol
from mdprotocol.verdicts import CellResult, CriterionResult, ModelVerdict, Outcome

BADNESS = (Outcome.FAIL, Outcome.NOT_MEASURED, Outcome.INCONCLUSIVE, Outcome.PASS)


def judge_models(
    protocol: Protocol,
    metrics: Mapping[str, Metric],
    runs: Sequence[Run],
    probes: Sequence[Probe],
    measurements: Measurements,
) -> list[ModelVerdict]:
    """The verdict on every model of the protocol; the reference's own trajectories are not judged."""
    return [_judge_model(model, protocol, metrics, runs, probes, measurements) for model in protocol.models]


def _judge_model(
    model: str,
    protocol: Protocol,
    metrics: Mapping[str, Metric],
    runs: Sequence[Run],
    probes: Sequence[Probe],
    measurements: Measurements,
) -> ModelVerdict:
    planned = [run for run in runs if run.model == model]
    examined = [probe for probe in probes if probe.model == model]
    results = [
        judge_criterion(name, criterion, metrics, planned, examined, measurements)
        for name, criterion in protocol.criteria.items()
    ]
    outcomes = [measurements.run_outcomes.get(Place.of(run), "missing") for run in planned]
    decision, reasons = decide(results)
    return ModelVerdict(
        model=model,
        decision=decision,
        reasons=tuple(reasons),
        criteria=tuple(results),
        recommendations=tuple(recommend(protocol.recommendations, results)),
        runs_planned=len(planned),
        runs_completed=outcomes.count("completed"),
        runs_failed=outcomes.count("failed"),
        runs_missing=outcomes.count("missing"),
    )


def judge_criterion(
    name: str,
    criterion: Criterion,
    metrics: Mapping[str, Metric],
    runs: Sequence[Run],
    probes: Sequence[Probe],
    measurements: Measurements,
) -> CriterionResult:
    """Judge one criterion for one model.

    Args:
        metrics: by their name in the protocol.
        runs, probes: everything planned for this model.
    """
    metric_name, key = split_quantity(criterion.metric)
    metric = metrics.get(metric_name)
    quantity = metric.quantities.get(key) if metric else None
    if isinstance(metric, ProbeMetric):
        places = [Place.of(p) for p in select([p for p in probes if p.metric == metric_name], criterion)]
    else:
        places = [Place.of(run) for run in select(runs, criterion)]
    reason = _nothing(criterion, quantity, places)
    results: list[CellResult] = []
    if quantity is not None and not reason:
        found = cells(criterion.metric, places, criterion.per, measurements)
        results = judge_cells(criterion, [pooled(criterion.metric, quantity, c, criterion.confidence) for c in found])
    return CriterionResult(
        name=name,
        level=criterion.level,
        description=criterion.description,
        quantity=criterion.metric,
        units=quantity.units if quantity else (criterion.units or ""),
        minimum=criterion.min,
        maximum=criterion.max,
        outcome=results[0].outcome if results else Outcome.NOT_MEASURED,
        cells=tuple(results),
        reason=reason,
    )


def _nothing(criterion: Criterion, quantity: Quantity | None, places: Sequence[Place]) -> str:
    """Why nothing at all can be judged; empty where there is something."""
    if quantity is None:
        return f"there is no quantity {criterion.metric}"
    if criterion.units is not None and criterion.units != quantity.units:
        return f"the bound is in {criterion.units}, but {criterion.metric} in {quantity.units}"
    return "" if places else "no run or probe was planned that it could be measured from"


def judge_cells(criterion: Criterion, found: Sequence[Pooled]) -> list[CellResult]:
    """Judge all cells of a criterion; the deciding one first."""
    count = sum(1 for one in found if not one.measurement.reason)
    strict = 1 - (1 - criterion.confidence) / max(count, 1)
    results = [_judge_cell(criterion, one, strict, count) for one in found]
    return sorted(results, key=lambda cell: (BADNESS.index(cell.outcome), -_excess(criterion, cell)))


def _excess(criterion: Criterion, cell: CellResult) -> float:
    """How far the value lies beyond the nearer bound, in its units; negative inside; -inf where not measured."""
    value = cell.measurement.value
    if math.isnan(value):
        return -math.inf
    beyond = [value - criterion.max] if criterion.max is not None else []
    below = [criterion.min - value] if criterion.min is not None else []
    return max(beyond + below)


def _judge_cell(criterion: Criterion, one: Pooled, strict: float, count: int) -> CellResult:
    found = one.measurement
    if found.reason:
        return CellResult(found, Outcome.NOT_MEASURED)
    least = -math.inf if criterion.min is None else criterion.min
    most = math.inf if criterion.max is None else criterion.max
    if least <= found.low and found.high <= most:
        return CellResult(found, Outcome.PASS)
    wide = one.at(strict)
    if wide.low > most or wide.high < least:
        return CellResult(found, Outcome.FAIL)
    return CellResult(found, Outcome.INCONCLUSIVE, _advice(criterion, one, strict, count))


def _advice(criterion: Criterion, one: Pooled, strict: float, count: int) -> str:
    """What would decide an inconclusive cell."""
    samples, value = one.cell.samples, one.measurement.value
    if one.quantity.pool not in EXACT and len(samples) < 2:
        return "one replica shows no scatter, so there is no interval; at least 2 replicas are needed, better 4"
    bound = _nearest(criterion, value)
    inside = (criterion.min is None or value >= criterion.min) and (criterion.max is None or value <= criterion.max)
    needed = samples_to_decide(samples, one.quantity.pool, criterion.confidence if inside else strict, bound)
    if needed is None:
        return "the value lies so near the bound that more replicas will hardly decide it"
    conditions = one.cell.conditions
    have, want = len(samples) / conditions, math.ceil(needed / conditions)
    more = max(1, math.ceil(want - have))
    chance = f"; a failure among {count} cells has to be clearer than in one alone" if not inside and count > 1 else ""
    return f"about {more} more replica{'s' * (more > 1)} ({have + more:g} in all) would decide it{chance}"


def _nearest(criterion: Criterion, value: float) -> float:
    bounds = [bound for bound in (criterion.min, criterion.max) if bound is not None]
    return min(bounds, key=lambda bound: abs(bound - value))
