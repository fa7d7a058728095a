"""Whether a force field does anything to a structure: where it does not, no probe of it tells it from none."""

from __future__ import annotations

import numpy as np
import torch

from mdprotocol.contracts import ForceField, Structure, Topology
from mdprotocol.errors import asked_to_stop
from mdprotocol.plan.inert import LEAST_ENERGY_EV, LEAST_FORCE_EV_A, no_forces

DISPLACED_A = 0.05
GEOMETRIES = 4
DISPLACED = f"geometries displaced by {DISPLACED_A:g} Å"


def inert(force_field: ForceField, structure: Structure, seed: int = 0) -> str:
    """Why nothing tells this force field from none on this structure; empty where something does.

    Forces of zero under an energy that changes tell: they are wrong. What cannot be evaluated is left to the probes,
    which say what is wrong with it.

    Args:
        seed: of the geometries, in each of which every atom is 0.05 Å from its place, in a random direction.
    """
    try:
        topology = Topology.of([structure])
        evaluate, cells = force_field.prepare(topology), torch.from_numpy(topology.cells)
        largest, energies = 0.0, []
        for positions in _displaced(structure, seed):
            found = evaluate(torch.from_numpy(positions), cells)
            forces = found.forces.detach().abs()
            if found.errors or not bool(torch.isfinite(forces).all()):
                return ""
            largest = max(largest, float(forces.max()))
            energies.append(float(found.energy[0]))
            if largest >= LEAST_FORCE_EV_A:
                return ""
    except BaseException as error:  # a plugin's: the probe meets it too
        if asked_to_stop(error):
            raise
        return ""
    if not max(energies) - min(energies) < LEAST_ENERGY_EV:
        return ""
    return no_forces(len(structure), largest, DISPLACED)


def _displaced(structure: Structure, seed: int) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    found = []
    for _ in range(GEOMETRIES):
        directions = random.standard_normal((len(structure), 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        found.append(structure.positions + DISPLACED_A * directions)
    return found
