"""The survival curve over replicas: Kaplan and Meier's estimate with Greenwood's error, and the first cause."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class SurvivalCurve:
    """A curve that steps down at each time of failure; before the first one it is 1. Arrays (step,).

    Attributes:
        time: ps, times at which runs failed.
        survival: share alive after that time.
        standard_error: Greenwood's.
        low, high: confidence interval, within 0 and 1.
        at_risk: runs under observation just before that time.
        failures: runs that failed then.
        first_cause: of the earliest failure; empty where there was none.
    """

    time: np.ndarray
    survival: np.ndarray
    standard_error: np.ndarray
    low: np.ndarray
    high: np.ndarray
    at_risk: np.ndarray
    failures: np.ndarray
    first_cause: str


def kaplan_meier(times: Sequence[float], causes: Sequence[str], confidence: float = 0.95) -> SurvivalCurve:
    """Estimate the survival curve of runs.

    S(t) = Π over t_i ≤ t of (1 - d_i/n_i): Kaplan and Meier (1958), J. Am. Stat. Assoc. 53, 457. Its variance is
    S² Σ d_i/(n_i (n_i - d_i)): Greenwood (1926). The interval is that of log(-log S), which stays within 0 and 1
    (Kalbfleisch and Prentice 2002, The Statistical Analysis of Failure Time Data, section 1.4); it is 0 to 1 where S is
    0. A run that is censored at the time of a failure was still at risk there.

    Args:
        times: ps, of each run's failure, or the time up to which it was watched.
        causes: of each failure; empty for a run that was watched up to its time and did not fail (censored).

    Raises:
        ValueError: no runs, unequal lengths, or times that are negative or not finite.
    """
    ends, failed = np.asarray(times, dtype=float), np.array([bool(cause) for cause in causes])
    if len(ends) != len(failed) or not len(ends) or not (np.isfinite(ends) & (ends >= 0)).all():
        raise ValueError("a survival curve needs a finite time and a cause (or none) for each of at least one run")
    steps = np.unique(ends[failed])
    at_risk = np.array([(ends >= t).sum() for t in steps], dtype=int)
    failures = np.array([(failed & (ends == t)).sum() for t in steps], dtype=int)
    survival, low, high = _estimate(ends, failed, steps, confidence)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.sqrt(np.cumsum(failures / (at_risk * (at_risk - failures).astype(float))))
        error = np.where(survival > 0, survival * relative, 0.0)
    first = min((end, cause) for end, cause in zip(ends, causes, strict=True) if cause)[1] if failed.any() else ""
    return SurvivalCurve(steps, survival, error, low, high, at_risk, failures, first)


def _estimate(
    ends: np.ndarray, failed: np.ndarray, steps: np.ndarray, confidence: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Survival and the ends of its interval at the times of failure; scipy has a step at every end of a run."""
    curve = stats.ecdf(stats.CensoredData(uncensored=ends[failed], right=ends[~failed])).sf
    with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The confidence interval is undefined", category=RuntimeWarning)
        band = curve.confidence_interval(confidence, method="log-log")
    at = np.searchsorted(curve.quantiles, steps)
    survival, low, high = (part.probabilities[at] for part in (curve, band.low, band.high))
    return survival, np.where(survival > 0, low, 0.0), np.where(survival > 0, high, 1.0)
