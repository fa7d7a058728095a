"""Trajectories of equal seed: their divergence by analytic motion, and the ensembles that they sample."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from mdprotocol.api import FS_IN_ASE_TIME, KB_EV_PER_K, NotMeasurable
from mdprotocol.testing import check_metric, make_run, make_structure, molecule_structure
from mdprotocol_plugins.metrics.ensemble import Ensemble
from mdprotocol_plugins.metrics.trajectory_divergence import TrajectoryDivergence

FREE = make_structure([8, 1, 1], [[0, 0, 0], [2, 0, 0], [0, 2, 0]])
SPEED = 0.02
"""Å/fs, of every atom along x."""


def moving(acceleration: float = 0.0, clock: float = 1.0, start: float = 0.0, frames: int = 61) -> xr.Dataset:
    """Every atom moves as x0 + v t + a t²/2; `clock` is the length of its femtosecond."""
    t = np.arange(frames) * 1.0 * clock
    x, v = start + SPEED * t + acceleration * t**2 / 2, (SPEED + acceleration * t) * clock
    along = np.array([1.0, 0.0, 0.0])
    variables = {
        "position": FREE.positions + x[:, None, None] * along,
        "velocity": np.broadcast_to(v[:, None, None] * along, (frames, 3, 3)),
    }
    return make_run(FREE, frames=frames, interval_fs=1.0, variables=variables)


def test_a_wrong_force_parts_them_by_half_its_acceleration_times_time_squared() -> None:
    a, t = 3e-5, np.arange(1, 31)
    found = check_metric(TrajectoryDivergence(), moving(a), moving())
    assert found["rmsd"] == pytest.approx(np.sqrt(np.mean((a * t**2 / 2) ** 2)))
    assert found["relative"] == pytest.approx(found["rmsd"] / np.sqrt(np.mean((SPEED * t) ** 2)))
    assert found["velocity"] == pytest.approx(np.sqrt(np.mean((a * t) ** 2)) / SPEED)


def test_a_hair_of_a_difference_is_a_hair_of_divergence() -> None:
    assert TrajectoryDivergence().compare(moving(1e-9), moving())["relative"] < 1e-5


def test_a_wrong_unit_of_time_is_seen_at_once() -> None:
    found = TrajectoryDivergence().compare(moving(clock=FS_IN_ASE_TIME), moving())
    assert found["relative"] == pytest.approx(1 - FS_IN_ASE_TIME)
    assert TrajectoryDivergence().compare(moving(clock=1 / FS_IN_ASE_TIME), moving())["relative"] > 5


def test_what_makes_the_divergence_meaningless_is_not_measured() -> None:
    metric = TrajectoryDivergence()
    with pytest.raises(NotMeasurable, match="equilibration"):
        metric.compare(moving(start=0.1), moving())
    with pytest.raises(NotMeasurable, match="frames in the first"):
        metric.compare(moving(1e-5).isel(frame=slice(None, None, 20)), moving().isel(frame=slice(None, None, 20)))
    with pytest.raises(NotMeasurable, match="different times"):
        metric.compare(moving(1e-5).isel(frame=slice(None, None, 2)), moving())
    with pytest.raises(NotMeasurable, match="says nothing"):
        metric.compare(moving(), moving())


# --------------------------------------------------------------------------------------------------------- ensemble

KELVIN, STIFFNESS = 300.0, 30.0
WATER = molecule_structure("H2O")


def boltzmann(seed: int, stiffness: float = STIFFNESS, offset: float = 0.0, kelvin: float = KELVIN) -> xr.Dataset:
    """Independent frames of atoms in harmonic wells of this stiffness, labelled by wells of STIFFNESS."""
    random = np.random.default_rng(seed)
    away = random.normal(scale=np.sqrt(KB_EV_PER_K * kelvin / stiffness), size=(2000, 3, 3))
    energy, label = (k * (away**2).sum(axis=(1, 2)) / 2 for k in (stiffness, STIFFNESS))
    run = make_run(
        WATER,
        frames=2000,
        mean_temperature_K=kelvin,
        seed=seed,
        reference_every=1,
        variables={"position": WATER.positions + away, "potential_energy": energy + offset},
    )
    return run.assign(reference_energy=("sample", label))


def pooled(replicas: int = 6, **options: float) -> dict[str, float]:
    teachers = [boltzmann(k) for k in range(replicas)]
    values = [
        Ensemble().compare_replicas(boltzmann(100 + r, **options), teachers[r], teachers[:r] + teachers[r + 1 :])
        for r in range(replicas)
    ]
    return {name: float(np.mean([v[name] for v in values])) for name in values[0]}


def test_the_same_ensemble_with_another_zero_of_energy_has_no_shift() -> None:
    check_metric(Ensemble(), boltzmann(1, offset=-50), boltzmann(0))
    found = pooled(offset=-50.0)
    spread = 1000 * KB_EV_PER_K * KELVIN * np.sqrt(9 / 2) / 3  # of V per atom, meV
    assert abs(found["potential_energy_shift"]) < 4 * spread * np.sqrt(2 / 12_000)
    assert abs(found["potential_energy_width"]) < 3
    assert abs(found["temperature_difference"]) < 1e-6
    assert found["structure"] == pytest.approx(1, abs=0.25)


def test_a_softer_model_strays_to_higher_energies_of_the_reference() -> None:
    """<V_ref> = 9/2 kB T k_ref/k in the wells of a model of stiffness k."""
    found = pooled(stiffness=STIFFNESS / 2)
    assert found["potential_energy_shift"] == pytest.approx(1000 * 4.5 * KB_EV_PER_K * KELVIN / 3, rel=0.05)
    assert found["structure"] > 3
    assert found["structure_excess"] > 0.01


def test_a_hotter_ensemble_is_wider_and_hotter() -> None:
    found = pooled(kelvin=1.5 * KELVIN)
    assert found["potential_energy_width"] == pytest.approx(50, abs=5)
    assert found["temperature_difference"] == pytest.approx(150)


def test_what_it_cannot_compare_is_not_measured() -> None:
    alone = Ensemble().compare(boltzmann(1).drop_vars(["reference_energy"]), boltzmann(0))
    assert set(alone) == {"potential_energy_width", "temperature_difference"}
    with pytest.raises(NotMeasurable, match="says nothing"):
        Ensemble().compare(boltzmann(0), boltzmann(0))
    still = boltzmann(2).assign(potential_energy=("frame", np.zeros(2000)))
    with pytest.raises(NotMeasurable, match="does not change"):
        Ensemble().compare(boltzmann(0), still)
