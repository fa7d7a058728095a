"""Maxwell-Boltzmann velocities, and taking out translation and rotation; numpy, per copy."""

from __future__ import annotations

import numpy as np

from mdprotocol.chemistry import centre, inertia, is_linear, turning
from mdprotocol.contracts import Structure
from mdprotocol.units import AMU_EV_FS2_PER_A2, KB_EV_PER_K


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
    linear = is_linear(structure.positions, masses)
    angular = (masses[:, None] * np.cross(x, v)).sum(axis=0)
    return np.asarray(v - np.cross(_rotation(inertia(x, masses), angular, linear), x))


def _rotation(tensor: np.ndarray, angular: np.ndarray, linear: bool) -> np.ndarray:
    """Angular velocity (3,) that carries an angular momentum, about the axes that have a moment of inertia."""
    moments, axes = np.linalg.eigh(tensor)
    turns = turning(moments)
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
