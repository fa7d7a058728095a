"""Force and energy errors with a known course in time, and comparisons of the reference with itself."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from mdprotocol.api import NotMeasurable
from mdprotocol.testing import check_metric, make_run
from mdprotocol_plugins.metrics.energy_error import EnergyError
from mdprotocol_plugins.metrics.force_error import ForceError


def with_force_error(size: np.ndarray) -> xr.Dataset:
    """Labels every frame; the error of each component at frame t is plus or minus size[t], so the RMSE is size[t]."""
    run = make_run(frames=len(size), reference_every=1)
    signs = np.random.default_rng(3).choice([-1.0, 1.0], run["force"].shape)
    return run.assign(reference_force=(("sample", "atom", "xyz"), run["force"].values - signs * size[:, None, None]))


def with_energy_error(error_meV_per_atom: np.ndarray) -> xr.Dataset:
    run = make_run(frames=len(error_meV_per_atom), reference_every=1)
    labels = run["potential_energy"].values - error_meV_per_atom * run.sizes["atom"] / 1000
    return run.assign(reference_energy=("sample", labels))


TIME_PS = np.arange(90) * 0.01


def test_a_force_error_that_grows_has_its_slope() -> None:
    found = check_metric(ForceError(), with_force_error(0.05 + 0.2 * TIME_PS))
    assert found["growth"] == pytest.approx(0.2)
    late, early = (np.sqrt(np.mean((0.05 + 0.2 * part) ** 2)) for part in (TIME_PS[60:], TIME_PS[:30]))
    assert found["late_to_early"] == pytest.approx(late / early)


def test_a_steady_force_error_does_not_grow() -> None:
    found = check_metric(ForceError(), with_force_error(np.full(90, 0.05)))
    assert found["growth"] == pytest.approx(0, abs=1e-9)
    assert found["late_to_early"] == pytest.approx(1)
    assert np.allclose(found["rmse_by_time"], 0.05)


def test_a_drifting_energy_offset_shows_and_a_constant_one_does_not() -> None:
    noise = np.random.default_rng(0).normal(scale=0.5, size=90)
    steady = check_metric(EnergyError(), with_energy_error(7000 + noise))
    moving = check_metric(EnergyError(), with_energy_error(7000 + noise - 12 * TIME_PS))
    assert abs(steady["drift"]) < 4 * 0.5 * np.sqrt(12 / 90) / 0.9
    assert moving["drift"] - steady["drift"] == pytest.approx(-12)
    assert moving["growth"] == pytest.approx(steady["growth"], abs=1e-6)
    assert steady["rmse"] == pytest.approx(noise.std(), rel=1e-6)
    assert moving["rmse"] > 3


def test_an_energy_error_that_grows_has_its_slope() -> None:
    signs = np.tile([1.0, -1.0, -1.0, 1.0], 23)[:90]
    found = check_metric(EnergyError(), with_energy_error(signs * (1 + 5 * TIME_PS)))
    assert found["growth"] == pytest.approx(5, rel=0.02)
    late, early = (np.sqrt(np.mean((1 + 5 * part) ** 2)) for part in (TIME_PS[60:], TIME_PS[:30]))
    assert found["late_to_early"] == pytest.approx(late / early, rel=0.02)


@pytest.mark.parametrize("metric", [ForceError(), EnergyError()])
@pytest.mark.parametrize("rounding", [0.0, 1e-14])
def test_the_reference_compared_with_itself_is_not_measured(metric: ForceError | EnergyError, rounding: float) -> None:
    run = make_run(reference_every=1)
    run = run.assign(
        reference_force=(("sample", "atom", "xyz"), run["force"].values * (1 + rounding)),
        reference_energy=("sample", run["potential_energy"].values * (1 + rounding)),
    )
    with pytest.raises(NotMeasurable, match="says nothing"):
        metric.measure(run)


def test_too_few_labels_give_no_trend() -> None:
    run = make_run(frames=21, reference_every=10).isel(sample=[0, 1])
    assert not {"growth", "late_to_early"} & set(ForceError().measure(run))
    with pytest.raises(NotMeasurable, match="labelled frames"):
        EnergyError().measure(run)
