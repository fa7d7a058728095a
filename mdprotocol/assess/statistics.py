"""From samples (one an independent run) to a value with a confidence interval. What each pool means, and its source.

    mean        x̄ ± t(n-1) s/√n, Student (1908), Biometrika 6, 1; widened where all samples have one sign, see below.
    rms         √(mean of x²); the interval of a mean on the x², then the root of its ends; standard error by
                the delta method, se(x²)/(2 rms).
    proportion  k/n with the exact binomial interval of Clopper and Pearson (1934), Biometrika 26, 404.
    total       the count itself: what happened is known, there is no sampling error. `most_likely` bounds the chance
                behind it.
    max, min    the extreme itself, no interval. A bound on its other side is kept by every sample: see `extremes`.
    same        one number by nature; samples that differ are an error.

Sizes (of errors, of slopes, squares) are skewed to the right, and Student's interval for so few of them ends too low: it
misses the mean of four exponential numbers in 12 % of cases instead of 5, nearly always from below, where a bad model
would pass. Where all samples have one sign, the far end is therefore the farther one of Student's and of the interval for
log x̄ (delta method), x̄ exp(t(n-1) s/(x̄ √n)). Where the scatter is small next to the mean the two are the same; where it
is not, this covers 93 to 97 % for normal, folded normal, exponential, lognormal and squared normal samples of 2 to 32.

A quantity that cannot be negative (`positive`: squares, and what a metric declares) has a near end above zero even where
Student's is not: the larger one of Student's and half of the logarithm's, x̄ exp(-t(n-1) s/(x̄ √n))/2. Without it four
replicas with a scatter of a third could never fail at the confidence that many conditions ask for, however far beyond the
bound; the half keeps the error of that end at what it claims for all samples named above.

A single sample of `mean` or `rms` says nothing about its scatter: the interval is infinite, so no bound is decided.
Neither do identical samples (identical but for rounding): a time to failure that was cut off at the planned length, a run
that was counted twice. Only where the metric declares that the quantity is `deterministic` is their value known.

Samples of different systems or temperatures that one condition pools are treated alike; their differences widen the
interval. What a mean over conditions may hide is looked for in assess/conditions.py.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from mdprotocol.contracts import Pool
from mdprotocol.errors import NotMeasurable

EXACT: frozenset[Pool] = frozenset({"total", "max", "min", "same"})
"""Pools without sampling error: one run is enough."""
ROUNDING = 1e-12
"""Samples that differ by no more than this share of their size are identical."""
MOST_REPLICAS = 10_000
"""Beyond this many, more replicas are no practical advice."""


@dataclass(frozen=True)
class Estimate:
    """A pooled value; `low` to `high` is its two-sided confidence interval."""

    value: float
    standard_error: float
    low: float
    high: float


def pool(
    samples: Sequence[float], how: Pool, confidence: float, *, positive: bool = False, deterministic: bool = False
) -> Estimate:
    """Pool independent samples.

    Args:
        samples: at least one, finite.
        how: see the head of this module.
        confidence: of the two-sided interval, 0.95 for example.
        positive: the quantity cannot be negative.
        deterministic: the quantity is the same in every replica by its nature, so that identical samples are its value.

    Raises:
        NotMeasurable: `same`, and the samples differ; or a count or a share of numbers that are none.
    """
    x = np.asarray(samples, dtype=float)
    if how == "mean":
        return _mean(x, confidence, positive=positive, deterministic=deterministic)
    if how == "rms":
        return _rms(x, confidence, deterministic=deterministic)
    return _POOLS[how](x, confidence)


def identical(samples: Sequence[float] | np.ndarray) -> bool:
    """Whether two or more samples are the same but for rounding."""
    x = np.asarray(samples, dtype=float)
    return len(x) > 1 and bool(np.ptp(x) <= ROUNDING * np.abs(x).max())


def without_scatter(groups: Sequence[Sequence[float]]) -> bool:
    """Whether replicas show no scatter: those of every condition are identical, and some condition has several.

    Args:
        groups: the samples of each condition.
    """
    return any(len(group) > 1 for group in groups) and all(len(group) == 1 or identical(group) for group in groups)


def extremes(samples: Sequence[float]) -> tuple[float, float]:
    """Least and largest sample: what the bounds on an extreme are judged against, `max` and `min` alike."""
    return min(samples), max(samples)


@functools.lru_cache(maxsize=4096)
def t_factor(count: float, confidence: float) -> float:
    """Two-sided Student factor for `count` samples; infinite for one."""
    return float(stats.t.ppf(0.5 + confidence / 2, count - 1)) if count > 1 else math.inf


def _mean(x: np.ndarray, confidence: float, *, positive: bool = False, deterministic: bool = False) -> Estimate:
    if identical(x) and deterministic:
        return Estimate(float(x[0]), 0.0, float(x[0]), float(x[0]))
    if len(x) == 1 or identical(x):
        return unknown(float(x[0]))
    value, error = float(x.mean()), float(x.std(ddof=1) / math.sqrt(len(x)))
    low, high = _interval(value, t_factor(len(x), confidence) * error, one_sign(x), positive)
    return Estimate(value, error, low, high)


def unknown(value: float) -> Estimate:
    """A value of which no sample shows the scatter."""
    return Estimate(value, math.inf, -math.inf, math.inf)


def one_sign(x: np.ndarray) -> bool:
    """Whether all samples are above, or all below, zero."""
    return bool(np.all(x > 0) or np.all(x < 0))


def _interval(value: float, half: float, signed: bool, positive: bool) -> tuple[float, float]:
    """Student's interval, moved where all samples have one sign (`signed`) or must be positive: see the module's head."""
    if not signed or value == 0:
        return value - half, value + half
    # exp(700) is the largest that a float holds; the interval is then infinite for all that anyone asks.
    size, factor = abs(value), math.exp(min(half / abs(value), 700.0))
    near, far = size - half, max(size + half, size * factor)
    if positive:
        near = max(near, size / factor / 2)
    return (near, far) if value > 0 else (-far, -near)


def _rms(x: np.ndarray, confidence: float, *, deterministic: bool = False) -> Estimate:
    square = _mean(x**2, confidence, positive=True, deterministic=deterministic)
    value = math.sqrt(square.value)
    low, high = (math.sqrt(max(0.0, end)) for end in (square.low, square.high))
    error = square.standard_error / (2 * value) if value > 0 else square.standard_error
    value = abs(float(x[0])) if error in (0, math.inf) else value  # free of the rounding of square and root
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
    return _binomial(hits, count, confidence, "two-sided")


def most_likely(hits: int, count: int, confidence: float) -> float:
    """Upper bound on a chance of which `hits` of `count` independent runs had an event (Clopper and Pearson, one-sided).

    For no hit it is 1 - (1 - c)^(1/n). Runs whose chances differ keep the bound for their average (Hoeffding 1956, Ann.
    Math. Stat. 27, 713).
    """
    return _binomial(hits, count, confidence, "less")[1]


@functools.lru_cache(maxsize=4096)
def _binomial(hits: int, count: int, confidence: float, alternative: str) -> tuple[float, float]:
    interval = stats.binomtest(hits, count, alternative=alternative).proportion_ci(confidence, method="exact")
    return float(interval.low), float(interval.high)


def _exact(of: Callable[[np.ndarray], float]) -> Callable[[np.ndarray, float], Estimate]:
    def pooled(x: np.ndarray, confidence: float) -> Estimate:
        value = float(of(x))
        return Estimate(value, 0.0, value, value)

    return pooled


def _count(x: np.ndarray) -> float:
    if (x < 0).any():
        raise NotMeasurable(f"a count cannot be negative, but one run gave {x.min():g}")
    return float(x.sum())


def _the_same(x: np.ndarray) -> float:
    if not np.all(x == x[0]):
        raise NotMeasurable(f"it should be one number, but lies between {x.min():g} and {x.max():g}")
    return float(x[0])


_POOLS: dict[Pool, Callable[[np.ndarray, float], Estimate]] = {
    "proportion": _proportion,
    "total": _exact(_count),
    "max": _exact(np.max),
    "min": _exact(np.min),
    "same": _exact(_the_same),
}


def samples_to_decide(
    samples: Sequence[float], how: Pool, confidence: float, bound: float, *, positive: bool = False
) -> int | None:
    """Least number of samples whose interval would exclude `bound`, if value and scatter stay as they are.

    Returns:
        None where no practical number would do.
    """
    x = np.asarray(samples, dtype=float)
    if how in EXACT or len(x) < 2 or (how != "proportion" and identical(x)):
        return None
    if how == "proportion":
        return _trials_to_decide(float(x.mean()), len(x), confidence, bound)
    if how == "rms":
        x, bound, positive = x**2, max(bound, 0.0) ** 2, True
    value, scatter, signed = float(x.mean()), float(x.std(ddof=1)), one_sign(x)

    def decides(count: int) -> bool:
        low, high = _interval(value, t_factor(count, confidence) * scatter / math.sqrt(count), signed, positive)
        return not low <= bound <= high

    return _first(len(x) + 1, decides)


def scatter_to_decide(
    samples: Sequence[float], how: Pool, confidence: float, bound: float, *, positive: bool = False
) -> float | None:
    """Factor below 1 on the scatter with which as many samples as now would exclude `bound`; None where none would."""
    x = np.asarray(samples, dtype=float)
    if how not in ("mean", "rms") or len(x) < 2 or identical(x):
        return None
    if how == "rms":
        x, bound, positive = x**2, max(bound, 0.0) ** 2, True
    value = float(x.mean())
    half = t_factor(len(x), confidence) * float(x.std(ddof=1)) / math.sqrt(len(x))
    if half == 0 or value == bound:
        return None
    needed, size = abs(value - bound), abs(value)
    if value * bound > 0 and abs(bound) > size:  # samples that scatter less have one sign
        needed = min(needed, size * math.log(abs(bound) / size))
    elif positive and value > bound > 0 and one_sign(x):
        needed = max(needed, size * math.log(size / (2 * bound)))
    return min(1.0, needed / half)


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
