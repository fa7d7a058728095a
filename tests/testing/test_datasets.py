"""Synthetic runs: every variable is there, and what they are said to contain is in them."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from mdprotocol.testing import dataset_of, make_run, make_structure, molecule_structure
from mdprotocol.units import AMU_EV_FS2_PER_A2, KB_EV_PER_K
from mdprotocol.variables import RUN_ATTRS, RUN_COORDS, RUN_VARIABLES


def test_every_variable_with_its_dims_and_units() -> None:
    run = make_run()
    assert set(run.variables) == set(RUN_VARIABLES)
    assert set(run.coords) == set(RUN_COORDS)
    for name, variable in RUN_VARIABLES.items():
        assert run[name].dims == variable.dims
        assert run[name].attrs["units"] == variable.units
    assert set(run.attrs) == set(RUN_ATTRS)


def test_survives_a_netcdf_file(tmp_path) -> None:
    run = make_run()
    run.to_netcdf(tmp_path / "run.nc")
    with xr.open_dataset(tmp_path / "run.nc") as again:
        xr.testing.assert_identical(again.load(), run)


@pytest.mark.parametrize("drift", [0.0, 3.0, -0.5])
def test_drift_is_exact(drift: float) -> None:
    run = make_run(molecule_structure("CH4"), drift_meV_per_atom_ps=drift)
    slope = np.polyfit(run.time / 1000, (run.total_energy - run.total_energy[0]) * 1000 / 5, 1)[0]
    assert slope == pytest.approx(drift, abs=1e-9)
    assert run.total_energy[0] == pytest.approx(-100)


def test_noise_has_the_size_asked_for() -> None:
    run = make_run(frames=4001, energy_noise_meV=2.0)
    assert 1000 * run.total_energy.std() == pytest.approx(2.0, rel=0.05)


def test_force_and_energy_errors_are_exact() -> None:
    run = make_run(force_error_eV_per_A=0.07, energy_error_eV=0.02)
    force = run.reference_force.values - run.force.values[run.sample_frame]
    energy = run.reference_energy.values - run.potential_energy.values[run.sample_frame]
    assert np.abs(force) == pytest.approx(0.07)
    assert np.abs(energy) == pytest.approx(0.02)
    assert len(set(np.sign(force).ravel())) == 2


@pytest.mark.parametrize(("formula", "modes"), [("H2O", 3), ("CO2", 4), ("CH4", 9), ("H2", 1)])
def test_motion_is_that_of_a_molecule(formula: str, modes: int) -> None:
    structure = molecule_structure(formula)
    run = make_run(structure, temperature_K=200.0, mean_temperature_K=250.0)
    kinetic = 0.5 * AMU_EV_FS2_PER_A2 * (run.mass * run.velocity**2).sum(("atom", "xyz"))
    momentum = (run.mass * run.velocity).sum("atom")
    assert run.degrees_of_freedom == modes
    assert np.allclose(kinetic, run.kinetic_energy)
    assert np.allclose(run.temperature, 2 * run.kinetic_energy / modes / KB_EV_PER_K)
    assert float(run.temperature.mean()) == pytest.approx(250.0)
    assert np.abs(momentum).max() < 1e-12


def test_forces_velocities_and_positions_belong_together() -> None:
    run = make_run(interval_fs=0.01, frames=401)
    x, v, f = run.position.values, run.velocity.values, run.force.values
    potential = run.potential_energy.values
    assert np.allclose((x[2:] - x[:-2]) / 0.02, v[1:-1], atol=1e-7)
    assert np.allclose((v[2:] - v[:-2]) / 0.02 * run.mass.values[:, None] * AMU_EV_FS2_PER_A2, f[1:-1], atol=1e-4)
    assert np.allclose((potential[2:] - potential[:-2]) / 0.02, -(f * v).sum(axis=(1, 2))[1:-1], atol=1e-6)


def test_a_single_atom_has_three_modes() -> None:
    assert make_run(make_structure([18], [[0, 0, 0]])).degrees_of_freedom == 3


def test_seed_decides_everything() -> None:
    assert make_run(seed=4).identical(make_run(seed=4))
    assert not np.allclose(make_run(seed=4).position, make_run(seed=5).position)


def test_a_failed_run_says_where_it_failed() -> None:
    run = make_run(frames=11, outcome="failed", failure_kind="broken_bond", timestep_fs=0.5)
    assert (run.failure_kind, run.failure_step, run.failure_time_fs) == ("broken_bond", 200, 100.0)
    done = make_run()
    assert (done.failure_kind, done.failure_step) == ("", -1)


def test_variables_can_be_replaced_and_left_out() -> None:
    run = make_run(frames=3, variables={"temperature": [1.0, 2.0, 3.0]}, drop=("reference_force",), replica=7)
    assert run.temperature.values.tolist() == [1.0, 2.0, 3.0]
    assert "reference_force" not in run
    assert run.replica == 7
    assert "reference_energy" not in make_run(reference_every=0)


def test_an_unknown_variable_is_refused() -> None:
    with pytest.raises(KeyError, match="positions"):
        dataset_of({"positions": np.zeros((1, 1, 3))})
