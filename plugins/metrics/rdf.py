"""Radial distribution function g(r) of a periodic system, against that of the reference's own trajectory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
import xarray as xr
from pydantic import Field

from mdprotocol.api import NotMeasurable, Quantity, ReplicaComparison, Values, properties
from mdprotocol_plugins.metrics._pairs import half_box, histogram, kinds, volume
from mdprotocol_plugins.metrics._reference import against_replicas, comparable
from mdprotocol_plugins.metrics._series import MIN_FRAMES, enough


class RDF(ReplicaComparison):
    """Difference of the radial distribution functions of a periodic system from the reference's own trajectory.

    For each pair of elements g(r) = V/P × n(r)/(4π/3 ((r + b)³ - r³)): n(r) the mean number of pairs of atoms with a
    distance in the bin from r to r + b, P their number, V the volume (Allen and Tildesley 2017, Computer Simulation of
    Liquids, 2nd edition, section 8.2); 1 for an ideal gas. Minimum image; r up to half the smallest height of the cell.

        error           mean |g - g_ref| over r and the pairs of elements, model and reference of equal seed
        error_by_pair   the same for each pair of elements
        relative        mean |g - g_ref| of the model to the reference's other replicas, divided by that of the
                        reference's own run to them: 1 where the model differs no more than the replicas do
        excess          the same as a difference

    It needs the reference's own trajectory; without one it is NOT MEASURED.
    """

    type: Literal["rdf"] = "rdf"
    bin_A: Annotated[float, Field(gt=0, le=1)] = 0.1

    needs: ClassVar = frozenset({"position", "atomic_number", "cell", "pbc"})
    tests: ClassVar = frozenset({properties.INTERMOLECULAR})
    quantities: ClassVar = {
        "error": Quantity("1", "mean difference of the radial distribution functions"),
        "error_by_pair": Quantity("1", "mean difference of a radial distribution function"),
        "relative": Quantity("1", "radial distribution functions' difference over that between replicas"),
        "excess": Quantity("1", "radial distribution functions' difference beyond that between replicas"),
    }

    def compare_replicas(self, run: xr.Dataset, reference: xr.Dataset, others: Sequence[xr.Dataset]) -> Values:
        runs = (run, reference, *others)
        for other in runs[1:]:
            comparable(run, other)
            if not np.allclose(other["cell"], run["cell"]):
                raise NotMeasurable("the two runs have different cells")
        enough(min(d.sizes["frame"] for d in runs), MIN_FRAMES)
        names = list(kinds(run))
        ours, own, *siblings = (np.stack([g for _, g in radial(d, self.bin_A).values()]) for d in runs)
        errors = np.abs(ours - own).mean(axis=1)
        shaped = [g.reshape(1, -1) for g in (ours, own, *siblings)]
        return {
            "error": float(errors.mean()),
            "error_by_pair": xr.DataArray(errors, {"pair": names}, dims="pair"),
            **against_replicas(shaped[0], shaped[1], shaped[2:], _differences),
        }


def radial(run: xr.Dataset, bin_A: float) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """g(r) by pair of elements: (bins,) middle of each bin in Å, and (bins,) g.

    Raises:
        NotMeasurable: the system is not periodic in three dimensions, or too small for a bin.
    """
    edges = np.arange(0, half_box(run) + 1e-9, bin_A)
    enough(len(edges) - 1, 1, f"bins of {bin_A:g} Å in half the box")
    shells = 4 * np.pi / 3 * np.diff(edges**3)
    middles = (edges[1:] + edges[:-1]) / 2
    found = {}
    for name, pairs in kinds(run).items():
        mean = histogram(run, pairs, edges) / run.sizes["frame"]
        found[name] = (middles, volume(run) / len(pairs[0]) * mean / shells)
    return found


def _differences(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """(1,) mean difference of samples (runs, bins), each the mean over its runs."""
    return np.array([np.abs(ours.mean(axis=0) - theirs.mean(axis=0)).mean()])
