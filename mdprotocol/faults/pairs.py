"""Pairs of atoms of a batch, as torch tensors: all of each copy, with the nearest periodic image where there are any."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mdprotocol.contracts import Evaluation, Topology

if TYPE_CHECKING:
    import torch

PairTerm = Callable[["torch.Tensor"], tuple["torch.Tensor", "torch.Tensor"]]
"""Distances (P,) Å -> energies (P,) eV and their slopes (P,) eV/Å."""


class CopyPairs:
    """All pairs i < j of each copy.

    Attributes:
        i, j: (P,) atoms.
        copy: (P,) the copy of each pair.
    """

    def __init__(self, topology: Topology) -> None:
        import torch

        counts, firsts = np.diff(topology.offsets), topology.offsets[:-1]
        pairs = [np.stack(np.triu_indices(int(n), 1)) + first for n, first in zip(counts, firsts, strict=True)]
        self.i, self.j = torch.from_numpy(np.concatenate(pairs, axis=1).astype(np.int64))
        self.copy = torch.from_numpy(topology.owner)[self.i]
        self.copies = topology.copies
        self._cells = _cells(topology)[self.copy] if topology.periodic else None
        self._inverse = None if self._cells is None else torch.linalg.pinv(self._cells)

    def vectors(self, positions: torch.Tensor) -> torch.Tensor:
        """(P, 3) Å from i to j, to the nearest image in a periodic cell (which is wide in every direction)."""
        vector = positions[self.j] - positions[self.i]
        if self._cells is None or self._inverse is None:
            return vector
        turns = _across(vector, self._inverse).round()
        return vector - _across(turns, self._cells)

    def add(self, found: Evaluation, positions: torch.Tensor, term: PairTerm) -> Evaluation:
        """The answer with a pair term added to its energy, and its gradient to its forces."""
        vector = self.vectors(positions)
        distance = vector.norm(dim=1)
        energy, slope = term(distance)
        pull = (slope / distance)[:, None] * vector
        forces = found.forces.index_add(0, self.i, pull).index_add(0, self.j, -pull)
        return replace(found, energy=found.energy.index_add(0, self.copy, energy), forces=forces)


def _across(vectors: torch.Tensor, matrices: torch.Tensor) -> torch.Tensor:
    """(P, 3) vectors, each times its own matrix of (P, 3, 3)."""
    import torch

    return torch.einsum("pa,pab->pb", vectors, matrices)


def _cells(topology: Topology) -> torch.Tensor:
    """(B, 3, 3) cell vectors as rows; zero along directions that are open."""
    import torch

    return torch.from_numpy(topology.cells * topology.pbc[:, :, None])


def add_gradient(
    found: Evaluation, positions: torch.Tensor, energy: Callable[[torch.Tensor], torch.Tensor]
) -> Evaluation:
    """The answer with an energy (B,) of the positions added, and minus its gradient to the forces."""
    import torch

    where = positions.detach().clone().requires_grad_(True)
    with torch.enable_grad():
        extra = energy(where)
        (gradient,) = torch.autograd.grad(extra.sum(), where)
    return replace(found, energy=found.energy + extra.detach(), forces=found.forces - gradient)
