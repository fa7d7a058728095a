"""Quantities that can be fooled alone: a drift in percent of a total energy is small whatever drifts, by the energy's zero.

A must criterion on such a quantity approves nobody unless another must criterion judges the same runs by a quantity of
the same metric that its own declares beside it (`Quantity.beside`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mdprotocol.contracts import Metric
from mdprotocol.plan import Run, select, split_quantity
from mdprotocol.protocol.schema import Criterion, Protocol
from mdprotocol.verdicts import Level


def judged_alone(protocol: Protocol, metrics: Mapping[str, Metric], runs: Sequence[Run]) -> list[str]:
    """Sentences on must criteria that are alone, for one model's planned runs."""
    must = {name: c for name, c in protocol.criteria.items() if c.level is Level.MUST}
    found = []
    for name, criterion in must.items():
        beside = _beside(criterion, metrics)
        if beside and _left(criterion, beside, must.values(), metrics, runs):
            metric = split_quantity(criterion.metric)[0]
            others = " or ".join(f"{metric}.{quantity}" for quantity in beside)
            found.append(f"{name} can be fooled alone: a must criterion on {others} has to judge the same runs")
    return found


def _beside(criterion: Criterion, metrics: Mapping[str, Metric]) -> tuple[str, ...]:
    metric, key = split_quantity(criterion.metric)
    quantity = metrics[metric].quantities.get(key) if metric in metrics else None
    return quantity.beside if quantity else ()


def _left(
    criterion: Criterion,
    beside: Sequence[str],
    others: Iterable[Criterion],
    metrics: Mapping[str, Metric],
    runs: Sequence[Run],
) -> set[str]:
    """Runs of the criterion that no companion judges."""
    kind = metrics[split_quantity(criterion.metric)[0]].type
    left = {run.id for run in select(runs, criterion)}
    for other in others:
        metric, key = split_quantity(other.metric)
        if metric in metrics and metrics[metric].type == kind and key in beside:
            left -= {run.id for run in select(runs, other)}
    return left
