"""Pairs chosen on the device at every step, as many as there is room for whatever the positions.

A list that is made when atoms have moved, or is as long as it happens to be, would have the CPU and a GPU wait for each
other. Here all arithmetic is on the device, and shapes depend on nothing but the topology.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from ase.geometry import complete_cell

from mdprotocol.api import Topology
from mdprotocol_plugins.models.painn.fused.evaluator import FARTHEST_A

DENSEST_PER_A3 = 0.2
"""Atoms in a cubic ångström that there is room for: water has 0.10, polyethylene 0.12, diamond 0.18."""
DENSER = 1.3
"""The same for a crystal that is denser, in units of its own density."""
SHELL_A = 0.25
"""Added to the cutoff for the same reason: a crystal's neighbours come in shells, and the last may be just inside."""
BINS_PER_CUTOFF = 2
"""Narrower bins fit the sphere of the cutoff better, but there are more of them to ask."""
AXIS_BITS = 10
"""Bits of a bin's number along one axis. Open axes have bins without end: their numbers begin again after 2^10, and what
is then in the same bin by number alone is too far away to be a neighbour."""


def all_images_fit(topology: Topology, cutoff: float) -> bool:
    """Whether every pair with every image is no more than a list would have room for."""
    return int(_image_pairs(topology, cutoff).sum()) <= int(_room(topology, cutoff).sum())


