"""Many copies of a small system under an integrator alone, without the engine's loop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from engine_kit import argon_cluster, lennard_jones

from mdprotocol.chemistry import degrees_of_freedom
from mdprotocol.contracts import ForceField, Integrator, MDState, Structure, Topology
from mdprotocol.engine.loop import initial_state
from mdprotocol.engine.random import Streams
from mdprotocol.engine.velocities import maxwell_boltzmann
from mdprotocol.units import KB_EV_PER_K


@dataclass
class Series:
    """What was seen after every so many steps: (frames, copies), eV."""

    kinetic: np.ndarray
    total: np.ndarray
    conserved: np.ndarray
    state: MDState


def start(structure: Structure, temperatures: list[float], integrator: Integrator) -> MDState:
    state = initial_state([structure] * len(temperatures), temperatures)
    dof = degrees_of_freedom(structure, integrator.conserves_momentum)
    state.dof = torch.full((len(temperatures),), float(dof), dtype=torch.float64)
    n = len(structure)
    for b, target in enumerate(temperatures):
        noise = np.random.default_rng([5, b]).standard_normal((n, 3))
        state.velocities[b * n : (b + 1) * n] = torch.from_numpy(maxwell_boltzmann(structure, target, noise, dof))
    return state


def simulate(
    integrator: Integrator,
    steps: int,
    timestep: float,
    temperatures: list[float],
    every: int = 1,
    structure: Structure | None = None,
    force_field: ForceField | None = None,
) -> Series:
    """Argon clusters, unless said otherwise."""
    structure, force_field = structure or argon_cluster(), force_field or lennard_jones()
    state = start(structure, temperatures, integrator)
    state.timestep = timestep
    topology = Topology.of([structure] * len(temperatures))
    evaluate, streams = force_field.prepare(topology), Streams(range(len(temperatures)), topology.offsets)

    def update_forces() -> None:
        found = evaluate(state.positions, state.cells)
        state.energy, state.forces = found.energy, found.forces

    update_forces()
    integrator.start(state, streams)
    seen = []
    for step in range(1, steps + 1):
        integrator.step(state, update_forces, streams)
        if step % every == 0:
            kinetic = state.kinetic_energy()
            total = kinetic + state.energy
            seen.append([kinetic.numpy(), total.numpy(), (total - state.bath_energy).numpy()])
    kinetic_energy, total_energy, conserved = np.array(seen).transpose(1, 0, 2)
    return Series(kinetic_energy, total_energy, conserved, state)


def thermal(kinetic: np.ndarray, temperatures: list[float]) -> np.ndarray:
    """Kinetic energy in units of kB T."""
    return kinetic / (KB_EV_PER_K * np.asarray(temperatures))
