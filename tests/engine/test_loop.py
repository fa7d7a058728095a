"""The loop: energy conservation of second order, momentum, equilibration, frames, repeatability."""

from __future__ import annotations

import numpy as np
import pytest
from engine_kit import argon_cluster, equilibration, lennard_jones, run_loop, settings, springs, triangle

from mdprotocol.engine.loop import Loop
from mdprotocol.testing.structures import make_structure
from mdprotocol_plugins.integrators.bussi import Bussi
from mdprotocol_plugins.integrators.langevin import Langevin
from mdprotocol_plugins.integrators.velocity_verlet import VelocityVerlet


def energies(timestep_fs: float, duration_fs: float = 4000.0) -> np.ndarray:
    run = settings(
        VelocityVerlet(), round(duration_fs / timestep_fs), timestep_fs, record_every=round(16 / timestep_fs)
    )
    return run_loop(lennard_jones(), argon_cluster(), run, temperature=20.0).recorder.series(0)[1]["total_energy"]


def test_energy_error_is_of_second_order_and_does_not_drift() -> None:
    errors = {dt: np.std(energies(dt)) for dt in (16.0, 8.0, 4.0)}
    assert errors[16.0] / errors[8.0] == pytest.approx(4, rel=0.15)
    assert errors[8.0] / errors[4.0] == pytest.approx(4, rel=0.15)
    total = energies(8.0, 16000.0)
    drift = np.polyfit(np.linspace(0, 1, len(total)), total, 1)[0]
    assert abs(drift) < np.std(total)


def test_momentum_and_angular_momentum_stay_zero() -> None:
    cluster = argon_cluster()
    run = settings(VelocityVerlet(), 400, 4.0, record_every=400, equilibration=equilibration(Langevin(), 200, 4.0))
    loop = run_loop(lennard_jones(), cluster, run, copies=2, temperature=20.0)
    for b in range(2):
        _, frames = loop.recorder.series(b)
        for x, v in zip(frames["position"], frames["velocity"], strict=True):
            momentum = cluster.masses[:, None] * v
            scale = np.abs(momentum).sum()
            assert np.abs(momentum.sum(axis=0)).max() < 1e-12 * scale
            assert np.abs(np.cross(x, momentum).sum(axis=0)).max() < 1e-11 * scale


def test_a_run_starts_exactly_at_its_temperature() -> None:
    run = settings(VelocityVerlet(), 2)
    loop = Loop(springs(), [triangle()] * 3, [50.0, 300.0, 900.0], [1, 2, 3], run)
    loop.run()
    for b, target in enumerate([50.0, 300.0, 900.0]):
        assert loop.recorder.series(b)[1]["temperature"][0] == pytest.approx(target, rel=1e-12)
    assert loop.dof.tolist() == [3.0] * 3


def test_equilibration_brings_a_run_to_its_temperature() -> None:
    """From a relaxed geometry at constant energy half of the temperature would be left; 200 copies average it out."""
    copies = 200
    stage = equilibration(Langevin(friction_per_ps=20.0), 600, 1.0)
    run = settings(VelocityVerlet(), 200, 1.0, record_every=20, equilibration=stage)
    loop = run_loop(springs(), triangle(), run, copies)
    temperatures = np.array([loop.recorder.series(b)[1]["temperature"].mean() for b in range(copies)])
    assert temperatures.mean() == pytest.approx(300.0, abs=4 * temperatures.std() / copies**0.5)
    cold = run_loop(springs(), triangle(), settings(VelocityVerlet(), 200, 1.0), 1)
    assert cold.recorder.series(0)[1]["temperature"].mean() < 200.0


def test_equilibration_is_not_recorded_and_its_end_is_frame_0() -> None:
    run = settings(VelocityVerlet(), 10, 0.5, record_every=5, equilibration=equilibration(Langevin(), 40))
    time, frames = run_loop(springs(), triangle(), run).recorder.series(0)
    np.testing.assert_array_equal(time, [0.0, 2.5, 5.0])
    assert np.abs(frames["position"][0] - triangle().positions).max() > 0.005


def test_energies_in_a_frame_fit_its_velocities_and_positions() -> None:
    run = settings(Bussi(relaxation_fs=20.0), 30, 0.5, record_every=10)
    _, frames = run_loop(springs(20.0, 1.0), triangle(1.1), run).recorder.series(0)
    masses = triangle().masses * 103.642696  # amu in eV fs²/Å²
    kinetic = 0.5 * (masses[None, :, None] * frames["velocity"] ** 2).sum(axis=(1, 2))
    np.testing.assert_allclose(frames["kinetic_energy"], kinetic, rtol=1e-6)
    i, j = np.triu_indices(3, 1)
    distance = np.linalg.norm(frames["position"][:, j] - frames["position"][:, i], axis=2)
    np.testing.assert_allclose(frames["potential_energy"], 10.0 * ((distance - 1.0) ** 2).sum(axis=1), rtol=1e-10)
    np.testing.assert_array_equal(frames["total_energy"], frames["kinetic_energy"] + frames["potential_energy"])
    assert np.ptp(frames["conserved_energy"]) < 0.1 * np.ptp(frames["total_energy"])


@pytest.mark.parametrize("integrator", [VelocityVerlet(), Langevin(), Bussi()], ids=lambda i: i.type)
def test_the_same_seed_gives_the_same_bits(integrator) -> None:
    run = settings(integrator, 60, 0.5, equilibration=equilibration(Langevin(), 30))
    one, two = (run_loop(springs(), triangle(), run, copies=3) for _ in range(2))
    for b in range(3):
        for name, values in one.recorder.series(b)[1].items():
            np.testing.assert_array_equal(values, two.recorder.series(b)[1][name])
    other = one.recorder.series(1)[1]["position"]
    assert not np.array_equal(one.recorder.series(0)[1]["position"], other)


@pytest.mark.parametrize("integrator", [VelocityVerlet(), Langevin(), Bussi()], ids=lambda i: i.type)
def test_a_copy_does_not_depend_on_its_neighbours(integrator) -> None:
    run = settings(integrator, 60, 0.5, equilibration=equilibration(Langevin(), 30))
    alone = Loop(springs(), [triangle()], [300.0], [42], run)
    among = Loop(springs(), [triangle(1.05), triangle(), triangle()], [100.0, 300.0, 900.0], [1, 42, 7], run)
    alone.run()
    among.run()
    for name, values in alone.recorder.series(0)[1].items():
        np.testing.assert_array_equal(values, among.recorder.series(1)[1][name])


def test_a_lone_atom_flies_straight_on() -> None:
    loop = run_loop(springs(), make_structure([18], [[0, 0, 0]]), settings(VelocityVerlet(), 20))
    time, frames = loop.recorder.series(0)
    np.testing.assert_allclose(frames["temperature"], 300.0, rtol=1e-12)
    np.testing.assert_allclose(frames["position"][:, 0], time[:, None] * frames["velocity"][0, 0], atol=1e-12)


def test_progress_tells_step_temperature_and_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mdprotocol.engine.loop.REPORT_SECONDS", 0.0)
    told: list[tuple[int, int, float, float]] = []
    run = settings(VelocityVerlet(), 4, 0.5, record_every=2, guard_every=2, equilibration=equilibration(Langevin(), 3))
    Loop(springs(), [triangle()] * 2, [300.0] * 2, [1, 2], run, lambda *facts: told.append(facts)).run()
    assert [(step, alive) for step, alive, _, _ in told] == [(0, 2), (2, 2), (4, 2)]
    assert np.isnan(told[0][2])
    assert all(np.isfinite(drift) and temperature > 0 for _, _, drift, temperature in told[1:])
