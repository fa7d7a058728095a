"""Distance distribution h(r): how often two atoms of a molecule are r apart, against the reference's own trajectory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
import xarray as xr
from pydantic import Field

from mdprotocol.api import NotMeasurable, Quantity, ReplicaComparison, Values, properties
from mdprotocol_plugins.metrics._pairs import half_box, histogram, kinds, largest_distance
from mdprotocol_plugins.metrics._reference import against_replicas, comparable
from mdprotocol_plugins.metrics._series import MIN_FRAMES, enough, finite


class DistanceDistribution(ReplicaComparison):
    """Difference of the distribution of interatomic distances h(r) from that of the reference's own trajectory.

    h(r) = 1/(N(N-1)) Σ over i ≠ j of the mean over frames of δ(r - |x_i - x_j|), in bins of `bin_A` (Fu et al. 2022,
    arXiv:2210.07237); in a periodic system only r below half the box. Differences are ∫ |h - h_ref| dr: 0
    where both are the same, 2 where they have no distance in common.

        error     ∫ |h - h_ref| dr, model and reference of equal seed
        relative  that of the model to the reference's other replicas, divided by that of the reference's own run to
                  them: 1 where the model differs no more than the replicas do (see `bond_lengths`)
        excess    the same as a difference

    Narrow bins in short runs are noisy, and bonds are narrow: a bond that is shifted by as much as it fluctuates moves
    most of its part of h(r) into other bins. `bond_lengths` says by how much.
    """

    type: Literal["distance_distribution"] = "distance_distribution"
    bin_A: Annotated[float, Field(gt=0, le=1)] = 0.05

    needs: ClassVar = frozenset({"position", "atomic_number", "cell", "pbc"})
    tests: ClassVar = frozenset({properties.LANDSCAPE, properties.INTERMOLECULAR})
    quantities: ClassVar = {
        "error": Quantity("1", "integrated difference of the distribution of interatomic distances"),
        "relative": Quantity("1", "distance distribution's difference over that between the reference's replicas"),
        "excess": Quantity("1", "distance distribution's difference beyond that between the reference's replicas"),
    }

    def compare_replicas(self, run: xr.Dataset, reference: xr.Dataset, others: Sequence[xr.Dataset]) -> Values:
        runs = (run, reference, *others)
        for other in runs[1:]:
            comparable(run, other)
        enough(min(d.sizes["frame"] for d in runs), MIN_FRAMES)
        ours, own, *siblings = self._distributions(runs)
        return {"error": _difference(ours, own)} | against_replicas(ours, own, siblings, _differences)

    def _distributions(self, runs: Sequence[xr.Dataset]) -> list[np.ndarray]:
        """(1, bins) h(r) times the bin width of each run."""
        periodic = finite(runs[0], "pbc").any()
        end = half_box(runs[0]) if periodic else max(map(largest_distance, runs))
        edges = np.arange(0, end + (0 if periodic else self.bin_A), self.bin_A)
        if len(edges) < 2 or runs[0].sizes["atom"] < 2:
            raise NotMeasurable("there is no distance between two atoms in reach")
        counts = [np.sum([histogram(run, pairs, edges) for pairs in kinds(run).values()], axis=0) for run in runs]
        if min(count.sum() for count in counts) == 0:
            raise NotMeasurable("there is no distance between two atoms in reach")
        return [(count / count.sum())[None] for count in counts]


def _differences(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """(1,) of samples (runs, bins), each the mean over its runs."""
    return np.array([_difference(ours.mean(axis=0, keepdims=True), theirs.mean(axis=0, keepdims=True))])


def _difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.abs(ours - theirs).sum())
