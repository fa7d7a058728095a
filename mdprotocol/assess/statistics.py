"""From samples (one an independent run) to a value with a confidence interval. What each pool means, and its source.

    mean        x̄ ± t(n-1) s/√n. Student (1908), Biometrika 6, 1.
    rms         √(mean of x²); Student's interval on the x², its ends clipped at 0, then the root; standard error by the
                delta method, se(x²)/(2 rms).
    proportion  k/n with the exact binomial interval of Clopper and Pearson (1934), Biometrika 26, 404.
    total       the count itself: what happened is known, there is no sampling error.
    max         the extreme itself, no interval.
    same        one number by nature; samples that differ are an error.

A single sample of `mean` or `rms` says nothing about its scatter: the interval is infinite, so no bound is decided.
Samples of different systems or temperatures in one cell are pooled alike; their differences widen the interval, which
is on the safe side for both PASS and FAIL.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from mdprotocol.components import Pool
from mdprotocol.errors import NotMeasurable

EXACT: frozenset[Pool] = frozenset({"total", "max", "same"})
"""Pools without sampling error: one run is enough."""
MOST_REPLICAS = 10_000
"""Beyond this many, more replicas are no practical advice."""


@dataclass(frozen=True)
class Estimate:
    """A pooled value; `low` to `high` is its two-sided confidence interval."""

    value: float
    standard_error: float
    low: float
    high: float


def pool(samples: Sequence[float], how: Pool, confidence: float) -> Estimate:
    """Pool independent samples.

    Args:
        samples: at least one, finite.
        how: see the head of this module.
        confidence: of the two-sided interval, 0.95 for example.

    Raises:
        NotMeasurable: `same`, and the samples differ.
    """
    return _POOLS[how](np.asarray(samples, dtype=float), confidence)


def t_factor(count: float, confidence: float) -> float:
    """Two-sided Student factor for `count` samples; infinite for one."""
    return float(stats.t.ppf(0.5 + confidence / 2, count - 1)) if count > 1 else math.inf


def _mean(x: np.ndarray, confidence: float) -> Estimate:
    value = float(x.mean())
    if len(x) == 1:
        return Estimate(value, math.inf, -math.inf, math.inf)
    # Identical samples have no scatter, and rounding in their mean must not invent any.
    error = 0.0 if np.all(x == x[0]) else float(x.std(ddof=1) / math.sqrt(len(x)))
    value = float(x[0]) if error == 0 else value
    half = t_factor(len(x), confidence) * error
    return Estimate(value, error, value - half, value + half)


def _rms(x: np.ndarray, confidence: float) -> Estimate:
    square = _mean(x**2, confidence)
    value = math.sqrt(square.value)
    low, high = (math.sqrt(max(0.0, end)) for end in (square.low, square.high))
    error = square.standard_error / (2 * value) if value > 0 else square.standard_error
    return Estimate(value, error, low, high)


def _proportion(x: np.ndarray, confidence: float) -> Estimate:
    if not np.isin(x, (0.0, 1.0)).all():
        raise NotMeasurable("a proportion needs 0 or 1 from every run")
    count, hits = len(x), int(x.sum())
    low, high = clopper_pearson(hits, count, confidence)
    share = hits / count
    return Estimate(share, math.sqrt(share * (1 - share) / count), low, high)


def clopper_pearson(hits: int, count: int, confidence: float) -> tuple[float, float]:
    """Exact two-sided interval of a binomial proportion."""
    tail = (1 - confidence) / 2
    low = 0.0 if hits == 0 else float(stats.beta.ppf(tail, hits, count - hits + 1))
    high = 1.0 if hits == count else float(stats.beta.ppf(1 - tail, hits + 1, count - hits))
    return low, high


def _exact(of: Callable[[np.ndarray], float]) -> Callable[[np.ndarray, float], Estimate]:
    def pooled(x: np.ndarray, confidence: float) -> Estimate:
        value = float(of(x))
        return Estimate(value, 0.0, value, value)

    return pooled


def _the_same(x: np.ndarray) -> float:
    if not np.all(x == x[0]):
        raise NotMeasurable(f"it should be one number, but lies between {x.min():g} and {x.max():g}")
    return float(x[0])


_POOLS: dict[Pool, Callable[[np.ndarray, float], Estimate]] = {
    "mean": _mean,
    "rms": _rms,
    "proportion": _proportion,
    "total": _exact(np.sum),
    "max": _exact(np.max),
    "same": _exact(_the_same),
}


def samples_to_decide(samples: Sequence[float], how: Pool, confidence: float, bound: float) -> int | None:
    """Least number of samples whose interval would exclude `bound`, if value and scatter stay as they are.

    Returns:
        None where no practical number would do.
    """
    x = np.asarray(samples, dtype=float)
    if how in EXACT or len(x) < 2:
        return None
    if how == "proportion":
        return _trials_to_decide(float(x.mean()), len(x), confidence, bound)
    x, bound = (x**2, bound**2) if how == "rms" else (x, bound)
    distance, scatter = abs(float(x.mean()) - bound), float(x.std(ddof=1))
    return _first(len(x) + 1, lambda count: t_factor(count, confidence) * scatter / math.sqrt(count) < distance)


def _trials_to_decide(share: float, count: int, confidence: float, bound: float) -> int | None:
    def decides(trials: int) -> bool:
        low, high = clopper_pearson(round(share * trials), trials, confidence)
        return high <= bound or low > bound if share <= bound else low > bound or high <= bound

    return _first(count + 1, decides)


def _first(start: int, decides: Callable[[int], bool]) -> int | None:
    """Smallest count from `start` for which `decides` (which stays true once it is)."""
    if not decides(MOST_REPLICAS):
        return None
    low, high = start, MOST_REPLICAS
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if decides(middle) else (middle + 1, high)
    return low
