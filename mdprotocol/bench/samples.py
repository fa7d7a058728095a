"""Timings as data: steps in bursts, what they amount to, and ratios of two things that were timed in turn. No torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ENGINE, PLAIN_ASE = "engine", "plain ASE"
SPREAD = (10.0, 90.0)
"""Percentiles over the bursts between which a ratio is reported."""

Bursts = tuple[tuple[float, ...], ...]
"""Seconds of single steps, a tuple a burst; the n-th bursts of everything that is compared ran one after the other."""


@dataclass(frozen=True)
class Timing:
    """One way to step one model on one system, timed.

    Attributes:
        loop: `ENGINE` (this program) or `PLAIN_ASE` (one copy, ASE's VelocityVerlet, the model in eager torch).
        copies: copies of the system that one step moves.
        bursts, cpu_bursts: seconds of single steps, on the clock and of the process's CPU time. On a busy machine the
            clock also counts the time that other processes had, which long steps meet more often than short ones.
        flops: floating-point operations of one step, all copies; None where nobody has counted them.
        grown_bytes: growth of the process's resident memory while it was prepared and warmed up.
    """

    model: str
    system: str
    loop: str
    copies: int
    kernel: str
    device: str
    dtype: str
    timestep_fs: float
    parameters: int
    weights_bytes: int
    bursts: Bursts
    cpu_bursts: Bursts
    flops: float | None = None
    grown_bytes: int = 0

    @property
    def seconds(self) -> np.ndarray:
        """(S,) every step."""
        return np.concatenate([np.asarray(burst) for burst in self.bursts])

    @property
    def median(self) -> float:
        """Median seconds of a step."""
        return float(np.median(self.seconds))

    @property
    def p95(self) -> float:
        """95th percentile of the seconds of a step."""
        return float(np.percentile(self.seconds, 95))

    @property
    def cpu_median(self) -> float:
        """Median seconds of CPU time of a step."""
        return float(np.median(np.concatenate([np.asarray(burst) for burst in self.cpu_bursts])))

    @property
    def per_copy(self) -> float:
        """Median seconds of a step, divided by the copies that it moves."""
        return self.median / self.copies


@dataclass(frozen=True)
class Ratio:
    """Median of the ratios of bursts that ran one after the other, and the percentiles `SPREAD` of them."""

    median: float
    low: float
    high: float


def speedup(slow: Timing, fast: Timing) -> Ratio:
    """How many times as many copies `fast` moves by a step in the same time."""
    return ratio(medians(slow.bursts) / slow.copies, medians(fast.bursts) / fast.copies)


def cpu_speedup(slow: Timing, fast: Timing) -> Ratio:
    """The same in CPU time; it means nothing for a model that computes elsewhere (a GPU, another program)."""
    return ratio(medians(slow.cpu_bursts) / slow.copies, medians(fast.cpu_bursts) / fast.copies)


def share(timing: Timing, limit: float) -> Ratio | None:
    """Operations in a second of CPU time as a share of one core's limit; None on a GPU, or where nobody counted them."""
    if timing.flops is None or timing.device != "cpu":
        return None
    return ratio(timing.flops / medians(timing.cpu_bursts), np.full(len(timing.cpu_bursts), limit))


def ratio(above: np.ndarray, below: np.ndarray) -> Ratio:
    """The ratio of two series of equal length, element by element."""
    found = np.asarray(above, dtype=float) / np.asarray(below, dtype=float)
    low, high = np.percentile(found, SPREAD)
    return Ratio(float(np.median(found)), float(low), float(high))


def medians(bursts: Bursts) -> np.ndarray:
    """(R,) median seconds of a step in each burst."""
    return np.array([np.median(burst) for burst in bursts])
