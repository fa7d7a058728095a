"""Bonds of a batch's initial structures, and the pairs that could become new ones; numpy, all copies at once.

Which atoms are bonded at the start says `chemistry`. Periodic images are atoms like others: a pair is (i, j, image of j),
found by ASE's neighbour list; positions are never wrapped, so that a pair stays the same pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase.neighborlist import primitive_neighbor_list

from mdprotocol.chemistry import reach
from mdprotocol.contracts import Structure

SKIN_A = 2.0
"""Pairs this much beyond their limit are kept, and found anew when an atom has moved by half of it."""
ALL_PAIRS = 64
"""In open structures of at most so many atoms every pair is kept, and none is ever found anew."""

Key = tuple[int, int, int, int, int]


@dataclass(frozen=True)
class Pairs:
    """P pairs of atoms with a limit for their distance.

    Attributes:
        i, j: (P,) index in the batch.
        shift: (P, 3) Å, what the image of j is displaced by.
        start: (P,) Å, distance in the initial structure (0 where it was not asked for).
        limit: (P,) Å.
    """

    i: np.ndarray
    j: np.ndarray
    shift: np.ndarray
    start: np.ndarray
    limit: np.ndarray

    def distances(self, positions: np.ndarray) -> np.ndarray:
        """(P,) Å at positions (N, 3)."""
        vector = positions[self.j] - positions[self.i] + self.shift
        return np.asarray(np.sqrt(np.einsum("pa,pa->p", vector, vector)))

    def keys(self) -> np.ndarray:
        """(P,) one comparable value a pair: both atoms and the shift, to a hundredth of an Å."""
        hundredths = np.rint(self.shift * 100).astype(np.int64)
        table = np.column_stack([self.i, self.j, hundredths])
        return np.ascontiguousarray(table).view([("", np.int64)] * 5).reshape(-1)

    def without(self, others: Pairs) -> Pairs:
        """The pairs that are not among the others."""
        return self.where(~np.isin(self.keys(), others.keys()))

    def where(self, kept: np.ndarray) -> Pairs:
        return Pairs(self.i[kept], self.j[kept], self.shift[kept], self.start[kept], self.limit[kept])

    @classmethod
    def joined(cls, parts: Sequence[Pairs]) -> Pairs:
        return cls(*(np.concatenate(columns) for columns in zip(*(part._columns() for part in parts), strict=True)))

    def _columns(self) -> tuple[np.ndarray, ...]:
        return self.i, self.j, self.shift, self.start, self.limit


def bonds(structures: Sequence[Structure], offsets: np.ndarray, stretch: float) -> Pairs:
    """Bonds of the initial structures; a bond is broken beyond `stretch` times its initial length."""
    found = []
    for structure, offset in zip(structures, offsets, strict=False):
        pairs = _near(structure, structure.positions, reach(structure.numbers), int(offset))
        start = pairs.distances(np.concatenate([np.zeros((int(offset), 3)), structure.positions]))
        found.append(Pairs(pairs.i, pairs.j, pairs.shift, start, stretch * start))
    return Pairs.joined(found)


class Strangers:
    """Pairs that were not bonded at the start, near enough to become so.

    Args:
        factor: two atoms are bonded anew below this multiple of the sum of their covalent radii.
    """

    def __init__(self, structures: Sequence[Structure], offsets: np.ndarray, factor: float) -> None:
        self._structures, self._offsets, self._factor = structures, offsets, factor
        self._bonds = bonds(structures, offsets, 1.0)
        self._parts = [self._find(b, s.positions) for b, s in enumerate(structures)]
        self._built = np.concatenate([s.positions for s in structures]).astype(float)
        self._moving = np.array([not _small(s) for s in structures])
        self._all = Pairs.joined(self._parts)

    def pairs(self, positions: np.ndarray, alive: np.ndarray) -> Pairs:
        """The pairs at positions (N, 3) Å; copies that are not alive keep those they had."""
        if self._moving.any():
            self._follow(positions, alive & self._moving)
        return self._all

    def found_at(self) -> np.ndarray:
        """(N, 3) Å: where the pairs were found. Which of two new bonds is named first depends on it."""
        return self._built

    def restore(self, found_at: np.ndarray) -> None:
        """Find the pairs as they were found at these positions (N, 3)."""
        self._built[:] = found_at
        for b in np.flatnonzero(self._moving).tolist():
            self._parts[b] = self._find(b, self._built[self._offsets[b] : self._offsets[b + 1]])
        self._all = Pairs.joined(self._parts)

    def _follow(self, positions: np.ndarray, alive: np.ndarray) -> None:
        moved = np.square(positions - self._built).sum(axis=1)
        farthest = np.maximum.reduceat(moved, self._offsets[:-1])
        stale = alive & (farthest > (SKIN_A / 2) ** 2)
        for b in np.flatnonzero(stale).tolist():
            mine = slice(self._offsets[b], self._offsets[b + 1])
            self._parts[b], self._built[mine] = self._find(b, positions[mine]), positions[mine]
        if stale.any():
            self._all = Pairs.joined(self._parts)

    def _find(self, b: int, positions: np.ndarray) -> Pairs:
        structure, offset = self._structures[b], int(self._offsets[b])
        radii = reach(structure.numbers, self._factor)
        found = _every(structure, offset) if _small(structure) else _near(structure, positions, radii, offset, SKIN_A)
        limit = radii[found.i - offset] + radii[found.j - offset]
        return Pairs(found.i, found.j, found.shift, found.start, limit).without(self._bonds)


def _small(structure: Structure) -> bool:
    return not structure.periodic and len(structure) <= ALL_PAIRS


def _every(structure: Structure, offset: int) -> Pairs:
    i, j = np.triu_indices(len(structure), 1)
    zero = np.zeros(len(i))
    return Pairs(i + offset, j + offset, np.zeros((len(i), 3)), zero, zero)


def _near(structure: Structure, positions: np.ndarray, radii: np.ndarray, offset: int, skin: float = 0.0) -> Pairs:
    """Pairs i < j (any image) closer than the sum of their radii plus the skin; indices start at `offset`.

    An atom and its own image are left out: their distance is a cell vector's.
    """
    cell = np.asarray(structure.cell, dtype=float)
    i, j, image = primitive_neighbor_list(
        "ijS", structure.pbc, cell, np.asarray(positions, dtype=float), radii + skin / 2, self_interaction=False
    )
    once = i < j
    zero = np.zeros(int(once.sum()))
    return Pairs(i[once] + offset, j[once] + offset, image[once] @ cell, zero, zero)
