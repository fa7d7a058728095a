"""What a bond, a linear molecule, a rotation axis and a rigid motion are: one definition each, for guards and metrics alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ase.data import covalent_radii

if TYPE_CHECKING:
    from mdprotocol.contracts import Structure

BOND_FACTOR = 1.25
"""Two atoms are bonded where they are closer than this multiple of the sum of their covalent radii (Cordero et al., Dalton
Trans. 2008, 2832, as tabulated in ASE).

In the G2 set of molecules, bonds reach to 1.25 (F2; then H2 with 1.19), and contacts without a bond begin at 1.38 (across
cyclobutene's ring). With 1.2, a common choice, F2 has no bond, and a bond of H2 loses itself in a vibration."""
SMALLEST_MOMENT = 1e-6
"""Nothing rotates about an axis whose moment of inertia is below this share of the largest: that of a linear molecule."""


# ----------------------------------------------------------------------------------------------------------- bonds


def reach(numbers: np.ndarray, factor: float = BOND_FACTOR) -> np.ndarray:
    """(n,) Å for atomic numbers (n,): two atoms are bonded where they are closer than the sum of theirs."""
    return np.asarray(factor * covalent_radii[numbers])


def bonds(
    numbers: np.ndarray,
    positions: np.ndarray,
    cell: np.ndarray | None = None,
    pbc: np.ndarray | None = None,
    factor: float = BOND_FACTOR,
) -> np.ndarray:
    """(P, 2) indices of bonded atoms, the lower one first, sorted; each pair once, whichever image is bonded.

    Args:
        numbers: (n,) atomic numbers.
        positions: (n, 3) Å.
        cell: (3, 3) Å, rows are cell vectors; open where absent.
        pbc: (3,) bool.
    """
    from ase.geometry import complete_cell
    from ase.neighborlist import primitive_neighbor_list  # imports much of SciPy: where it is used, and not before

    vectors = complete_cell(np.zeros((3, 3)) if cell is None else cell)
    periodic = np.zeros(3, dtype=bool) if pbc is None else np.asarray(pbc, dtype=bool)
    i, j = primitive_neighbor_list("ij", periodic, vectors, positions, reach(numbers, factor))
    once = i < j
    return np.unique(np.stack([i[once], j[once]], axis=1), axis=0).astype(np.int64)


# ---------------------------------------------------------------------------------------------------- rigid motion


def centre(values: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """(3,) mass-weighted mean of (n, 3)."""
    return np.asarray(masses @ values / masses.sum())


def inertia(x: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """(3, 3) tensor of inertia of centred positions (n, 3): sum of m (x² 1 - x xᵀ)."""
    return np.asarray((masses * (x**2).sum(axis=1)).sum() * np.eye(3) - np.einsum("i,ia,ib->ab", masses, x, x))


def turning(moments: np.ndarray) -> np.ndarray:
    """(3,) bool: about which of the principal axes something rotates, by the moments of inertia (3,), ascending."""
    return np.asarray(moments > SMALLEST_MOMENT * moments[-1])


def rotation_axes(positions: np.ndarray, masses: np.ndarray) -> int:
    """About how many axes atoms at (n, 3) Å rotate: 3, 2 where they lie on a line, 0 for a lone atom."""
    moments = np.linalg.eigvalsh(inertia(positions - centre(positions, masses), masses))
    return int(turning(moments).sum())


def is_linear(positions: np.ndarray, masses: np.ndarray) -> bool:
    """Whether two atoms or more lie on a line."""
    return rotation_axes(positions, masses) == 2


def internal_motions(positions: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """(3n, M) orthonormal mass-weighted directions of an open molecule without translation and rotation.

    M = 3n - 6, or 3n - 5 for a linear molecule; Eckart 1935, Phys. Rev. 47, 552.
    """
    n, root = len(masses), np.sqrt(masses)
    centred = positions - np.average(positions, axis=0, weights=masses)
    moves = [np.tile(axis, (n, 1)) for axis in np.eye(3)] + [np.cross(axis, centred) for axis in np.eye(3)]
    rigid = np.stack([(root[:, None] * move).ravel() for move in moves], axis=1)
    left, _, _ = np.linalg.svd(rigid)
    return np.asarray(left[:, 3 + rotation_axes(positions, masses) :])


def degrees_of_freedom(structure: Structure, conserves_momentum: bool) -> int:
    """3N, less 3 for the momentum, less 3 (2 if linear) for the angular momentum of an open system.

    A lone atom keeps its 3: its translation is all the motion it has. Fixed atoms have none; what they hold takes up
    momentum, so that nothing else is taken off.

    Args:
        conserves_momentum: whether the dynamics keeps them; Langevin dynamics does not, so all 3N are free.
    """
    held = 0 if structure.fixed is None else int(structure.fixed.sum())
    free = 3 * (len(structure) - held)
    if held or not conserves_momentum or len(structure) == 1:
        return free
    return free - 3 - (0 if structure.periodic else rotation_axes(structure.positions, structure.masses))
