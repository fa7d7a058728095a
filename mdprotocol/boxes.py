"""Whether the cells that an evaluator is asked about are others than last time: a list of neighbours follows the box."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

    from mdprotocol.contracts import Evaluation, Topology

THINNEST_A3 = 1e-9
"""Volume below which three vectors span nothing."""


class Box:
    """The cells that an evaluator was last asked about.

    Args:
        topology: what it was prepared for; a copy without a periodic axis is never found to have another cell.

    Attributes:
        cells: (B, 3, 3) Å, float64; of a copy whose cell is broken, the last one that was not. Another array after a
            change: never written into.
        broken: why the cell of a copy means nothing, by the copy's index.
    """

    def __init__(self, topology: Topology) -> None:
        self.cells = np.array(topology.cells, dtype=np.float64)
        self.broken: dict[int, str] = {}
        self._owner, self._periodic = topology.owner, topology.pbc.any(axis=1)
        self._given = self.cells
        self._seen: torch.Tensor | None = None
        self._version = -1

    def follow(self, cells: torch.Tensor) -> bool:
        """Take these cells (B, 3, 3) Å for the present ones; whether one of a periodic copy is another than before.

        The tensor of the last call, not written to since, is not looked into: a box that stays costs nothing, and a GPU is
        not waited for. (Writing through NumPy into memory that a tensor shares is not seen.)

        Raises:
            ValueError: the shape is not that of the topology.
        """
        if not self._periodic.any() or (cells is self._seen and cells._version == self._version):
            return False
        given = np.array(cells.detach().cpu().numpy(), dtype=np.float64)
        if given.shape != self._given.shape:
            raise ValueError(f"cells have shape {given.shape}; prepared for {self._given.shape}")
        self._seen, self._version = cells, cells._version
        same = (given == self._given) | (np.isnan(given) & np.isnan(self._given))
        if same[self._periodic].all():
            return False
        self._given = given
        problems = {b: _problem(given[b]) for b in np.flatnonzero(self._periodic).tolist()}
        self.broken = {b: text for b, text in problems.items() if text}
        sound = [b for b, text in problems.items() if not text]
        self.cells = self.cells.copy()  # who has taken the last ones keeps them
        self.cells[sound] = given[sound]
        return True

    def checked(self, found: Evaluation) -> Evaluation:
        """The answer, with no numbers and the reason for copies whose cell is broken."""
        if not self.broken:
            return found
        copies = list(self.broken)
        energy, forces = found.energy.clone(), found.forces.clone()
        energy[copies] = np.nan
        forces[np.isin(self._owner, copies)] = np.nan
        return replace(found, energy=energy, forces=forces, errors=found.errors | self.broken, stress=None)


def _problem(cell: np.ndarray) -> str:
    """Why a periodic cell is none, else empty; vectors of open axes may be missing."""
    if not np.isfinite(cell).all():
        return "its cell is not finite"
    given = cell[np.abs(cell).any(axis=1)]
    spanned = np.sqrt(np.abs(np.linalg.det(given @ given.T))) if len(given) else 0.0
    return "" if spanned > THINNEST_A3 else "its cell vectors do not span a cell"
