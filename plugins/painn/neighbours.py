"""Which pairs of atoms a batch evaluates: all of a small system's, or a cell list with a skin for others.

On a GPU they are chosen anew at every step from all pairs and images, as many as there is room for whatever the positions:
a list that is made when atoms have moved, or is as long as it happens to be, would have the CPU and the GPU wait for each other.
Cell lists by vesin (https://github.com/Luthaf/vesin): work in proportion to the number of atoms, any cell and boundary.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from ase.geometry import complete_cell
from vesin import NeighborList

from mdprotocol.api import Topology
from mdprotocol_plugins.painn.evaluator import FARTHEST_A
from mdprotocol_plugins.painn.network import all_pairs

LARGEST_COMPLETE = 100
"""Atoms of an open molecule up to which all its pairs are simply kept."""
SKIN_A = 0.6
MOST_IMAGES = 20_000_000
"""Pairs of a batch, counting images, that a GPU looks through at a step: one system of six thousand atoms."""
DENSEST_PER_A3 = 0.2
"""Atoms in a cubic ångström that there is room for on a GPU: water has 0.10, polyethylene 0.12, diamond 0.18."""
DENSER = 1.3
"""The same for a crystal that is denser, in units of its own density."""

Neighbours = Callable[[torch.Tensor], tuple[torch.Tensor, "torch.Tensor | None"]]
"""Positions (N, 3) -> pairs (2, P), each once, and shifts (P, 3) Å to add to x_j - x_i (None where all are zero)."""


def needs_list(topology: Topology) -> bool:
    """Whether all pairs of each copy would be too few (images) or too many (large molecules)."""
    return topology.periodic or int(np.diff(topology.offsets).max(initial=0)) > LARGEST_COMPLETE


def neighbours_for(topology: Topology, cutoff: float, device: str = "cpu", lists: bool = False) -> Neighbours:
    """The cheapest exact way for this topology; with `lists` on a GPU too, for a network that waits for it in any case."""
    if not needs_list(topology):
        pairs = all_pairs(np.diff(topology.offsets).tolist()).to(device)
        return lambda positions: (pairs, None)
    if device != "cpu" and not lists and image_pairs(topology, cutoff) <= MOST_IMAGES:
        return AllImages(topology, cutoff, device)
    return SkinList(topology, cutoff, device=device)


class AllImages:
    """Every pair of a copy's atoms, with every image that can be within the cutoff; in a large copy, those that are.

    The difference of two atoms is wrapped into the cell about its origin, wherever they have drifted to: along an axis
    whose planes are h apart, an image further than cutoff/h + 1/2 cells away is then out of reach. Of a large copy there
    is room for the pairs of `DENSEST_PER_A3`, filled up with pairs beyond the cutoff, which give exactly nothing. One
    that has still more pairs has collapsed: its shifts are not a number, and so is its energy. All arithmetic is on the
    device, and shapes depend on nothing but the topology, so that nobody has to wait for it.
    """

    def __init__(self, topology: Topology, cutoff: float, device: str = "cpu") -> None:
        pairs, images, sizes = [], [], []
        for b, atoms in enumerate(np.diff(topology.offsets).tolist()):
            i, j, cells = _with_images(atoms, _reach(topology, b, cutoff))
            pairs.append(np.stack([i, j]) + int(topology.offsets[b]))
            images.append(cells)
            sizes.append(len(i))
        cell = np.stack([complete_cell(cell) for cell in topology.cells])
        self._cutoff, self._room = cutoff, np.minimum(_room(topology, cutoff), sizes)
        self._ends = np.concatenate([[0], np.cumsum(sizes)])
        self._complete = bool((self._room == sizes).all())
        self._pairs = torch.from_numpy(np.concatenate(pairs, axis=1)).to(device)
        self._images = torch.from_numpy(np.concatenate(images)).to(device)
        self._copy = torch.from_numpy(np.repeat(np.arange(topology.copies), sizes)).to(device)
        self._owner = torch.from_numpy(topology.owner).to(device)
        self._cells = torch.from_numpy(cell).to(device)
        self._inverse = torch.from_numpy(np.linalg.inv(cell)).to(device)
        self._periodic = torch.from_numpy(topology.pbc.astype(np.float64)).to(device)

    def __call__(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Pairs (2, P) and shifts (P, 3)."""
        i, j = self._pairs
        x = positions.detach().to(self._cells)
        fraction = torch.einsum("na,nab->nb", x, self._inverse[self._owner])
        image = self._images - torch.round(fraction[j] - fraction[i]) * self._periodic[self._copy]
        shifts = sum(image[:, k, None] * self._cells[self._copy, k] for k in range(3))
        if self._complete:
            return self._pairs, shifts
        near = ((x[j] - x[i] + shifts) ** 2).sum(dim=1) < self._cutoff**2  # where a position is broken, no pair is
        kept = [self._chosen(near, b) for b in range(len(self._room))]
        chosen = torch.cat([pairs for pairs, _ in kept])
        crowded = torch.stack([too_many for _, too_many in kept])[self._copy[chosen]]
        return self._pairs[:, chosen], shifts[chosen].masked_fill(crowded[:, None], torch.nan)

    def _chosen(self, near: torch.Tensor, b: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The pairs that a copy evaluates, those within the cutoff first, and whether they are too many."""
        first, last, room = int(self._ends[b]), int(self._ends[b + 1]), int(self._room[b])
        mine = near[first:last]
        return torch.argsort((~mine).to(torch.uint8), stable=True)[:room] + first, mine.sum() > room


def _room(topology: Topology, cutoff: float) -> np.ndarray:
    """(B,) pairs that a copy has room for."""
    atoms, volumes = np.diff(topology.offsets), np.abs(np.linalg.det(topology.cells))
    bulk = topology.pbc.all(axis=1)
    own = np.where(bulk, DENSER * atoms / np.where(bulk, volumes, 1.0), 0.0)
    within = 4.0 / 3.0 * np.pi * cutoff**3 * np.maximum(DENSEST_PER_A3, own)
    return np.ceil(0.5 * atoms * within).astype(np.int64)


def image_pairs(topology: Topology, cutoff: float) -> int:
    """How many pairs `AllImages` has."""
    counts = np.diff(topology.offsets).astype(float)
    images = np.array([np.prod(2.0 * _reach(topology, b, cutoff) + 1) for b in range(topology.copies)])
    return int((0.5 * counts**2 * images).sum())


def _reach(topology: Topology, b: int, cutoff: float) -> np.ndarray:
    """(3,) cells away that an image can be and still be within the cutoff of a difference that was wrapped."""
    heights = 1.0 / np.linalg.norm(np.linalg.inv(complete_cell(topology.cells[b])), axis=0)
    # An image exactly at the cutoff gives nothing; the hair's breadth keeps rounding from counting it.
    return np.where(topology.pbc[b], np.ceil(cutoff / heights + 0.5 - 1e-9) - 1, 0).astype(int)


def _with_images(atoms: int, reach: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Atoms i <= j and cells (P, 3) of every pair, each once: of an atom and its own image, the one with the later image."""
    along = [np.arange(-n, n + 1, dtype=np.int32) for n in reach]
    cells = np.stack(np.meshgrid(*along, indexing="ij"), axis=-1).reshape(-1, 3)
    later = cells[len(cells) // 2 + 1 :]  # they are in order, and the middle one is the cell itself
    i, j = np.triu_indices(atoms, 1)
    own = np.arange(atoms)
    first = np.concatenate([np.repeat(i, len(cells)), np.repeat(own, len(later))])
    second = np.concatenate([np.repeat(j, len(cells)), np.repeat(own, len(later))])
    return first, second, np.concatenate([np.tile(cells, (len(i), 1)), np.tile(later, (atoms, 1))])


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
