"""A criterion that pools several conditions into one: whether a single one lies clearly beyond the bound.

A mean over systems and temperatures hides a single bad one, and +10 beside -10 is a mean of zero. What is pooled from
several single conditions (a system, a simulation, a temperature each) therefore passes only where none of them is clearly
beyond a bound, which is any of:

    alone       its own confidence interval lies wholly beyond. The intervals hold together at ALONE for all single
                conditions (Bonferroni): of nine sound ones, each with its own rough idea of its scatter, hardly any is out.
    together    its value lies beyond by more than the one-sided t quantile at TOGETHER times the standard error that
                follows from the scatter within all conditions together: four replicas know little of their own scatter,
                nine times four know it well. Of single replicas, the scatter of the other conditions is taken.

This never fails a model: it makes the criterion INCONCLUSIVE there, and the advice names the condition.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from scipy import stats

from mdprotocol.assess.familywise import ConditionTest
from mdprotocol.assess.statistics import Estimate, pool
from mdprotocol.plan.types import Condition

ALONE, TOGETHER = 0.90, 0.99


def hidden(test: ConditionTest) -> str:
    """`methane, 500 K lies clearly beyond the bound by itself: 2 ± 0.1 eV/Å`; empty where no condition does."""
    found = list(_beyond(test))
    if not found:
        return ""
    units = test.pooled.quantity.units
    names = _names([condition for condition, _ in found], list(test.pooled.condition.groups))
    each = ", ".join(f"{name}: {_words(own, units)}" for name, (_, own) in zip(names, found, strict=True))
    if len(found) == 1:
        name, _, value = each.rpartition(": ")
        return f"{name} lies clearly beyond the bound by itself: {value}"
    return f"{len(found)} of {test.pooled.condition.pooled_from} conditions lie clearly beyond the bound by themselves: {each}"


def _beyond(test: ConditionTest) -> Iterator[tuple[Condition, Estimate]]:
    quantity, groups = test.pooled.quantity, test.pooled.condition.groups
    if quantity.pool not in ("mean", "rms", "proportion") or len(groups) < 2:
        return
    confidence = 1 - (1 - ALONE) / len(groups)
    margins = _margins(list(groups.values()), squared=quantity.pool == "rms")
    for (condition, samples), margin in zip(groups.items(), margins, strict=True):
        own = pool(samples, quantity.pool, confidence, positive=quantity.positive, deterministic=quantity.deterministic)
        alone = own.low > test.most or own.high < test.least
        if alone or (quantity.pool != "proportion" and _far(test, own.value, margin)):
            yield condition, own


def _far(test: ConditionTest, value: float, margin: float) -> bool:
    """Whether a condition's value lies beyond a bound by more than the margin; squares are compared for `rms`."""
    if test.pooled.quantity.pool != "rms":
        return value - margin > test.most or value + margin < test.least
    above = math.isfinite(test.most) and value**2 - margin > max(test.most, 0.0) ** 2
    return above or (test.least > 0 and value**2 + margin < test.least**2)


def _margins(groups: Sequence[Sequence[float]], *, squared: bool) -> list[float]:
    """For each condition how far beyond is clear, from the scatter within all of them; infinite where there is none."""
    values = [np.asarray(group, dtype=float) ** (2 if squared else 1) for group in groups]
    free = sum(len(x) - 1 for x in values)
    if free == 0:
        return [_margin(np.delete(np.concatenate(values), index)) for index in range(len(values))]
    scatter = math.sqrt(sum(float(((x - x.mean()) ** 2).sum()) for x in values) / free)
    return [float(stats.t.ppf(TOGETHER, free)) * scatter / math.sqrt(len(x)) for x in values]


def _margin(others: np.ndarray) -> float:
    """Of a single replica, from those of the other conditions."""
    if len(others) < 2:
        return math.inf
    return float(stats.t.ppf(TOGETHER, len(others) - 1) * others.std(ddof=1))


def _names(conditions: Sequence[Condition], among: Sequence[Condition]) -> list[str]:
    """Single conditions by the coordinates in which those that are pooled differ."""
    differing = [len({condition[k] for condition in among}) > 1 for k in range(3)]
    return [", ".join(_text(c[k]) for k in range(3) if differing[k]) for c in conditions]


def _text(coordinate: str | float | None) -> str:
    return f"{coordinate:g} K" if isinstance(coordinate, float | int) else str(coordinate)


def _words(own: Estimate, units: str) -> str:
    """Value ± standard error with its unit; the error to two digits."""
    unit = "" if units in ("", "1") else f" {units}"
    if not math.isfinite(own.standard_error) or own.standard_error == 0:
        return f"{own.value:.4g}{unit}"
    digits = max(0, 1 - math.floor(math.log10(own.standard_error)))
    return f"{own.value:.{digits}f} ± {own.standard_error:.{digits}f}{unit}"
