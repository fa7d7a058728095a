"""Trajectories agree with ASE's velocity Verlet: another code's integrator, other code's forces."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms, units
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.lj import LennardJones
from ase.md.verlet import VelocityVerlet as AseVerlet
from engine_kit import argon_cluster, lennard_jones, run_loop, settings, springs

from mdprotocol.contracts import Structure
from mdprotocol.engine.loop import Loop
from mdprotocol.testing.structures import make_structure
from mdprotocol_plugins.integrators.velocity_verlet import VelocityVerlet

STEPS = 1000


class AseSprings(Calculator):
    """One spring between two atoms."""

    implemented_properties = ["energy", "forces"]

    def __init__(self, stiffness: float, length: float) -> None:
        super().__init__()
        self.stiffness, self.length = stiffness, length

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        vector = atoms.positions[1] - atoms.positions[0]
        distance = np.linalg.norm(vector)
        pull = self.stiffness * (distance - self.length) * vector / distance
        energy = self.stiffness / 2 * (distance - self.length) ** 2
        self.results = {"energy": energy, "forces": np.array([pull, -pull])}


def ase_trajectory(structure: Structure, velocities: np.ndarray, calculator: Calculator, dt: float) -> np.ndarray:
    atoms = Atoms(structure.numbers, structure.positions, masses=structure.masses, calculator=calculator)
    atoms.set_velocities(velocities / units.fs)
    frames = [atoms.positions.copy()]
    dynamics = AseVerlet(atoms, timestep=dt * units.fs, logfile=None)
    for _ in range(STEPS):
        dynamics.run(1)
        frames.append(atoms.positions.copy())
    return np.array(frames)


def both(loop: Loop, structure: Structure, calculator: Calculator, dt: float) -> tuple[np.ndarray, np.ndarray]:
    _, frames = loop.recorder.series(0)
    assert len(frames["position"]) == STEPS + 1
    return frames["position"], ase_trajectory(structure, frames["velocity"][0], calculator, dt)


def test_harmonic_oscillator() -> None:
    pair = make_structure([6, 8], [[0, 0, 0], [1.2, 0.1, 0]])
    loop = run_loop(springs(30.0, 1.1), pair, settings(VelocityVerlet(), STEPS, 0.5), temperature=500.0)
    ours, theirs = both(loop, pair, AseSprings(30.0, 1.1), 0.5)
    assert np.abs(ours - ours[0]).max() > 0.05
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)


@pytest.mark.parametrize("copies", [1, 3])
def test_lennard_jones_cluster(copies: int) -> None:
    cluster = argon_cluster()
    loop = run_loop(lennard_jones(), cluster, settings(VelocityVerlet(), STEPS, 4.0), copies, temperature=20.0)
    calculator = LennardJones(epsilon=0.0104, sigma=3.4, rc=100.0)
    ours, theirs = both(loop, cluster, calculator, 4.0)
    assert np.abs(ours - ours[0]).max() > 0.2
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)
