"""Minima and harmonic vibrations of a molecule by any force field: relaxation, Hessian, modes without rigid motion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mdprotocol.api import (
    AMU_EV_FS2_PER_A2,
    Evaluator,
    ForceField,
    ForceFieldCalculator,
    NotMeasurable,
    Structure,
    Topology,
    chemistry,
    to_atoms,
)

Forces = Callable[[np.ndarray], np.ndarray]
"""Positions (n, 3) Å -> forces (n, 3) eV/Å; raises NoAnswer where there are none."""
LIGHT_CM_PER_FS = 2.99792458e-5


@dataclass(frozen=True)
class Vibrations:
    """A minimum with its harmonic vibrations; M modes of n atoms.

    Attributes:
        positions: (n, 3) Å, the minimum.
        largest_force: what is left of the force there, eV/Å.
        wavenumbers: (M,) cm⁻¹, ascending; imaginary frequencies as negative numbers.
        modes: (M, n, 3) orthonormal mass-weighted displacements.
    """

    positions: np.ndarray
    largest_force: float
    wavenumbers: np.ndarray
    modes: np.ndarray


def vibrations(force_field: ForceField, structure: Structure, fmax: float, steps: int, step_A: float) -> Vibrations:
    """Relax a molecule and find its harmonic vibrations.

    Args:
        fmax: largest force on an atom at the minimum, eV/Å.
        steps: of the relaxation, at most.
        step_A: of the central differences of forces.

    Raises:
        NotMeasurable: the relaxation does not end, or the force field gives no answer.
    """
    evaluate = _evaluator(force_field, structure)
    positions, forces = relaxed(evaluate, structure, fmax, steps), _forces(evaluate, structure)
    wavenumbers, modes = normal_modes(hessian(forces, positions, step_A), positions, structure.masses)
    return Vibrations(positions, _largest(forces(positions)), wavenumbers, modes)


def wavenumbers_at(force_field: ForceField, structure: Structure, positions: np.ndarray, step_A: float) -> np.ndarray:
    """(M,) cm⁻¹, ascending: harmonic wavenumbers at a minimum (n, 3) Å that is known, for differences over `step_A`."""
    forces = _forces(_evaluator(force_field, structure), structure)
    return normal_modes(hessian(forces, positions, step_A), positions, structure.masses)[0]


def relaxed(evaluate: Evaluator, structure: Structure, fmax: float, steps: int) -> np.ndarray:
    """(n, 3) Å: the minimum next to the structure, by ASE's BFGS, which looks at forces only."""
    from ase.optimize import BFGS

    atoms = to_atoms(structure)
    atoms.calc = ForceFieldCalculator(evaluate)
    if not BFGS(atoms, logfile=None, maxstep=0.1).run(fmax=fmax, steps=steps):
        left = _largest(atoms.get_forces())
        raise NotMeasurable(f"no minimum was found: after {steps} steps a force of {left:.2g} eV/Å is left")
    return np.array(atoms.positions)


def _evaluator(force_field: ForceField, structure: Structure) -> Evaluator:
    """The force field's evaluator for a structure, which answers with finite numbers or raises NoAnswer."""
    evaluate = force_field.prepare(Topology.of([structure]))
    return lambda positions, cells: evaluate(positions, cells).answered(finite=True)


def _forces(evaluate: Evaluator, structure: Structure) -> Forces:
    """Its forces on a structure in its own cell."""
    import torch

    cells = torch.from_numpy(Topology.of([structure]).cells)
    return lambda positions: evaluate(torch.tensor(positions), cells).forces.detach().cpu().numpy().copy()


def hessian(forces: Forces, positions: np.ndarray, step_A: float) -> np.ndarray:
    """(3n, 3n) eV/Å²: -(F(x + h) - F(x - h))/2h for every coordinate, made symmetric."""
    size = positions.size
    found = np.empty((size, size))
    for column in range(size):
        shift = np.zeros(size)
        shift[column] = step_A
        ahead, back = (forces(positions + sign * shift.reshape(positions.shape)) for sign in (1, -1))
        found[column] = (back - ahead).ravel() / (2 * step_A)
    return (found + found.T) / 2


def normal_modes(matrix: np.ndarray, positions: np.ndarray, masses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Wavenumbers (M,) cm⁻¹ and mass-weighted modes (M, n, 3) of a Hessian (3n, 3n) eV/Å².

    Eigenvalues of M^-1/2 H M^-1/2 in the space without translation and rotation (Wilson, Decius and Cross 1955,
    Molecular Vibrations, chapter 2): M = 3n - 6, or 3n - 5 for a linear molecule.
    """
    root = np.sqrt(np.repeat(masses, 3))
    basis = chemistry.internal_motions(positions, masses)
    values, vectors = np.linalg.eigh(basis.T @ (matrix / np.outer(root, root)) @ basis)
    angular = np.sign(values) * np.sqrt(np.abs(values) / AMU_EV_FS2_PER_A2)
    return angular / (2 * np.pi * LIGHT_CM_PER_FS), (basis @ vectors).T.reshape(len(values), *positions.shape)


def _largest(forces: np.ndarray) -> float:
    return float(np.linalg.norm(forces, axis=-1).max())


def fitted(ours: np.ndarray, theirs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rotation (3, 3) that brings positions (n, 3) best onto others, and the positions there.

    Kabsch (1976), Acta Crystallogr. A 32, 922; a mirror is not allowed.
    """
    centre = theirs.mean(axis=0)
    centred = ours - ours.mean(axis=0)
    left, _, right = np.linalg.svd(centred.T @ (theirs - centre))
    mirror = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    turn = left @ mirror @ right
    return turn, centred @ turn + centre
