"""Bonds, angles and dihedrals of a run's initial geometry, and their values in every frame, across periodic boundaries."""

from __future__ import annotations

import itertools
from collections import defaultdict

import numpy as np
import xarray as xr
from ase.geometry import find_mic

from mdprotocol.api import NotMeasurable, chemistry
from mdprotocol_plugins.metrics._series import finite

STRAIGHT_DEGREES = 175.0
"""A dihedral needs two bond angles below this: along a straight line of atoms it is not defined."""


def bonds(run: xr.Dataset, factor: float = chemistry.BOND_FACTOR) -> np.ndarray:
    """(bond, 2) pairs of the initial geometry closer than `factor` times the sum of their covalent radii (`chemistry`).

    Raises:
        NotMeasurable: there are none.
    """
    numbers, start = finite(run, "atomic_number").astype(int), finite(run, "initial_position")
    pbc = finite(run, "pbc").astype(bool)
    found = chemistry.bonds(numbers, start, finite(run, "cell") if pbc.any() else None, pbc, factor)
    if not len(found):
        raise NotMeasurable("the initial geometry has no bonds")
    return found


def angles(pairs: np.ndarray) -> np.ndarray:
    """(angle, 3) every pair of bonds with a common atom, which stands in the middle."""
    found = [
        (i, centre, k)
        for centre, near in sorted(_neighbours(pairs).items())
        for i, k in itertools.combinations(sorted(near), 2)
    ]
    return np.array(found, dtype=int).reshape(-1, 3)


def dihedrals(run: xr.Dataset, pairs: np.ndarray) -> np.ndarray:
    """(dihedral, 4) every chain i-j-k-l of three bonds whose two angles are not straight in the initial geometry."""
    near = _neighbours(pairs)
    found = [
        (i, j, k, l)
        for j, k in pairs.tolist()
        for i in sorted(near[j])
        for l in sorted(near[k])
        if len({i, j, k, l}) == 4
    ]
    chains = np.array(found, dtype=int).reshape(-1, 4)
    start = finite(run, "initial_position")[None]
    bent = [angle_values(run, chains[:, ends], start)[0] < STRAIGHT_DEGREES for ends in ([0, 1, 2], [1, 2, 3])]
    return chains[bent[0] & bent[1]]


def _neighbours(pairs: np.ndarray) -> dict[int, set[int]]:
    near: dict[int, set[int]] = defaultdict(set)
    for i, j in pairs.tolist():
        near[i].add(j)
        near[j].add(i)
    return near


# ---------------------------------------------------------------------------------------------------------- values


def length_values(run: xr.Dataset, pairs: np.ndarray, position: np.ndarray | None = None) -> np.ndarray:
    """(frame, pair) distances, Å; of all frames, or at `position` (frame, atom, xyz)."""
    return np.asarray(np.linalg.norm(_vectors(run, pairs[:, 0], pairs[:, 1], position), axis=-1))


def angle_values(run: xr.Dataset, triples: np.ndarray, position: np.ndarray | None = None) -> np.ndarray:
    """(frame, angle) degrees from 0 to 180, as atan2(|a × b|, a · b), which keeps its digits at both ends."""
    a, b = (_vectors(run, triples[:, 1], triples[:, end], position) for end in (0, 2))
    return np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), (a * b).sum(-1)))


def dihedral_values(run: xr.Dataset, chains: np.ndarray, position: np.ndarray | None = None) -> np.ndarray:
    """(frame, dihedral) degrees from -180 to 180, positive clockwise when looking along the middle bond (IUPAC).

    With the bonds b1, b2, b3 of the chain: atan2(|b2| b1 · (b2 × b3), (b1 × b2) · (b2 × b3)); Blondel and Karplus
    (1996), J. Comput. Chem. 17, 1132.
    """
    one, two, three = (_vectors(run, chains[:, k], chains[:, k + 1], position) for k in range(3))
    across = np.cross(two, three)
    along = np.linalg.norm(two, axis=-1)
    return np.degrees(np.arctan2(along * (one * across).sum(-1), (np.cross(one, two) * across).sum(-1)))


def _vectors(run: xr.Dataset, first: np.ndarray, second: np.ndarray, position: np.ndarray | None) -> np.ndarray:
    """(frame, n, 3) vectors from the first to the second atoms, the shortest ones of a periodic system."""
    x = finite(run, "position") if position is None else position
    return _shortest(x[:, second] - x[:, first], run)


def _shortest(vectors: np.ndarray, run: xr.Dataset) -> np.ndarray:
    pbc = finite(run, "pbc").astype(bool)
    if not pbc.any():
        return vectors
    found = find_mic(vectors.reshape(-1, 3), finite(run, "cell"), pbc)[0]
    return np.asarray(found).reshape(vectors.shape)
