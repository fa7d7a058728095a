"""The data set as torch batches: flat atoms, pair lists made once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mdprotocol_plugins.models.painn.network import all_pairs


@dataclass(frozen=True)
class Molecules:
    """A batch: atoms of M molecules one after the other; float64."""

    numbers: Tensor
    positions: Tensor
    pairs: Tensor
    molecule: Tensor
    counts: Tensor
    energies: Tensor
    forces: Tensor


class Data:
    """A data set in memory."""

    def __init__(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as file:
            self.counts, self.energies = file["counts"], file["energies"]
            self.molecules, self.kinds = file["molecules"], file["kinds"]
            self.numbers, self.positions, self.forces = file["numbers"], file["positions"], file["forces"]
            self.dropped = dict(zip(file["dropped_kinds"].tolist(), file["dropped_counts"].tolist(), strict=True))
        self.offsets = np.concatenate([[0], np.cumsum(self.counts)])

    def __len__(self) -> int:
        return len(self.counts)

    def batch(self, indices: np.ndarray) -> Molecules:
        """The molecules of these indices."""
        atoms = np.concatenate([np.arange(self.offsets[k], self.offsets[k + 1]) for k in indices])
        counts = self.counts[indices]
        return Molecules(
            numbers=torch.from_numpy(self.numbers[atoms]),
            positions=torch.from_numpy(self.positions[atoms]),
            pairs=all_pairs(counts.tolist()),
            molecule=torch.from_numpy(np.repeat(np.arange(len(indices)), counts)),
            counts=torch.from_numpy(counts),
            energies=torch.from_numpy(self.energies[indices]),
            forces=torch.from_numpy(self.forces[atoms]),
        )

    def atomic_energies(self, elements: tuple[int, ...]) -> np.ndarray:
        """Energy offset per element (eV) by least squares on the compositions."""
        composition = np.stack([np.add.reduceat(self.numbers == z, self.offsets[:-1]) for z in elements], axis=1)
        return np.linalg.lstsq(composition.astype(float), self.energies, rcond=None)[0]
