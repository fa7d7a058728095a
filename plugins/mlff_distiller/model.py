"""An MLFF-Distiller student as a model of a protocol."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from mdprotocol.api import CheckpointError, Evaluation, Evaluator, ForceField, Model, StructureError, Topology

if TYPE_CHECKING:
    import torch


class MLFFDistiller(Model):
    """A student of MLFF-Distiller from its torch checkpoint (`best_model.pt`), loaded weights only."""

    type: Literal["mlff_distiller"] = "mlff_distiller"
    checkpoint: str
    """The torch file; relative to the protocol's folder."""
    dtype: Literal["float32", "float64"] = "float32"
    device: Literal["auto", "cpu", "cuda"] = "cpu"

    def files(self, base: Path) -> tuple[Path, ...]:
        return (base / self.checkpoint,)

    def load(self, base: Path) -> ForceField:
        return StudentForceField(self, base / self.checkpoint)


class StudentForceField(ForceField):
    """A loaded student; open boundaries, neutral systems, the elements its embedding has a row for."""

    kernel = "torch"

    def __init__(self, options: MLFFDistiller, path: Path) -> None:
        import torch

        from mdprotocol_plugins.mlff_distiller.checkpoint import load_state
        from mdprotocol_plugins.mlff_distiller.network import Student

        if options.device == "cuda" and not torch.cuda.is_available():
            raise CheckpointError("device 'cuda' is asked for, but torch finds none; use 'auto' or 'cpu'")
        self._name, (self._sizes, state) = path.name, load_state(path)
        network = Student(self._sizes)
        network.load_state_dict(state)
        self.device = "cuda" if options.device != "cpu" and torch.cuda.is_available() else "cpu"
        self.dtype = options.dtype
        self.parameters = sum(parameter.numel() for parameter in network.parameters())
        self._network = network.to(device=self.device, dtype=getattr(torch, options.dtype)).requires_grad_(False)
        self.weights_bytes = sum(t.numel() * t.element_size() for t in self._network.parameters())

    def prepare(self, topology: Topology) -> Evaluator:
        import torch

        from mdprotocol_plugins.painn.neighbours import neighbours_for

        self._check(topology)
        numbers = torch.from_numpy(topology.numbers).to(self.device)
        owner = torch.from_numpy(topology.owner).to(self.device)
        neighbours = neighbours_for(topology, self._sizes.cutoff_A, self.device)

        def evaluate(positions: torch.Tensor) -> Evaluation:
            pairs, _ = neighbours(positions)
            where = positions.to(self.device)
            energy, forces = self._network.energy_and_forces(numbers, where, pairs, owner, topology.copies)
            return Evaluation(energy.to(positions.device), forces.double().to(positions.device))

        return evaluate

    def _check(self, topology: Topology) -> None:
        if topology.periodic:
            raise StructureError(f"{self._name}: MLFF-Distiller's students have no periodic images; use an open system")
        if np.any(topology.charges != 0):
            raise StructureError(f"{self._name}: MLFF-Distiller's students know neutral systems only")
        largest = int(topology.numbers.max())
        if largest > self._sizes.max_z:
            raise StructureError(
                f"{self._name}: atomic number {largest} is unknown to it; it knows 1 to {self._sizes.max_z}"
            )
