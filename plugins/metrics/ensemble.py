"""Ensemble: energies, temperature and structure that a model samples, against the reference's trajectories."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import xarray as xr

from mdprotocol.api import MEV_PER_EV, NotMeasurable, Quantity, ReplicaComparison, Values, properties
from mdprotocol_plugins.metrics._distributions import temperature_difference
from mdprotocol_plugins.metrics._reference import against_replicas, comparable
from mdprotocol_plugins.metrics._series import MIN_FRAMES, atoms_of, enough, finite, sampled_frames
from mdprotocol_plugins.metrics._topology import length_values
from mdprotocol_plugins.metrics._wasserstein import on_line

MIN_LABELS = 3
MAX_ATOMS = 64
"""Above so many atoms, the distances of all pairs are too many to compare one by one."""


class Ensemble(ReplicaComparison):
    """What a model's trajectory samples, next to the reference's own trajectories: energy, its width, heat, structure.

        potential_energy_shift  (mean of V_ref over the model's frames - mean of V_ref over the reference's frames)/N,
                                meV/atom. Both energies are the reference's, so that no zero of energy enters; a model
                                that strays to geometries which the reference finds strained has a positive one. It is
                                measured on frames labelled by the reference (`reference_every_fs`)
        potential_energy_width  100 (σ(V) / σ(V_ref) - 1), %: standard deviations in time, each of its own energy. At
                                constant temperature σ² is kB T² times the potential's part of the heat capacity (Allen
                                and Tildesley 2017, Computer Simulation of Liquids, 2nd edition, section 2.5)
        temperature_difference  mean kinetic temperature minus the reference's, K
        structure               mean over all pairs of atoms of the 1-Wasserstein distance of their distance's
                                distribution to the reference's other replicas, divided by that of the reference's own
                                run to them (see `bond_lengths.relative`): 1 where both sample the same structures
        structure_excess        the same as a difference, Å

    Each is one number a replica, from runs of equal seed: replicas are the independent units, frames are not. The two
    of structure need an open system of at most 64 atoms and two replicas of the reference.
    """

    type: Literal["ensemble"] = "ensemble"
    needs: ClassVar = frozenset({"position", "potential_energy", "temperature", "atomic_number", "pbc"})
    tests: ClassVar = frozenset({properties.LANDSCAPE, properties.ENSEMBLE})
    quantities: ClassVar = {
        "potential_energy_shift": Quantity("meV/atom", "mean reference energy of the frames minus the reference's own"),
        "potential_energy_width": Quantity("%", "relative difference of the potential energy's standard deviation"),
        "temperature_difference": Quantity("K", "mean kinetic temperature minus the reference's"),
        "structure": Quantity("1", "pair distance distributions' distance over that between the reference's replicas"),
        "structure_excess": Quantity("Å", "pair distance distributions' distance beyond the replicas' own"),
    }

    def compare_replicas(self, run: xr.Dataset, reference: xr.Dataset, others: Sequence[xr.Dataset]) -> Values:
        for other in (reference, *others):
            comparable(run, other)
            enough(min(run.sizes["frame"], other.sizes["frame"]), MIN_FRAMES)
        ours, theirs = (float(finite(d, "potential_energy").std(ddof=1)) for d in (run, reference))
        if theirs == 0:
            raise NotMeasurable("the reference's potential energy does not change")
        return {
            "potential_energy_width": 100 * (ours / theirs - 1),
            "temperature_difference": temperature_difference(run, reference),
            **self._shift(run, reference),
            **self._structure((run, reference, *others)),
        }

    def _shift(self, run: xr.Dataset, reference: xr.Dataset) -> dict[str, float]:
        if "reference_energy" not in run.variables:
            return {}
        enough(len(sampled_frames(run)), MIN_LABELS, "labelled frames")
        shift = finite(run, "reference_energy").mean() - finite(reference, "potential_energy").mean()
        return {"potential_energy_shift": MEV_PER_EV * float(shift) / atoms_of(run)}

    def _structure(self, runs: Sequence[xr.Dataset]) -> dict[str, float]:
        n = atoms_of(runs[0])
        if finite(runs[0], "pbc").any() or not 1 < n <= MAX_ATOMS:
            return {}
        pairs = np.stack(np.triu_indices(n, k=1), axis=1)
        ours, own, *others = (length_values(run, pairs) for run in runs)
        names = {"relative": "structure", "excess": "structure_excess"}
        return {names[key]: value for key, value in against_replicas(ours, own, others, on_line).items()}
