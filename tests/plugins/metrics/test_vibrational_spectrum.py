"""Vibrational spectra: oscillators land at their frequencies, and a shifted spectrum is found by its shift."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from mdprotocol.api import NotMeasurable
from mdprotocol.testing import check_metric, make_run, make_structure
from mdprotocol_plugins.metrics.vibrational_spectrum import LIGHT_CM_PER_FS, VibrationalSpectrum, spectrum

PAIR = make_structure([8, 1], [[0, 0, 0], [1, 0, 0]])


def oscillating(
    lines: tuple[float, ...] = (1600.0, 3700.0),
    heights: tuple[float, ...] = (1.0, 1.0),
    seed: int = 0,
    interval: float = 2.0,
    frames: int = 1001,
) -> xr.Dataset:
    """Velocities v_k cos(2π c ν_k t + φ_k) of the hydrogen, with random phases; a direction for each line."""
    random = np.random.default_rng(seed)
    t = np.arange(frames) * interval
    velocity = np.zeros((frames, 2, 3))
    for axis, (line, height) in enumerate(zip(lines, heights, strict=True)):
        velocity[:, 1, axis] = height * np.cos(2 * np.pi * LIGHT_CM_PER_FS * line * t + random.uniform(0, 2 * np.pi))
    position = PAIR.positions + np.cumsum(velocity, axis=0) * 1e-3
    return make_run(PAIR, frames=frames, interval_fs=interval, variables={"velocity": velocity, "position": position})


def test_oscillators_land_at_their_frequencies_with_their_energies() -> None:
    grid, power = spectrum(oscillating((1600.0, 3700.0), (1.0, 2.0)), 30.0)
    low, high = grid < 2600, grid > 2600
    assert power.sum() == pytest.approx(1)
    assert grid[low][power[low].argmax()] == pytest.approx(1600, abs=2)
    assert grid[high][power[high].argmax()] == pytest.approx(3700, abs=2)
    assert power[high].sum() / power[low].sum() == pytest.approx(4, rel=0.01)


def test_masses_weigh() -> None:
    run = oscillating((1000.0,), (1.0,))
    velocity = run["velocity"].values.copy()
    velocity[:, 0] = oscillating((3000.0,), (1.0,))["velocity"].values[:, 1]
    grid, power = spectrum(run.assign(velocity=(run["velocity"].dims, velocity)), 30.0)
    assert power[grid > 2000].sum() / power[grid < 2000].sum() == pytest.approx(15.999 / 1.008, rel=0.01)


@pytest.mark.parametrize("resolution", [30.0, 100.0])
def test_a_line_is_as_wide_as_the_resolution_says(resolution: float) -> None:
    """The Hann window of 8 ps adds little to the Gaussian."""
    grid, power = spectrum(oscillating((2000.0,), (1.0,), frames=4001), resolution)
    wide = grid[power > power.max() / 2]
    assert wide[-1] - wide[0] == pytest.approx(resolution, abs=5)


def test_a_shifted_spectrum_is_found_by_its_shift() -> None:
    found = check_metric(VibrationalSpectrum(), oscillating((1650.0, 3750.0), seed=1), oscillating())
    assert found["error"] == pytest.approx(50, abs=1)
    assert found["overlap"] < 0.2
    other = VibrationalSpectrum().compare(oscillating((1600.0, 3800.0), seed=1), oscillating())
    assert other["error"] == pytest.approx(50, abs=1)


def test_the_same_lines_are_as_near_as_the_replicas() -> None:
    def replica(seed: int, lines: tuple[float, ...] = (1600.0, 3700.0)) -> xr.Dataset:
        return oscillating(lines, tuple(np.random.default_rng(seed).uniform(0.8, 1.2, 2)), seed)

    teachers = [replica(k) for k in range(6)]

    def pooled(lines: tuple[float, ...]) -> tuple[float, float]:
        found = [
            VibrationalSpectrum().compare_replicas(
                replica(50 + k, lines), teachers[k], teachers[:k] + teachers[k + 1 :]
            )
            for k in range(6)
        ]
        return float(np.mean([v["excess"] for v in found])), float(np.mean([v["overlap"] for v in found]))

    (same, overlap), (shifted, less) = pooled((1600.0, 3700.0)), pooled((1300.0, 3100.0))
    assert abs(same) < 150
    assert overlap > 0.8
    assert shifted > 200
    assert less < 0.1


def test_what_has_no_spectrum_is_not_measured() -> None:
    metric = VibrationalSpectrum()
    with pytest.raises(NotMeasurable, match=r"record_every_fs must be 3\.7 or less"):
        metric.compare(oscillating(interval=5.0), oscillating(seed=1, interval=5.0))
    with pytest.raises(NotMeasurable, match="too short"):
        metric.compare(oscillating(frames=301), oscillating(seed=1, frames=301))
    with pytest.raises(NotMeasurable, match="at least"):
        metric.compare(oscillating(frames=30), oscillating(seed=1, frames=30))
    with pytest.raises(NotMeasurable, match="says nothing"):
        metric.compare(oscillating(), oscillating())
    with pytest.raises(NotMeasurable, match="nothing moves"):
        metric.compare(oscillating(heights=(0.0, 0.0)), oscillating())
    uneven = oscillating(seed=1).isel(frame=[*range(500), *range(502, 1001)])
    with pytest.raises(NotMeasurable, match="even"):
        metric.compare(uneven, oscillating())


def test_the_last_frame_of_a_failed_run_may_fall_between() -> None:
    run = oscillating()
    time = run["time"].values.copy()
    time[-1] -= 1.5
    moved = run.assign_coords(time=("frame", time))
    np.testing.assert_allclose(spectrum(moved, 30.0)[1], spectrum(run.isel(frame=slice(None, -1)), 30.0)[1])
