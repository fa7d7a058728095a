"""The reference's energies and forces on every n-th frame of a run."""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr

from mdprotocol.components import Evaluator, ForceField, Structure, Topology
from mdprotocol.engine.dataset import with_labels
from mdprotocol.errors import ReferenceFailure


def label(dataset: xr.Dataset, structure: Structure, reference: ForceField, every: int) -> xr.Dataset:
    """The dataset with `reference_energy` and `reference_force` on frames 0, every, 2 every, ...

    A frame that the reference cannot label is left out and counted in the attribute `reference_failures`; the first
    reason is in `reference_failure_detail`. Every run has an evaluator of its own: if that starts from the last frame,
    it never depends on which runs are in the batch.
    """
    evaluator = reference.prepare(Topology.of([structure]))
    kept: list[tuple[int, float, np.ndarray]] = []
    reasons: list[str] = []
    for frame in range(0, dataset.sizes["frame"], every):
        try:
            kept.append((frame, *_answer(evaluator, dataset["position"].values[frame])))
        except ReferenceFailure as error:
            reasons.append(f"frame {frame}: {error}")
    labelled = _with(dataset, kept, len(structure))
    return labelled.assign_attrs(reference_failures=len(reasons), reference_failure_detail=(reasons or [""])[0])


def _answer(evaluator: Evaluator, positions: np.ndarray) -> tuple[float, np.ndarray]:
    """Energy and forces of the reference.

    Raises:
        ReferenceFailure: there is no answer, or it is not finite.
    """
    found = evaluator(torch.from_numpy(np.array(positions, dtype=np.float64)))
    if found.errors:
        raise ReferenceFailure("; ".join(found.errors.values()))
    energy, forces = float(found.energy[0]), found.forces.detach().cpu().numpy().copy()
    if not (np.isfinite(energy) and np.isfinite(forces).all()):
        raise ReferenceFailure("its energy or forces are not finite")
    return energy, forces


def _with(dataset: xr.Dataset, kept: list[tuple[int, float, np.ndarray]], atoms: int) -> xr.Dataset:
    if not kept:
        return dataset  # without the variables, what needs them is NOT MEASURED
    frames, energies, forces = zip(*kept, strict=True)
    shaped = np.array(forces, dtype=np.float64).reshape(len(kept), atoms, 3)
    return with_labels(dataset, np.array(frames, dtype=np.int64), np.array(energies), shaped)
