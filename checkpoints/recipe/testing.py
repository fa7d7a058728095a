"""Errors of a student on configurations that share no run with training, and on molecules it has never seen."""

from __future__ import annotations

from typing import Any

import numpy as np

from mdprotocol_plugins.models.painn.network import PaiNN
from recipe.batches import Data
from recipe.training import predict


def errors(network: PaiNN, data: Data) -> dict[str, dict[str, float]]:
    """`molecule kind` -> force RMSE, MAE (eV/Å), R², energy MAE per atom after removing the mean offset (meV)."""
    groups = sorted({(m, k) for m, k in zip(data.molecules.tolist(), data.kinds.tolist(), strict=True)})
    return {f"{m} {k}": _group(network, data, (data.molecules == m) & (data.kinds == k)) for m, k in groups}


def _group(network: PaiNN, data: Data, mask: np.ndarray) -> dict[str, float]:
    batch = data.batch(np.flatnonzero(mask))
    energies, forces = (t.detach().numpy() for t in predict(network, batch))
    truth = batch.forces.numpy()
    error = forces - truth
    offset = (energies - batch.energies.numpy()) / batch.counts.numpy()
    return {
        "samples": int(mask.sum()),
        "force_rmse_eV_per_A": round(float(np.sqrt((error**2).mean())), 5),
        "force_mae_eV_per_A": round(float(np.abs(error).mean()), 5),
        "force_r2": round(float(1 - (error**2).sum() / ((truth - truth.mean()) ** 2).sum()), 6),
        "energy_mae_meV_per_atom": round(float(1000 * np.abs(offset - offset.mean()).mean()), 3),
        "energy_offset_meV_per_atom": round(float(1000 * offset.mean()), 3),
    }


def counts(data: Data) -> dict[str, Any]:
    """Samples by molecule and by kind, and what was dropped."""
    names, numbers = np.unique(data.molecules, return_counts=True)
    kinds, amounts = np.unique(data.kinds, return_counts=True)
    return {
        "samples": len(data),
        "by_molecule": dict(zip(names.tolist(), numbers.tolist(), strict=True)),
        "by_kind": dict(zip(kinds.tolist(), amounts.tolist(), strict=True)),
        "dropped": {"scf": 0, "force": 0, "duplicate": 0} | data.dropped,
    }
