"""The fused kernel on one batch of molecules: its workspace, its pairs, and the call into the compiled loops."""

from __future__ import annotations

import itertools
import mmap
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mdprotocol_plugins.models.painn.fused.kernel import FusedKernel

CHUNK_ATOMS = 24
"""Molecules are taken together up to about so many atoms, so that weights are read from memory less often."""
HUGE_PAGE = 1 << 21
"""Bytes of a large page on usual machines."""
FARTHEST_A = 1e9
"""Coordinates from here on are broken, like those that are no numbers: a search would need bins without end."""

ListPairs = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]
"""Positions (N, 3) -> pairs (2, P), shifts (P, 3) Å, and (M + 1,) first pair of each molecule.

The same objects again mean the same list. Pairs are sorted, so that what is within the cutoff never changes its order."""


class FusedEvaluator:
    """Molecules ready to be evaluated; see `FusedKernel.prepare`.

    Attributes:
        virial: (M, 3, 3) eV, the derivative of each energy by a strain of positions and cell, of the last call.
    """

    def __init__(self, kernel: FusedKernel, species: np.ndarray, offsets: np.ndarray, pairs: ListPairs | None) -> None:
        self._kernel, self._species, self._list = kernel, species, pairs
        self._offsets = np.ascontiguousarray(offsets, dtype=np.int64)
        counts = np.diff(self._offsets)
        self._chunks = np.array(_chunks(counts), dtype=np.int64)
        architecture, loops = kernel.architecture, kernel.loops
        atoms = self._largest(self._offsets)
        widths = loops.workspace_widths(kernel.hidden, kernel.read, architecture.blocks)
        self._widths, self._starts = np.array(widths, dtype=np.int64), np.zeros(len(widths), dtype=np.int64)
        self._work, self._atomic = aligned(sum(widths) * atoms), np.zeros(atoms)
        self._sizes = np.array([kernel.hidden, kernel.read, architecture.blocks, kernel.intervals], dtype=np.int64)
        self._cell = np.array([kernel.interval_A, architecture.cutoff_A])
        self._ends = np.zeros(len(counts), dtype=np.int64)
        self._listed: tuple[np.ndarray, np.ndarray, np.ndarray] = _NO_LIST
        self._room = 0
        self._make_room(
            self._largest(np.concatenate([[0], np.cumsum(counts * (counts - 1) // 2)])) if pairs is None else 1
        )
        self.virial = np.zeros((len(counts), 3, 3))

    def __call__(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Energies (M,) eV and forces (N, 3) eV/Å."""
        x = np.ascontiguousarray(positions, dtype=np.float64)
        if x.shape != (len(self._species), 3):
            raise ValueError(f"positions have shape {x.shape}; prepared for ({len(self._species)}, 3)")
        if self._list is not None:
            self._take(self._list(x))
        energy, forces, kernel = np.empty(len(self._ends)), np.empty_like(x), self._kernel
        kernel.loops.step(
            x, self._species, self._offsets, self._chunks, *self._listed, self._sizes, self._cell, kernel.charges,
            kernel.ranges, kernel.shift, kernel.table, kernel.weights, kernel.where, self._work, self._widths,
            self._starts, self._atomic, self._index, self._geometry, self._slopes, self._ends, energy, forces, self.virial,
        )  # fmt: skip
        return energy, forces

    def look_for_pairs_with(self, pairs: ListPairs) -> None:
        """Another list from now on: that of another cell."""
        self._list = pairs

    def _take(self, found: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
        """A list that is another one than last time; room for it where it has grown."""
        if found[0] is not self._listed[0]:
            self._listed = found
            self._make_room(self._largest(found[2]))

    def _largest(self, bounds: np.ndarray) -> int:
        """Most atoms or pairs of a chunk, from the first of each molecule; at least 1."""
        ends = bounds[self._chunks]
        return max((int(b - a) for a, b in itertools.pairwise(ends)), default=0) or 1

    def _make_room(self, pairs: int) -> None:
        if pairs > self._room:
            self._room = pairs
            self._index = np.zeros((pairs, 3), dtype=np.int64)
            self._geometry = np.zeros(pairs * self._kernel.loops.GEOMETRY, dtype=np.float32)
            self._slopes = np.zeros((pairs, 9))


_NO_LIST = np.zeros((2, 0), dtype=np.int64), np.zeros((0, 3)), np.zeros(0, dtype=np.int64)


def _chunks(counts: np.ndarray) -> list[int]:
    """First molecule of each chunk, and the number of molecules."""
    starts, atoms = [0], 0
    for molecule, count in enumerate(counts):
        if atoms and atoms + count > CHUNK_ATOMS:
            starts.append(molecule)
            atoms = 0
        atoms += int(count)
    return [*starts, len(counts)] if len(counts) else [0]


def aligned(count: int) -> np.ndarray:
    """(count,) float32 zeros that start at a cache line, so that no vector straddles two; many of them in large pages."""
    large = 4 * count >= HUGE_PAGE and hasattr(mmap, "MADV_HUGEPAGE")
    raw, line = (_large_pages(4 * count), HUGE_PAGE) if large else (np.zeros(count + 16, dtype=np.float32), 64)
    start = (-raw.ctypes.data % line) // 4
    return raw[start : start + count]


def _large_pages(size: int) -> np.ndarray:
    """Memory of at least `size` bytes whose pages are large where the system has such: the radial table is read at
    places far apart, and with small pages a tenth of a step's time went into finding them."""
    pages = mmap.mmap(-1, (size // HUGE_PAGE + 2) * HUGE_PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    pages.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(pages, dtype=np.float32)
