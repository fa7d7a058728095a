"""What any force field must do: forces that are the energy's gradient, symmetries, batches that equal single copies.

Each check returns the largest deviation it found and raises AssertionError beyond its tolerance. Needs torch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
from ase.geometry import complete_cell

from mdprotocol.contracts import Evaluation, ForceField, Structure, Topology

STEP_A = 1e-3
"""Of the differences of fourth order: their error, about step⁴, is then below 1e-7 eV/Å for molecules."""


def check_force_field(
    force_field: ForceField,
    structure: Structure,
    *,
    gradient_eV_per_A: float | None = 1e-6,
    symmetry: float | None = 1e-8,
    seed: int = 0,
) -> None:
    """All checks on one structure (away from its symmetric positions, please); None leaves a part out.

    Args:
        gradient_eV_per_A: tolerance of forces against -dE/dx; about 1e-6 in float64, 1e-2 in float32.
        symmetry: tolerance of energies (eV) and forces (eV/Å) under translation, rotation, reflection and permutation.
    """
    if gradient_eV_per_A is not None:
        check_gradient(force_field, structure, gradient_eV_per_A)
    if symmetry is not None:
        check_translation(force_field, structure, symmetry, seed)
        check_rotation(force_field, structure, symmetry, seed)
        check_rotation(force_field, structure, symmetry, seed, reflect=True)
        check_permutation(force_field, structure, symmetry, seed)
        check_batch(force_field, [structure, _moved(structure, seed), structure], symmetry)


def check_gradient(
    force_field: ForceField, structure: Structure, tolerance: float = 1e-6, step: float = STEP_A
) -> float:
    """Forces equal -dE/dx, by central differences of fourth order on every coordinate. eV/Å.

    dE/dx = (E(x-2h) - 8 E(x-h) + 8 E(x+h) - E(x+2h)) / 12h.
    """
    n = len(structure)
    _, forces = force_field.evaluate(structure)
    gradient = np.zeros((n, 3))
    topology = Topology.of([structure])
    evaluate, cells = force_field.prepare(topology), torch.from_numpy(topology.cells)
    for atom in range(n):
        for axis in range(3):
            energies = []
            for shift in (-2, -1, 1, 2):
                x = structure.positions.copy()
                x[atom, axis] += shift * step
                energies.append(float(_sound(evaluate(torch.from_numpy(x), cells)).energy[0]))
            gradient[atom, axis] = np.dot(energies, [1, -8, 8, -1]) / (12 * step)
    return _within(np.abs(forces + gradient).max(), tolerance, "forces differ from -dE/dx", "eV/Å")


def check_translation(force_field: ForceField, structure: Structure, tolerance: float = 1e-8, seed: int = 0) -> float:
    """Energy and forces do not change when everything moves together, nor when atoms of a cell take other images."""
    random = np.random.default_rng(seed)
    moved = structure.positions + random.uniform(-5, 5, 3)
    images = random.integers(-2, 3, (len(structure), 3)) * structure.pbc
    moved = moved + images @ complete_cell(structure.cell)
    return _same(force_field, structure, dataclasses.replace(structure, positions=moved), np.eye(3), tolerance, "moved")


def check_rotation(
    force_field: ForceField, structure: Structure, tolerance: float = 1e-8, seed: int = 0, reflect: bool = False
) -> float:
    """Energy stays and forces turn with the structure (and its cell); with `reflect` also through a mirror."""
    turn, upper = np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 3)))
    turn = turn * np.sign(np.diag(upper))
    if (np.linalg.det(turn) < 0) != reflect:
        turn = turn @ np.diag([1.0, 1.0, -1.0])
    turned = dataclasses.replace(structure, positions=structure.positions @ turn.T, cell=structure.cell @ turn.T)
    return _same(force_field, structure, turned, turn, tolerance, "reflected" if reflect else "rotated")


def check_permutation(force_field: ForceField, structure: Structure, tolerance: float = 1e-8, seed: int = 0) -> float:
    """Energy stays and forces follow when atoms are listed in another order."""
    order = np.random.default_rng(seed).permutation(len(structure))
    other = structure.of_atoms(order)
    energy, forces = force_field.evaluate(structure)
    other_energy, other_forces = force_field.evaluate(other)
    found = max(abs(energy - other_energy), float(np.abs(forces[order] - other_forces).max()))
    return _within(found, tolerance, "energy or forces depend on the order of the atoms", "eV, eV/Å")


def check_batch(force_field: ForceField, structures: Sequence[Structure], tolerance: float = 1e-8) -> float:
    """A batch gives each copy the same as alone."""
    topology = Topology.of(structures)
    positions = torch.from_numpy(np.concatenate([structure.positions for structure in structures]))
    batch = _sound(force_field.prepare(topology)(positions, torch.from_numpy(topology.cells)))
    found, first = 0.0, 0
    for copy, structure in enumerate(structures):
        energy, forces = force_field.evaluate(structure)
        own = batch.forces[first : first + len(structure)].detach().cpu().numpy()
        found = max(found, abs(energy - float(batch.energy[copy])), float(np.abs(forces - own).max()))
        first += len(structure)
    return _within(found, tolerance, "a copy in a batch differs from the same copy alone", "eV, eV/Å")


def check_other_cells(
    force_field: ForceField, structure: Structure, tolerance: float = 1e-8, strain: float = 0.04
) -> float:
    """An evaluator asked about another cell answers as a fresh one for a structure with that cell, and back again.

    Args:
        structure: periodic along an axis at least; its positions stay.
        tolerance: of energies (eV), forces (eV/Å) and, where there are some, stresses (eV/Å³).
        strain: of the other cell, with shears beside it.
    """
    deform = np.eye(3) + strain * np.array([[1.0, 0.5, 0.0], [0.0, -0.5, 0.3], [0.0, 0.0, 1.5]])
    led = force_field.prepare(Topology.of([structure]))
    x, found = torch.from_numpy(np.array(structure.positions, dtype=np.float64)), 0.0
    for one in (structure, dataclasses.replace(structure, cell=structure.cell @ deform), structure):
        topology = Topology.of([one])
        cells = torch.from_numpy(topology.cells)
        found = max(found, _difference(led(x, cells), force_field.prepare(topology)(x, cells)))
    return _within(found, tolerance, "an evaluator does not follow the cell", "eV, eV/Å, eV/Å³")


def _difference(led: Evaluation, fresh: Evaluation) -> float:
    pairs = [(_sound(led).energy, _sound(fresh).energy), (led.forces, fresh.forces)]
    if led.stress is not None and fresh.stress is not None:
        pairs.append((led.stress(), fresh.stress()))
    return max(float((a - b).detach().abs().max()) for a, b in pairs)


def _same(
    force_field: ForceField, before: Structure, after: Structure, turn: np.ndarray, tolerance: float, what: str
) -> float:
    energy, forces = force_field.evaluate(before)
    new_energy, new_forces = force_field.evaluate(after)
    found = max(abs(energy - new_energy), float(np.abs(forces @ turn.T - new_forces).max()))
    return _within(found, tolerance, f"energy or forces change when the structure is {what}", "eV, eV/Å")


def _moved(structure: Structure, seed: int) -> Structure:
    noise = np.random.default_rng(seed).normal(scale=0.02, size=structure.positions.shape)
    return dataclasses.replace(structure, positions=structure.positions + noise)


def _sound(found: Evaluation) -> Evaluation:
    assert not found.errors, f"the force field gave no answer: {found.errors}"
    return found


def _within(found: float, tolerance: float, what: str, units: str) -> float:
    assert found <= tolerance, f"{what}: by {found:.3g} {units}, more than {tolerance:.3g}"
    return float(found)
