"""Which pairs of atoms a batch evaluates: all of a small molecule's, or a list with a skin for large and periodic ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from ase import Atoms
from ase.neighborlist import neighbor_list

from mdprotocol.api import Topology
from mdprotocol_plugins.painn.network import all_pairs

LARGEST_COMPLETE = 64
"""Atoms of an open molecule up to which all its pairs are simply kept."""
SKIN_A = 0.6

Neighbours = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor | None]]
"""Positions (N, 3) -> pairs (2, P), each once, and shifts (P, 3) Å to add to x_j - x_i (None where all are zero)."""


def neighbours_for(topology: Topology, cutoff: float) -> Neighbours:
    """The cheapest exact way for this topology."""
    counts = np.diff(topology.offsets)
    if not topology.periodic and counts.max() <= LARGEST_COMPLETE:
        pairs = all_pairs(counts.tolist())
        return lambda positions: (pairs, None)
    return SkinList(topology, cutoff)


class SkinList:
    """A list of pairs within cutoff plus skin; made again when an atom has moved more than half the skin."""

    def __init__(self, topology: Topology, cutoff: float) -> None:
        self._topology, self._reach = topology, cutoff + SKIN_A
        self._made_at: torch.Tensor | None = None
        self._pairs = torch.zeros(2, 0, dtype=torch.int64)
        self._shifts = torch.zeros(0, 3, dtype=torch.float64)

    def __call__(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        where = positions.detach().cpu()
        if not self._holds(where):
            self._make(where)
        return self._pairs, self._shifts

    def _holds(self, where: torch.Tensor) -> bool:
        if self._made_at is None:
            return False
        # Written so that a position that is not a number counts as moved: NaN > x is False for every x.
        moved = ((where - self._made_at) ** 2).sum(dim=1).max()
        return bool(moved <= (0.5 * SKIN_A) ** 2)

    def _make(self, where: torch.Tensor) -> None:
        found, shifts = [], []
        t = self._topology
        for b in range(t.copies):
            first, last = int(t.offsets[b]), int(t.offsets[b + 1])
            x = where[first:last].numpy()
            if not np.isfinite(x).all():
                # A broken copy: its pairs do not matter, but its energy must be broken too, so one is kept.
                found.append(np.array([[first], [min(first + 1, last - 1)]]))
                shifts.append(np.zeros((1, 3)))
                continue
            i, j, cells = neighbor_list("ijS", Atoms(positions=x, cell=t.cells[b], pbc=t.pbc[b]), self._reach)
            once = _each_once(i, j, cells)
            found.append(np.stack([i[once], j[once]]) + first)
            shifts.append(cells[once] @ t.cells[b])
        self._pairs = torch.from_numpy(np.concatenate(found, axis=1).astype(np.int64))
        self._shifts = torch.from_numpy(np.concatenate(shifts).astype(np.float64))
        self._made_at = where.clone()


def _each_once(i: np.ndarray, j: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Of the two directions of each pair, the one with i < j; of an atom with its own image, the positive shift."""
    first = np.zeros(len(i), dtype=bool)
    decided = np.zeros(len(i), dtype=bool)
    for axis in range(3):
        positive, negative = cells[:, axis] > 0, cells[:, axis] < 0
        first |= ~decided & positive
        decided |= positive | negative
    return (i < j) | ((i == j) & first)
