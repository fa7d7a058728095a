"""Histograms of interatomic distances: all pairs of a run, in the minimum image where the system is periodic."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr
from ase.data import chemical_symbols

from mdprotocol.api import NotMeasurable
from mdprotocol_plugins.metrics._series import finite

CHUNK_VECTORS = 1_000_000
"""Distances computed at once: about 50 MB."""


def kinds(run: xr.Dataset) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Pairs of elements, such as `H-O`, and the atoms i < j of each kind."""
    numbers = finite(run, "atomic_number").astype(int)
    i, j = np.triu_indices(len(numbers), k=1)
    low, high = np.minimum(numbers[i], numbers[j]), np.maximum(numbers[i], numbers[j])
    found = {}
    for a, b in sorted(set(zip(low.tolist(), high.tolist(), strict=True))):
        mine = (low == a) & (high == b)
        found[f"{chemical_symbols[a]}-{chemical_symbols[b]}"] = (i[mine], j[mine])
    return found


def histogram(run: xr.Dataset, pairs: tuple[np.ndarray, np.ndarray], edges: np.ndarray) -> np.ndarray:
    """(bins,) number of distances between these atoms in each bin, over all frames; those outside are left out."""
    counts = np.zeros(len(edges) - 1)
    for distances in _distances(run, *pairs):
        counts += np.histogram(distances, edges)[0]
    return counts


def largest_distance(run: xr.Dataset) -> float:
    """Largest distance between two atoms of an open system in any frame, Å."""
    position = finite(run, "position")
    return float(2 * np.linalg.norm(position - position.mean(axis=1, keepdims=True), axis=-1).max())


def half_box(run: xr.Dataset) -> float:
    """Half the smallest distance between opposite faces of the cell, Å: up to there one image at most is in reach.

    Raises:
        NotMeasurable: the system is not periodic in all three directions.
    """
    if not finite(run, "pbc").astype(bool).all():
        raise NotMeasurable("a radial distribution function needs a system that is periodic in three dimensions")
    return float(0.5 / np.linalg.norm(np.linalg.inv(finite(run, "cell")), axis=0).max())


def volume(run: xr.Dataset) -> float:
    """Volume of the cell, Å³."""
    return float(abs(np.linalg.det(finite(run, "cell"))))


def _distances(run: xr.Dataset, i: np.ndarray, j: np.ndarray) -> Iterator[np.ndarray]:
    """Distances, some frames at a time.

    In a periodic system each fractional coordinate is taken to the nearest image. Any vector shorter than half the
    smallest height of the cell has all of them within half a cell, so that these are found right in any cell; longer
    ones may come out as another image, but never shorter than that.
    """
    position, pbc = finite(run, "position"), finite(run, "pbc").astype(bool)
    inverse = np.linalg.pinv(finite(run, "cell")) if pbc.any() else None
    step = max(1, CHUNK_VECTORS // max(1, len(i)))
    for first in range(0, len(position), step):
        x = position[first : first + step]
        vectors = x[:, j] - x[:, i]
        if inverse is not None:
            images = np.round(vectors @ inverse) * pbc
            vectors = vectors - images @ finite(run, "cell")
        yield np.linalg.norm(vectors, axis=-1).ravel()
