"""Faulty dynamics: on springs, against what the sound integrator does."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from mdprotocol.contracts import Integrator, MotionFault
from mdprotocol.engine.propagate import propagate
from mdprotocol.faults.wrapping import FaultyIntegrator
from mdprotocol.testing.analytic import HarmonicBonds
from mdprotocol.testing.structures import molecule_structure, rattled
from mdprotocol_plugins.faults import motion
from mdprotocol_plugins.integrators.velocity_verlet import VelocityVerlet

WATER = molecule_structure("H2O")
SOUND = VelocityVerlet()


def moved(integrator: Integrator, steps: int = 200, temperature: float = 300.0) -> xr.Dataset:
    return propagate(
        HarmonicBonds(WATER), rattled(WATER, 0.02), integrator, 0.5, steps, temperature_K=temperature, seed=5
    )


def faulty(fault: MotionFault) -> Integrator:
    return FaultyIntegrator(sound=SOUND, fault=fault)


def drift(run: xr.Dataset) -> float:
    energy = run["total_energy"].values
    return float(energy[-1] - energy[0])


def test_euler_gains_energy_and_verlet_does_not() -> None:
    assert abs(drift(moved(SOUND))) < 1e-3
    assert drift(moved(faulty(motion.Euler()))) > 0.05


def test_the_wrong_sign_changes_the_energy_in_a_few_steps() -> None:
    assert abs(drift(moved(faulty(motion.WrongSign()), steps=40))) > 0.05


def test_another_time_step_moves_as_that_time_step_does() -> None:
    fast = moved(SOUND, steps=20)
    slow = moved(faulty(motion.AseTimestep(factor=0.1)), steps=20)
    exact = propagate(HarmonicBonds(WATER), rattled(WATER, 0.02), SOUND, 0.05, 20, temperature_K=300.0, seed=5)
    np.testing.assert_allclose(slow["position"].values[-1], exact["position"].values[-1], atol=1e-12)
    assert slow["time"].values[-1] == fast["time"].values[-1] == 10.0


def test_a_frozen_atom_stays_and_the_others_keep_their_energy() -> None:
    run = moved(faulty(motion.FrozenAtom()))
    assert np.ptp(run["position"].values[:, 0], axis=0).max() == 0
    assert np.ptp(run["position"].values[:, 1], axis=0).max() > 0.01
    assert abs(drift(run)) < 1e-3


def test_without_velocities_production_starts_from_rest() -> None:
    run = moved(faulty(motion.NoVelocities()))
    assert run["kinetic_energy"].values[0] == 0
    assert run["kinetic_energy"].values[1:].max() > 0


def test_a_thermostat_that_is_on_books_its_heat_and_does_not_conserve_momentum() -> None:
    run = moved(faulty(motion.ThermostatLeftOn(friction_per_ps=10.0)), steps=2000)
    assert np.ptp(run["total_energy"].values) > 0.05
    assert np.ptp(run["conserved_energy"].values) < 0.1 * np.ptp(run["total_energy"].values)
    momentum = (run["velocity"].values * WATER.masses[:, None]).sum(axis=1)
    assert np.abs(momentum[-1]).max() > 1e-3
    sound = moved(SOUND)["velocity"].values * WATER.masses[:, None]
    assert np.abs(sound.sum(axis=1)).max() < 1e-10


@pytest.mark.parametrize("kind", [motion.Euler, motion.FrozenAtom, motion.ThermostatLeftOn])
def test_a_faulty_integrator_says_that_it_is_the_sound_one(kind: type[MotionFault]) -> None:
    integrator = faulty(kind())
    assert integrator.model_dump_json() == SOUND.model_dump_json()
    assert integrator.thermostatted == SOUND.thermostatted
