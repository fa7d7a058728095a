"""Bond lengths: the distributions that a model samples against those of the reference's own trajectory."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
import xarray as xr
from ase.data import covalent_radii
from ase.geometry import find_mic
from pydantic import Field
from scipy.stats import wasserstein_distance

from mdprotocol.api import ComparisonMetric, NotMeasurable, Quantity, Values
from mdprotocol_plugins.metrics._series import MIN_FRAMES, enough, finite


class BondLengths(ComparisonMetric):
    """Distance between the bond length distributions of the model's and the reference's own trajectory.

    Bonds are the pairs of the initial geometry that are closer than `bond_factor` times the sum of their covalent radii
    (Cordero et al. 2008, Dalton Trans. 2832, as tabulated in ASE). For each bond, the 1-Wasserstein distance between
    the two samples of its length, W = ∫ |F_model(r) - F_reference(r)| dr with F the cumulative distributions
    (Villani 2009, Optimal Transport, chapter 6), in Å: a shift of a distribution by x Å gives x.

        mean                    mean of W over the bonds, Å
        worst                   largest W of any bond, Å
        temperature_difference  mean kinetic temperature of the model's run minus that of the reference's, K: where it
                                is not small, distributions differ for that reason too
    """

    type: Literal["bond_lengths"] = "bond_lengths"
    bond_factor: Annotated[float, Field(gt=1, le=2)] = 1.25

    needs: ClassVar = frozenset({"position", "initial_position", "atomic_number", "temperature", "cell", "pbc"})
    quantities: ClassVar = {
        "mean": Quantity("Å", "mean Wasserstein distance of bond length distributions"),
        "worst": Quantity("Å", "largest Wasserstein distance of a bond length distribution", "max"),
        "temperature_difference": Quantity("K", "mean kinetic temperature minus the reference's"),
    }

    def compare(self, run: xr.Dataset, reference: xr.Dataset) -> Values:
        if not np.array_equal(finite(run, "atomic_number"), finite(reference, "atomic_number")):
            raise NotMeasurable("the reference's run has other atoms")
        pairs = self._bonds(run)
        ours, theirs = bond_lengths(run, pairs), bond_lengths(reference, pairs)
        for lengths in (ours, theirs):
            enough(len(lengths), MIN_FRAMES)
        distances = [wasserstein_distance(ours[:, k], theirs[:, k]) for k in range(len(pairs))]
        return {
            "mean": float(np.mean(distances)),
            "worst": float(np.max(distances)),
            "temperature_difference": float(
                finite(run, "temperature").mean() - finite(reference, "temperature").mean()
            ),
        }

    def _bonds(self, run: xr.Dataset) -> np.ndarray:
        """(bond, 2) pairs of bonded atoms in the initial geometry."""
        radii = covalent_radii[finite(run, "atomic_number").astype(int)]
        first, second = np.triu_indices(len(radii), k=1)
        start = finite(run, "initial_position")
        lengths = _distances(start[second] - start[first], run)
        bonded = lengths < self.bond_factor * (radii[first] + radii[second])
        if not bonded.any():
            raise NotMeasurable("the initial geometry has no bonds")
        return np.stack([first[bonded], second[bonded]], axis=1)


def bond_lengths(run: xr.Dataset, pairs: np.ndarray) -> np.ndarray:
    """(frame, bond) lengths in Å, across periodic boundaries where there are any."""
    position = finite(run, "position")
    vectors = position[:, pairs[:, 1]] - position[:, pairs[:, 0]]
    return _distances(vectors.reshape(-1, 3), run).reshape(vectors.shape[:2])


def _distances(vectors: np.ndarray, run: xr.Dataset) -> np.ndarray:
    pbc = finite(run, "pbc").astype(bool)
    if not pbc.any():
        return np.linalg.norm(vectors, axis=-1)
    return np.asarray(find_mic(vectors, finite(run, "cell"), pbc)[1])
