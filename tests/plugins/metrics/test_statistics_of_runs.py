"""Temperature against its expectation, the canonical kinetic energy, survival in time."""

from __future__ import annotations

import json

import numpy as np
import pytest
from moving_kit import faulty, moving
from physical_validation.util.kinetic_energy import check_mean_std

from mdprotocol.errors import NotMeasurable
from mdprotocol.testing import check_metric, make_run
from mdprotocol.units import KB_EV_PER_K
from mdprotocol_plugins.faults.motion import NoVelocities
from mdprotocol_plugins.integrators.langevin import Langevin
from mdprotocol_plugins.integrators.velocity_verlet import VelocityVerlet
from mdprotocol_plugins.metrics.kinetic_energy_distribution import KineticEnergyDistribution
from mdprotocol_plugins.metrics.survival import Survival
from mdprotocol_plugins.metrics.temperature import Temperature

VERLET = VelocityVerlet()

# -------------------------------------------------------------------------------------------------------- temperature


def test_from_rest_geometry_half_the_temperature_is_left() -> None:
    """A run without equilibration; the springs are harmonic for small motions, so half goes to them."""
    run = moving().propagate(VERLET, 0.5, 2000, temperature_K=100.0, seed=2, record_every=5)
    assert json.loads(run.attrs["settings"])["equilibration"] is None
    found = check_metric(Temperature(), run)
    assert found["expected"] == 50.0
    assert found["unexpected_percent"] == pytest.approx(0, abs=5)
    assert found["start_percent"] == pytest.approx(0, abs=1e-6)


def test_velocities_that_were_not_drawn_show() -> None:
    lazy = faulty(NoVelocities())
    run = moving(lazy).propagate(lazy, 0.5, 400, temperature_K=100.0, seed=2, record_every=5)
    found = check_metric(Temperature(), run)
    assert found["start_percent"] == -100.0
    assert found["unexpected_percent"] == pytest.approx(-50)


def test_an_equilibrated_run_is_expected_at_its_target() -> None:
    stage = {"integrator": {"type": "langevin"}, "duration_ps": 1.0, "timestep_fs": 0.5}
    found = check_metric(Temperature(), make_run(settings=json.dumps({"equilibration": stage})))
    assert found["expected"] == 300.0
    assert found["unexpected_percent"] == pytest.approx(found["deviation_percent"])


# ------------------------------------------------------------------------------------- kinetic energy distribution


def gamma_run(width=1.0, kelvin=300.0, dof=9, frames=20000):  # type: ignore[no-untyped-def]
    """Kinetic energies drawn from the canonical distribution, its width scaled about its mean."""
    drawn = KB_EV_PER_K * kelvin * np.random.default_rng(4).gamma(dof / 2, size=frames)
    drawn = drawn.mean() + width * (drawn - drawn.mean())
    run = make_run(frames=frames, interval_fs=1.0, reference_every=0, degrees_of_freedom=dof)
    return run.assign(kinetic_energy=("frame", drawn), total_energy=run["total_energy"] + 1.0)


def sigmas(run):  # type: ignore[no-untyped-def]
    """physical_validation's distances of mean and width from the canonical ones, in bootstrapped standard errors."""
    return check_mean_std(
        kin=run["kinetic_energy"].values, temp=300.0, ndof=9, kb=KB_EV_PER_K, verbosity=0, bs_repetitions=50,
        bootstrap_seed=1, screen=False, filename=None, ene_unit="eV", temp_unit="K", data_is_uncorrelated=True,
    )  # fmt: skip


def test_a_canonical_kinetic_energy_passes_here_and_in_physical_validation() -> None:
    run = gamma_run()
    found = check_metric(KineticEnergyDistribution(), run)
    assert found["mean_deviation"] == pytest.approx(0, abs=1.0)
    assert found["width_deviation"] == pytest.approx(0, abs=2.0)
    assert max(sigmas(run)) < 4


def test_a_thermostat_that_only_rescales_is_too_narrow() -> None:
    run = gamma_run(width=0.5)
    found = check_metric(KineticEnergyDistribution(), run)
    assert found["width_deviation"] == pytest.approx(-50, abs=2)
    assert abs(found["mean_deviation"]) < 1
    assert sigmas(run)[1] > 10


def test_langevin_is_canonical() -> None:
    hot = Langevin(friction_per_ps=50)
    run = moving().propagate(hot, 0.5, 12000, temperature_K=300.0, seed=1, record_every=10)
    found = check_metric(KineticEnergyDistribution(), run.isel(frame=slice(200, None)))
    assert abs(found["mean_deviation"]) < 10
    assert abs(found["width_deviation"]) < 20


def test_constant_energy_is_not_canonical() -> None:
    with pytest.raises(NotMeasurable, match="no thermostat"):
        check_metric(KineticEnergyDistribution(), make_run())


# ----------------------------------------------------------------------------------------------------------- survival


def test_a_run_is_alive_until_it_fails() -> None:
    whole = check_metric(Survival(spans=5), make_run())
    assert whole["alive"].values.tolist() == [1] * 5
    assert whole["at_end"] == 1
    broken = check_metric(Survival(spans=5), make_run(outcome="failed", failure_time_fs=500.0, duration_ps=1.0))
    assert broken["alive"].values.tolist() == [1, 1, 0, 0, 0]
    assert broken["alive"]["time_ps"].values.tolist() == whole["alive"]["time_ps"].values.tolist()
    assert broken["at_end"] == 0


def test_a_run_that_was_cut_off_is_censored() -> None:
    cut = check_metric(Survival(spans=5), make_run(duration_ps=2.0))
    assert cut["alive"]["time_ps"].values.tolist() == [0.4, 0.8]
    assert "at_end" not in cut
    with pytest.raises(NotMeasurable, match="before the first span"):
        check_metric(Survival(spans=1), make_run(duration_ps=2.0))


def test_a_failure_before_production_counts() -> None:
    found = check_metric(Survival(), make_run(outcome="failed", failure_time_fs=-100.0))
    assert found["alive"].values.tolist() == [0] * 10
