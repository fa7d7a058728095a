"""Error bars within a run: over synthetic series with known truth, 95 % intervals cover 92 to 98 %."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import t

from mdprotocol_plugins.metrics._series import correlation, fit_line, mean_error

DATA_SETS = 1000
SLOPE, MEAN = 3.0, 300.0
SERIES = [(100, 0.0), (100, 0.5), (200, 0.8), (400, 0.9), (1000, 0.9), (1000, 0.98)]
"""Frames, and the correlation of neighbouring frames; the last is only twenty correlation times long."""


def noise(random: np.random.Generator, frames: int, rho: float) -> np.ndarray:
    """Autoregressive noise of first order in its stationary state: inefficiency (1 + ρ)/(1 - ρ)."""
    return lfilter([1.0], [1.0, -rho], random.normal(size=frames + 500))[500:]


@pytest.mark.parametrize(("frames", "rho"), SERIES)
def test_the_interval_of_a_slope_through_correlated_noise_covers(frames, rho):
    random, time = np.random.default_rng(7), np.linspace(0.0, 1.0, frames)
    lines = [fit_line(time, SLOPE * time + noise(random, frames, rho)) for _ in range(DATA_SETS)]
    held = [abs(line.slope - SLOPE) <= t.ppf(0.975, line.dof) * line.standard_error for line in lines]
    assert 0.92 <= np.mean(held) <= 0.98


@pytest.mark.parametrize(("frames", "rho"), SERIES)
def test_the_interval_of_a_mean_over_correlated_noise_covers(frames, rho):
    random = np.random.default_rng(8)
    held = []
    for _ in range(DATA_SETS):
        series = MEAN + noise(random, frames, rho)
        error, dof = mean_error(series)
        held.append(abs(series.mean() - MEAN) <= t.ppf(0.975, dof) * error)
    assert 0.92 <= np.mean(held) <= 0.98


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_the_inefficiency_of_autoregressive_noise_is_known(rho):
    random = np.random.default_rng(9)
    found = np.mean([correlation(noise(random, 5000, rho)).g for _ in range(50)])
    assert found == pytest.approx((1 + rho) / (1 - rho), rel=0.1)


def test_blocks_give_the_same_error_as_the_autocorrelation():
    """Flyvbjerg and Petersen (1989), J. Chem. Phys. 91, 461: means of blocks far longer than the correlation."""
    series = noise(np.random.default_rng(10), 200_000, 0.9)
    blocks = series.reshape(400, -1).mean(axis=1)
    assert mean_error(series)[0] == pytest.approx(blocks.std(ddof=1) / np.sqrt(400), rel=0.1)


def test_a_constant_has_no_error():
    assert mean_error(np.full(20, 3.0))[0] == 0.0
