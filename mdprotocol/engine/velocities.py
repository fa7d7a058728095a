"""Degrees of freedom, Maxwell-Boltzmann velocities, and taking out translation and rotation; numpy, per copy."""

from __future__ import annotations

import numpy as np

from mdprotocol.contracts import Structure
from mdprotocol.units import AMU_EV_FS2_PER_A2, KB_EV_PER_K

LINEAR = 1e-6
"""A molecule is linear where its smallest moment of inertia is below this share of its largest."""
NO_MOMENT = 1e-10
"""A moment of inertia below this share of the largest is none: nothing rotates about that axis."""


def degrees_of_freedom(structure: Structure, conserves_momentum: bool) -> int:
    """3N, less 3 for the momentum, less 3 (2 if linear) for the angular momentum of an open system.

    A lone atom keeps its 3: its translation is all the motion it has.

    Args:
        conserves_momentum: whether the dynamics keeps them; Langevin dynamics does not, so all 3N are free.
    """
    n = len(structure)
    if not conserves_momentum or n == 1:
        return 3 * n
    if structure.periodic:
        return 3 * n - 3
    return 3 * n - (5 if is_linear(structure) else 6)


def is_linear(structure: Structure) -> bool:
    """Whether the atoms of the initial geometry lie on a line."""
    masses, positions = structure.masses, structure.positions
    moments = np.linalg.eigvalsh(inertia(positions - centre(positions, masses), masses))
    return bool(moments[0] <= LINEAR * moments[-1])


def centre(values: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """Mass-weighted mean of (n, 3)."""
    return np.asarray(masses @ values / masses.sum())


def inertia(x: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """(3, 3) tensor of inertia of centred positions: sum of m (x² 1 - x xᵀ)."""
    return np.asarray((masses * (x**2).sum(axis=1)).sum() * np.eye(3) - np.einsum("i,ia,ib->ab", masses, x, x))


def without_drift(positions: np.ndarray, velocities: np.ndarray, structure: Structure) -> np.ndarray:
    """Velocities (n, 3) with zero momentum, and zero angular momentum in an open system; a lone atom stays as it is.

    v -> v - v_cm - omega × (x - x_cm), omega = I⁻¹ L, taken at `positions`. What turns about the axis of a molecule
    that is linear at rest is its bending, so that axis keeps its angular momentum.
    """
    if len(structure) == 1:
        return velocities
    masses = structure.masses
    v = velocities - centre(velocities, masses)
    if structure.periodic:
        return v
    x = positions - centre(positions, masses)
    angular = (masses[:, None] * np.cross(x, v)).sum(axis=0)
    return np.asarray(v - np.cross(_rotation(inertia(x, masses), angular, is_linear(structure)), x))


def _rotation(tensor: np.ndarray, angular: np.ndarray, linear: bool) -> np.ndarray:
    """Angular velocity (3,) that carries an angular momentum, about the axes that have a moment of inertia."""
    moments, axes = np.linalg.eigh(tensor)
    turns = moments > NO_MOMENT * moments[-1]
    turns[0] &= not linear
    return np.asarray(axes[:, turns] @ (axes[:, turns].T @ angular / moments[turns]))


def maxwell_boltzmann(structure: Structure, temperature_K: float, noise: np.ndarray, dof: int) -> np.ndarray:
    """Velocities (n, 3) Å/fs without drift, scaled so that 2K/(dof kB) is exactly the temperature.

    Args:
        noise: (n, 3) standard normal numbers.
        dof: degrees of freedom that the temperature is meant for.
    """
    masses = structure.masses[:, None] * AMU_EV_FS2_PER_A2
    v = without_drift(structure.positions, noise * np.sqrt(KB_EV_PER_K * temperature_K / masses), structure)
    kinetic = 0.5 * float((masses * v**2).sum())
    return v * np.sqrt(0.5 * dof * KB_EV_PER_K * temperature_K / kinetic) if kinetic > 0 else v
