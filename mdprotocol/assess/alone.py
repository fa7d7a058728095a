"""Quantities that can be fooled alone: a drift in percent of a total energy is small whatever drifts, by the energy's zero.

A must criterion on such a quantity approves nobody unless another must criterion judges the same runs by a quantity of
the same metric that its own declares beside it (`Quantity.beside`).
"""

from __future__ import annotations

from collections.abc import Sequence

from mdprotocol.plan import Study, split_quantity
from mdprotocol.verdicts import Level


def judged_alone(study: Study, model: str) -> list[str]:
    """Sentences on must criteria that are alone, for one model."""
    found = []
    for name in study.of_level(Level.MUST):
        beside = _beside(study, name)
        if beside and _left(study, name, beside, model):
            metric = split_quantity(study.protocol.criteria[name].metric)[0]
            others = " or ".join(f"{metric}.{quantity}" for quantity in beside)
            found.append(f"{name} can be fooled alone: a must criterion on {others} has to judge the same runs")
    return found


def _beside(study: Study, criterion: str) -> tuple[str, ...]:
    metric, (_, key) = study.metric_of(criterion), split_quantity(study.protocol.criteria[criterion].metric)
    quantity = metric.quantities.get(key) if metric else None
    return quantity.beside if quantity else ()


def _left(study: Study, criterion: str, beside: Sequence[str], model: str) -> set[str]:
    """Runs of the criterion that no companion judges."""
    own = study.metric_of(criterion)
    left = {run.id for run in study.drawn_on(criterion, model)}
    for other in study.of_level(Level.MUST):
        metric, (_, key) = study.metric_of(other), split_quantity(study.protocol.criteria[other].metric)
        if metric is not None and own is not None and metric.type == own.type and key in beside:
            left -= {run.id for run in study.drawn_on(other, model)}
    return left
