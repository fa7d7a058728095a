"""Which pairs of atoms a batch evaluates: all of a small molecule's, or a list: with a skin, or made on the device.

Lists with a skin are by vesin (https://github.com/Luthaf/vesin): work in proportion to the number of atoms, any cell and
boundary. Those of a GPU are in `device_lists`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from ase.geometry import complete_cell
from vesin import NeighborList

from mdprotocol.api import Topology
from mdprotocol_plugins.models.painn.fused.evaluator import FARTHEST_A
from mdprotocol_plugins.models.painn.gpu.device_lists import AllImages, CellList, all_images_fit
from mdprotocol_plugins.models.painn.network import all_pairs

LARGEST_COMPLETE = 100
"""Atoms of an open molecule up to which all its pairs are simply kept."""
SKIN_A = 0.6

Neighbours = Callable[[torch.Tensor], tuple[torch.Tensor, "torch.Tensor | None"]]
"""Positions (N, 3) -> pairs (2, P), each once, and shifts (P, 3) Å to add to x_j - x_i (None where all are zero)."""


def needs_list(topology: Topology) -> bool:
    """Whether all pairs of each copy would be too few (images) or too many (large molecules)."""
    return topology.periodic or int(np.diff(topology.offsets).max(initial=0)) > LARGEST_COMPLETE


def neighbours_for(topology: Topology, cutoff: float, device: str = "cpu", skin: bool = False) -> Neighbours:
    """The cheapest exact way for this topology; with a `skin` on a GPU too, for a network that waits for it in any case."""
    if not needs_list(topology):
        pairs = all_pairs(np.diff(topology.offsets).tolist()).to(device)
        return lambda positions: (pairs, None)
    if device == "cpu" or skin:
        return SkinList(topology, cutoff, device=device)
    return (
        AllImages(topology, cutoff, device) if all_images_fit(topology, cutoff) else CellList(topology, cutoff, device)
    )


class SkinList:
    """Pairs within cutoff plus skin; a copy's part is made again when one of its atoms has moved half the skin.

    Cells may be smaller than the cutoff: an atom then meets several images of another, and of itself. Pairs are sorted
    by atoms and image, so that what is left within the cutoff has the same order however old the list is: energies do
    not depend on when it was made.
    """

    def __init__(self, topology: Topology, cutoff: float, skin: float = SKIN_A, device: str = "cpu") -> None:
        self._topology, self._reach, self._skin, self._device = topology, cutoff + skin, skin, device
        self._owner = topology.owner
        self._made_at = np.full((len(topology.numbers), 3), np.nan)
        self._parts: list[tuple[np.ndarray, np.ndarray]] = [_NO_PAIRS] * topology.copies
        self._joined = self._of = self._join()
        self._tensors = self._on_device(self._joined)

    def __call__(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Pairs and shifts as tensors on the device; the same ones until the list is made again."""
        arrays = self.arrays(positions.detach().cpu().numpy())
        if self._of is not arrays:
            self._of, self._tensors = arrays, self._on_device(arrays)
        return self._tensors

    def arrays(self, where: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pairs (2, P), shifts (P, 3) Å and (B + 1,) first pair of each copy; the same ones until it is made again."""
        outdated = self._outdated(where)
        if len(outdated):
            for b in outdated:
                self._make(int(b), where)
            self._joined = self._join()
        return self._joined

    def _outdated(self, where: np.ndarray) -> np.ndarray:
        """Copies whose list does not hold: an atom has moved by more than half the skin, or was never there."""
        moved = ((where - self._made_at) ** 2).sum(axis=1)
        return np.unique(self._owner[~(moved <= (0.5 * self._skin) ** 2)])  # NaN counts as moved

    def _make(self, b: int, where: np.ndarray) -> None:
        t = self._topology
        atoms = slice(int(t.offsets[b]), int(t.offsets[b + 1]))
        x = where[atoms]
        if not (np.abs(x) < FARTHEST_A).all():
            self._parts[b] = _NO_PAIRS  # the force field gives NaN for broken copies
            self._made_at[atoms] = np.nan  # so that the list is made again when the copy comes back
            return
        i, j, images = _pairs(x, t.cells[b], t.pbc[b], self._reach)
        self._parts[b] = np.stack([i, j]) + atoms.start, images @ t.cells[b]
        self._made_at[atoms] = x

    def _join(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        pairs = np.ascontiguousarray(np.concatenate([pairs for pairs, _ in self._parts], axis=1))
        counts = [pairs.shape[1] for pairs, _ in self._parts]
        return pairs, np.concatenate([shifts for _, shifts in self._parts]), np.concatenate([[0], np.cumsum(counts)])

    def _on_device(self, arrays: tuple[np.ndarray, ...]) -> tuple[torch.Tensor, torch.Tensor | None]:
        pairs, shifts = (torch.from_numpy(array).to(self._device) for array in arrays[:2])
        return pairs, shifts if self._topology.periodic else None


_NO_PAIRS = (np.zeros((2, 0), dtype=np.int64), np.zeros((0, 3)))


def _pairs(x: np.ndarray, cell: np.ndarray, pbc: np.ndarray, reach: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Atoms i, j and image (P, 3) of every pair nearer than `reach`, each once, sorted; i <= j.

    Of an atom and its own image, the pair with the later image is the one that is kept.
    """
    search = NeighborList(cutoff=reach, full_list=False, n_threads=1)
    i, j, images = search.compute(x, complete_cell(cell), np.asarray(pbc, dtype=bool), "ijS")
    i, j, images = i.astype(np.int64), j.astype(np.int64), images.astype(np.int64)
    x0, x1, x2 = images.T
    earlier = (x0 < 0) | ((x0 == 0) & ((x1 < 0) | ((x1 == 0) & (x2 < 0))))
    turned = (i > j) | ((i == j) & earlier)
    i, j = np.where(turned, j, i), np.where(turned, i, j)
    images[turned] *= -1
    order = np.lexsort((*images.T[::-1], j, i))
    return i[order], j[order], images[order].astype(np.float64)
