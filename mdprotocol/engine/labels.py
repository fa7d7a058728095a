"""The reference's energies and forces on every n-th frame of a run."""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr

from mdprotocol.components import ForceField, Structure, Topology
from mdprotocol.engine.recording import with_labels


def label(dataset: xr.Dataset, structure: Structure, reference: ForceField, every: int) -> xr.Dataset:
    """The dataset with `reference_energy` and `reference_force` on frames 0, every, 2 every, ...

    A frame that the reference cannot label is left out and counted in the attribute `reference_failures`: a metric that
    needs labels then says how many it had.
    """
    evaluate = reference.prepare(Topology.of([structure]))
    kept, energies, forces, failures = [], [], [], 0
    for frame in range(0, dataset.sizes["frame"], every):
        found = evaluate(torch.from_numpy(np.array(dataset.position[frame].values, dtype=np.float64, order="C")))
        if found.errors:
            failures += 1
            continue
        kept.append(frame)
        energies.append(float(found.energy[0]))
        forces.append(found.forces.detach().cpu().numpy())
    shape = (len(kept), len(structure), 3)
    labelled = with_labels(dataset, np.array(kept), np.array(energies), np.array(forces).reshape(shape))
    return labelled.assign_attrs(reference_failures=failures, reference_samples=len(kept))