class AllImages:
    """Every pair of a copy's atoms, with every image that can be within the cutoff: for small systems.

    The difference of two atoms is wrapped into the cell about its origin, wherever they have drifted to: along an axis
    whose planes are h apart, an image further than cutoff/h + 1/2 cells away is then out of reach.
    """

    def __init__(self, topology: Topology, cutoff: float, device: str = "cpu") -> None:
        pairs, images = [], []
        for b, atoms in enumerate(np.diff(topology.offsets).tolist()):
            i, j, cells = _with_images(atoms, _reach(topology, b, cutoff))
            pairs.append(np.stack([i, j]) + int(topology.offsets[b]))
            images.append(cells)
        copy = np.repeat(np.arange(topology.copies), [len(cells) for cells in images])
        self._cells = _Cells(topology, device)
        self._pairs = torch.from_numpy(np.concatenate(pairs, axis=1)).to(device)
        self._images = torch.from_numpy(np.concatenate(images)).to(device)
        self._copy = torch.from_numpy(copy).to(device)

    def __call__(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Pairs (2, P) and shifts (P, 3)."""
        i, j = self._pairs
        fraction = self._cells.fractions(positions)
        around = torch.round(fraction[j] - fraction[i]) * self._cells.periodic[self._copy]
        return self._pairs, self._cells.vectors(self._images - around, self._copy)


class CellList:
    """The pairs within the cutoff, by bins half a cutoff wide: work in proportion to the atoms, any cell and boundary.

    Atoms are sorted by bin; each asks the bins about its own in one half of all directions, so that a pair is met once.
    Of a copy there is room for the pairs of `DENSEST_PER_A3`; what is left of it is filled with an atom and itself, two
    cutoffs apart, which gives exactly nothing. A copy with still more pairs has collapsed: its shifts are not a number, and
    so is its energy.
    """

    def __init__(self, topology: Topology, cutoff: float, device: str = "cpu") -> None:
        atoms, grids = np.diff(topology.offsets), [_Grid.of(topology, b, cutoff) for b in range(topology.copies)]
        asked = np.array([len(grid.directions) for grid in grids])
        volume = np.array([grid.volume_A3 for grid in grids]) * (asked - 0.5)
        looked_at = np.ceil(_density(topology) * volume * atoms).astype(np.int64)

        def there(array: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(array).to(device)

        self._cutoff, self._cells, self._owner = cutoff, _Cells(topology, device), there(topology.owner)
        self._per_vector = there(np.stack([grid.per_vector for grid in grids]))[self._owner]
        self._numbers = there(np.stack([grid.numbers for grid in grids]))[self._owner]
        self._periodic = self._cells.periodic[self._owner]
        # What is asked: for the n-th atom in the order of bins, each direction. Bins are in the order of copies, so that
        # whose atom that will be is known beforehand, and with it all that its copy says.
        self._place = there(np.repeat(np.arange(len(topology.numbers)), np.repeat(asked, atoms)))
        self._asking = self._owner[self._place]
        self._wrap, self._turns = self._numbers[self._place], self._periodic[self._place]
        steps = [np.tile(grid.directions, (n, 1)) for grid, n in zip(grids, atoms, strict=True)]
        self._direction = there(np.concatenate(steps))
        self._at_home = (self._direction == 0).all(dim=1)
        self._candidates = _Rooms(atoms * asked, np.minimum(looked_at, _pairs_of(atoms, 2 * asked - 1)), device)
        self._near = _Rooms(
            self._candidates.sizes, np.minimum(_room(topology, cutoff), _image_pairs(topology, cutoff)), device
        )
        spread = self._near.nth % there(atoms)[self._near.copy]  # sums into a single atom would wait for each other
        self._filler = there(topology.offsets[:-1])[self._near.copy] + spread
        self._apart = torch.tensor([2.0 * cutoff, 0.0, 0.0], dtype=torch.float64, device=device)

    def __call__(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Pairs (2, P) and shifts (P, 3)."""
        x = torch.nan_to_num(positions.detach().to(torch.float64)).clamp(-FARTHEST_A, FARTHEST_A)
        fraction = self._cells.fractions(x)
        home = torch.floor(fraction) * self._periodic  # the cell that an atom has drifted to
        at = torch.floor((fraction - home) * self._per_vector).to(torch.int64)
        at = torch.where(self._periodic > 0, torch.minimum(at, self._numbers - 1), at)  # one less a hair rounds to one
        keys, order = torch.sort(self._key(at, self._numbers, self._owner), stable=True)

        atom = order[self._place]
        toward = at[atom] + self._direction
        asked = self._key(toward, self._wrap, self._asking)
        first = torch.where(self._at_home, self._place + 1, torch.searchsorted(keys, asked))
        found = torch.searchsorted(keys, asked, right=True) - first
        image = torch.div(toward, self._wrap, rounding_mode="floor") * self._turns

        item, nth, filled, too_many = self._candidates.choose(found)
        i, j = atom[item], order[(first[item] + nth).clamp(max=len(order) - 1)]
        shifts = self._cells.vectors(image[item] - home[j] + home[i], self._candidates.copy)
        near = filled & (((x[j] - x[i] + shifts) ** 2).sum(dim=1) < self._cutoff**2)

        item, _, filled, crowded = self._near.choose(near.to(torch.int64))
        pairs = torch.where(filled, torch.stack([i, j])[:, item], self._filler)
        shifts = torch.where(filled[:, None], shifts[item], self._apart)
        return pairs, shifts.masked_fill((too_many | crowded)[self._near.copy][:, None], torch.nan)

    @staticmethod
    def _key(bins: torch.Tensor, numbers: torch.Tensor, copy: torch.Tensor) -> torch.Tensor:
        """One number for each of a copy's bins (K, 3), in the order of copies."""
        x, y, z = torch.remainder(bins, numbers).unbind(dim=1)
        return ((copy << AXIS_BITS | x) << AXIS_BITS | y) << AXIS_BITS | z


class _Rooms:
    """A fixed number of places for each copy, filled with as many things as its items count.

    Args:
        items: (B,) how many items each copy has; they follow each other.
        sizes: (B,) how many places.

    Attributes:
        copy, nth: of each place, whose it is, and which of its own.
    """

    def __init__(self, items: np.ndarray, sizes: np.ndarray, device: str) -> None:
        self.sizes = sizes
        ends, starts = np.cumsum(items), np.cumsum(sizes) - sizes
        self.copy = torch.from_numpy(np.repeat(np.arange(len(sizes)), sizes)).to(device)
        self.nth = torch.from_numpy(np.arange(int(sizes.sum())) - np.repeat(starts, sizes)).to(device)
        self._first, self._end = (torch.from_numpy(ends - back).to(device) for back in (items, np.zeros_like(items)))
        self._size = torch.from_numpy(sizes).to(device)

    def choose(self, counts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Item of each place, which of its things it is, whether there is one; and (B,) whether a copy has too many."""
        before = torch.cat([counts.new_zeros(1), torch.cumsum(counts, dim=0)])
        wanted = before[self._first][self.copy] + self.nth
        total = before[self._end] - before[self._first]
        item = (torch.searchsorted(before, wanted, right=True) - 1).clamp(max=len(counts) - 1)
        return item, wanted - before[item], self.nth < total[self.copy], total > self._size


class _Cells:
    """Cells of a batch on the device: three vectors each, also where an axis is open."""

    def __init__(self, topology: Topology, device: str) -> None:
        cell = np.stack([complete_cell(cell) for cell in topology.cells])
        self._vectors = torch.from_numpy(cell).to(device)
        self._inverse = torch.from_numpy(np.linalg.inv(cell)[topology.owner]).to(device)
        self.periodic = torch.from_numpy(topology.pbc.astype(np.float64)).to(device)

    def fractions(self, positions: torch.Tensor) -> torch.Tensor:
        """(N, 3) in units of the cell vectors."""
        return torch.einsum("na,nab->nb", positions.detach().to(self._inverse), self._inverse)

    def vectors(self, images: torch.Tensor, copy: torch.Tensor) -> torch.Tensor:
        """(P, 3) Å: multiples `images` (P, 3) of the cell vectors of each pair's copy."""
        a, b, c = (images[:, k, None] * self._vectors[copy, k] for k in range(3))
        return a + b + c


class _Grid(NamedTuple):
    """A copy's bins.

    Attributes:
        per_vector: (3,) bins along each cell vector.
        numbers: (3,) bins after which numbers begin again: a whole cell's, or without meaning where an axis is open.
        volume_A3: of one bin.
        directions: (D, 3) steps to the bins that an atom asks: its own first, and of each two opposite ones the later.
    """

    per_vector: np.ndarray
    numbers: np.ndarray
    volume_A3: float
    directions: np.ndarray

    @classmethod
    def of(cls, topology: Topology, b: int, cutoff: float) -> _Grid:
        """The bins of copy `b`."""
        heights, periodic, most = _heights(topology, b), topology.pbc[b], 2**AXIS_BITS
        fitting = BINS_PER_CUTOFF * heights / cutoff
        per_vector = np.where(periodic, np.clip(np.floor(fitting), 1, most), fitting)
        reach = np.ceil(cutoff * per_vector / heights - 1e-9).astype(int)  # no step more for a rounding
        around = _around(reach)
        numbers = np.where(periodic, per_vector, most).astype(np.int64)
        volume = abs(np.linalg.det(complete_cell(topology.cells[b]))) / np.prod(per_vector)
        return cls(per_vector, numbers, float(volume), around[len(around) // 2 :])


def _density(topology: Topology) -> np.ndarray:
    """(B,) atoms in a cubic ångström of each copy that there is room for."""
    atoms, volumes = np.diff(topology.offsets), np.abs(np.linalg.det(topology.cells))
    bulk = topology.pbc.all(axis=1)
    return np.maximum(DENSEST_PER_A3, np.where(bulk, DENSER * atoms / np.where(bulk, volumes, 1.0), 0.0))


def _room(topology: Topology, cutoff: float) -> np.ndarray:
    """(B,) pairs that a copy has room for."""
    within = 4.0 / 3.0 * np.pi * (cutoff + SHELL_A) ** 3 * _density(topology)
    return np.ceil(0.5 * np.diff(topology.offsets) * within).astype(np.int64)


def _image_pairs(topology: Topology, cutoff: float) -> np.ndarray:
    """(B,) pairs of each copy in `AllImages`."""
    images = np.array([np.prod(2 * _reach(topology, b, cutoff) + 1) for b in range(topology.copies)])
    return _pairs_of(np.diff(topology.offsets), images)


def _pairs_of(atoms: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Pairs of so many atoms with so many images, the cell itself among them, each once."""
    return atoms * (atoms - 1) // 2 * images + atoms * (images // 2)


def _heights(topology: Topology, b: int) -> np.ndarray:
    """(3,) Å between the planes of a copy's cell."""
    return 1.0 / np.linalg.norm(np.linalg.inv(complete_cell(topology.cells[b])), axis=0)


def _reach(topology: Topology, b: int, cutoff: float) -> np.ndarray:
    """(3,) cells away that an image can be and still be within the cutoff of a difference that was wrapped."""
    # An image exactly at the cutoff gives nothing; the hair's breadth keeps rounding from counting it.
    return np.where(topology.pbc[b], np.ceil(cutoff / _heights(topology, b) + 0.5 - 1e-9) - 1, 0).astype(np.int64)


def _around(reach: np.ndarray) -> np.ndarray:
    """(D, 3) all steps up to `reach` along each axis, in order: no step is the middle one, opposite ones mirror it."""
    along = [np.arange(-n, n + 1) for n in reach]
    return np.stack(np.meshgrid(*along, indexing="ij"), axis=-1).reshape(-1, 3)


def _with_images(atoms: int, reach: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Atoms i <= j and cells (P, 3) of every pair, each once: of an atom and its own image, the one with the later image."""
    cells = _around(reach).astype(np.int32)
    later = cells[len(cells) // 2 + 1 :]
    i, j = np.triu_indices(atoms, 1)
    own = np.arange(atoms)
    first = np.concatenate([np.repeat(i, len(cells)), np.repeat(own, len(later))])
    second = np.concatenate([np.repeat(j, len(cells)), np.repeat(own, len(later))])
    return first, second, np.concatenate([np.tile(cells, (len(i), 1)), np.tile(later, (atoms, 1))])
