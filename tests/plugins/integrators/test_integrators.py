"""Every integrator: what it conserves, its order, momentum, batches with different temperatures."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from engine_kit import argon_cluster, lennard_jones, springs, triangle
from sampling_kit import simulate

from mdprotocol.contracts import Integrator, Topology
from mdprotocol.registry import build_registry
from mdprotocol_plugins.integrators import mdprotocol_integrators
from mdprotocol_plugins.integrators.bussi import Bussi
from mdprotocol_plugins.integrators.langevin import Langevin
from mdprotocol_plugins.integrators.nose_hoover import NoseHoover
from mdprotocol_plugins.integrators.velocity_verlet import VelocityVerlet

ALL = [
    VelocityVerlet(),
    Langevin(friction_per_ps=1.0),
    Bussi(relaxation_fs=500.0),
    NoseHoover(relaxation_fs=200.0),
    NoseHoover(relaxation_fs=200.0, chain_length=1),
    NoseHoover(relaxation_fs=200.0, chain_length=5),
]
NAMES = [f"{i.type}{getattr(i, 'chain_length', '')}" for i in ALL]
every_integrator = pytest.mark.parametrize("integrator", ALL, ids=NAMES)
T = [10.0, 20.0, 30.0, 20.0]


def test_registered() -> None:
    names = build_registry().names("integrators")
    assert {"velocity_verlet", "langevin", "bussi", "nose_hoover"} <= set(names)
    assert len(mdprotocol_integrators()) == 4


def test_importing_them_does_not_import_torch() -> None:
    code = "import sys, mdprotocol_plugins.integrators; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@every_integrator
def test_docstring_has_equations_source_and_conserved_quantity(integrator: Integrator) -> None:
    text = type(integrator).__doc__ or ""
    assert "| equation | variable |" in text
    assert "Conserves" in text
    assert "Phys." in text or "Appl. Math." in text
    assert integrator.conserves


@every_integrator
def test_conserved_energy_is_conserved_and_of_second_order(integrator: Integrator) -> None:
    def error(timestep: float) -> float:
        # The noise differs from one time step to the next, so the thermostats need many copies to show their order.
        series = simulate(integrator, round(4000 / timestep), timestep, T * 15, every=round(40 / timestep))
        return float(np.sqrt(np.mean((series.conserved - series.conserved[0]) ** 2)))

    errors = [error(20.0), error(10.0), error(5.0)]
    assert 3.0 < errors[0] / errors[1] < 5.3
    assert 3.0 < errors[1] / errors[2] < 5.3


@pytest.mark.parametrize("integrator", ALL[1:], ids=NAMES[1:])
def test_thermostats_exchange_far_more_than_their_error(integrator: Integrator) -> None:
    series = simulate(integrator, 2000, 4.0, T, every=10)
    assert (np.ptp(series.conserved, axis=0) < 0.05 * np.ptp(series.total, axis=0)).all()


@pytest.mark.parametrize("integrator", [i for i in ALL if i.conserves_momentum], ids=lambda i: i.type)
def test_momentum_and_angular_momentum_stay_zero(integrator: Integrator) -> None:
    cluster = argon_cluster()
    state = simulate(integrator, 500, 4.0, T).state
    for x, v in zip(state.positions.reshape(4, 6, 3).numpy(), state.velocities.reshape(4, 6, 3).numpy(), strict=True):
        momentum = cluster.masses[:, None] * v
        scale = np.abs(momentum).sum()
        assert np.abs(momentum.sum(axis=0)).max() < 1e-11 * scale
        assert np.abs(np.cross(x, momentum).sum(axis=0)).max() < 1e-10 * scale


def test_langevin_says_that_it_does_not_conserve_momentum() -> None:
    state = simulate(Langevin(), 50, 4.0, T).state
    momentum = (state.masses * state.velocities).reshape(4, 6, 3).sum(dim=1)
    assert not Langevin.conserves_momentum
    assert momentum.abs().min() > 0


def test_velocity_verlet_is_time_reversible() -> None:
    series = simulate(VelocityVerlet(), 300, 4.0, [20.0])
    state, cluster = series.state, argon_cluster()
    evaluate = lennard_jones().prepare(Topology.of([cluster]))

    def update_forces() -> None:
        found = evaluate(state.positions, state.cells)
        state.energy, state.forces = found.energy, found.forces

    state.velocities.neg_()
    for _ in range(300):
        VelocityVerlet().step(state, update_forces, None)  # type: ignore[arg-type]
    np.testing.assert_allclose(state.positions.numpy(), cluster.positions, atol=1e-8)


@every_integrator
def test_a_copy_does_not_depend_on_the_temperatures_of_others(integrator: Integrator) -> None:
    one = simulate(integrator, 100, 4.0, [10.0, 20.0, 30.0])
    two = simulate(integrator, 100, 4.0, [10.0, 500.0, 30.0])
    np.testing.assert_array_equal(one.kinetic[:, [0, 2]], two.kinetic[:, [0, 2]])
    assert not np.array_equal(one.kinetic[:, 1], two.kinetic[:, 1])


def test_weak_thermostats_become_velocity_verlet() -> None:
    """With the coupling gone only the integration is left, so all follow the same trajectory for a while."""
    wanted = simulate(VelocityVerlet(), 100, 4.0, T).state.positions.numpy()
    for weak in (Bussi(relaxation_fs=1e16), NoseHoover(relaxation_fs=1e9)):
        np.testing.assert_allclose(simulate(weak, 100, 4.0, T).state.positions.numpy(), wanted, atol=1e-5)


def test_bussi_leaves_a_copy_at_rest_at_rest() -> None:
    still = simulate(Bussi(), 5, 0.5, [1e-30], structure=triangle(), force_field=springs())
    assert np.isfinite(still.conserved).all()
