"""What would decide an inconclusive condition: how many more replicas, or how many picoseconds a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mdprotocol.assess.familywise import ConditionTest, Strictness
from mdprotocol.assess.statistics import EXACT, samples_to_decide, scatter_to_decide

FALL = {"average": 0.5, "slope": 1.5}
"""Power of a run's length with which the standard error of a quantity falls: an average over independent stretches, and
the slope of a line through noise of constant size, whose lever grows as well: σ/√(Σ(t - t̄)²) ~ σ/(T √T)."""
SCATTERLESS = (
    "identical samples: the {} replicas have the same value in each condition, which says nothing about how it scatters; "
    "more replicas will hardly change that, judge a count, a share or an extreme instead"
)
LONGEST = 1000.0
"""Beyond this many times the planned length, a longer run is no practical advice."""


@dataclass(frozen=True)
class Advice:
    """In words; and how many more replicas it needs at each system, simulation and temperature, where more would do."""

    text: str
    more_replicas: int | None = None


def advise(test: ConditionTest, level: Strictness, lengths_ps: Sequence[float]) -> Advice:
    """What would decide a condition, if value and scatter stay as they are.

    Args:
        level: how clear a failure has to be.
        lengths_ps: planned lengths of the condition's runs.
    """
    condition, how = test.pooled.condition, test.pooled.quantity.pool
    have = len(condition.samples) / condition.pooled_from
    if how not in EXACT and len(test.pooled.independent) < 2:
        text = "one replica shows no scatter, so there is no interval; at least 2 replicas are needed, better 4"
        return Advice(text, 3)
    if test.pooled.scatterless:
        return Advice(SCATTERLESS.format(len(condition.samples)))
    value = test.pooled.measurement.value
    inside = test.least <= value <= test.most
    confidence = test.confidence if inside else level.confidence
    bound = min((b for b in (test.least, test.most) if math.isfinite(b)), key=lambda b: abs(b - value))
    needed = samples_to_decide(test.pooled.independent, how, confidence, bound, positive=test.pooled.quantity.positive)
    longer = _longer(test, confidence, bound, lengths_ps)
    if needed is None:
        either = f"; {longer} would decide it" if longer else ""
        return Advice(f"the value lies so near the bound that more replicas will hardly decide it{either}")
    more = max(1, math.ceil(math.ceil(needed / condition.pooled_from) - have))
    text = f"about {more} more replica{'s' * (more > 1)} ({have + more:g} in all){', or ' * bool(longer)}{longer}"
    text += " would decide it"
    if not inside and level.tests > 1:
        text += f"; a failure among {level.tests} conditions has to be clearer than in one alone"
    return Advice(text, more)


def _longer(test: ConditionTest, confidence: float, bound: float, lengths_ps: Sequence[float]) -> str:
    """Length of a run at which as many replicas as now would decide it; empty where that is no practical advice."""
    power, lengths = FALL.get(test.pooled.quantity.over_time), set(lengths_ps)
    if power is None or len(lengths) != 1:
        return ""
    quantity, samples = test.pooled.quantity, test.pooled.independent
    factor = scatter_to_decide(samples, quantity.pool, confidence, bound, positive=quantity.positive)
    if factor is None or factor ** (-1 / power) > LONGEST:
        return ""
    (now,) = lengths
    return f"runs of {_rounded_up(now * factor ** (-1 / power)):g} ps instead of {now:g}"


def _rounded_up(length: float) -> float:
    """To two digits: it is an estimate."""
    unit = 10.0 ** (math.floor(math.log10(length)) - 1)
    return math.ceil(length / unit - 1e-9) * unit
