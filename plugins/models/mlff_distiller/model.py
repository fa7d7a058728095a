"""An MLFF-Distiller student as a model of a protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from mdprotocol.api import (
    CheckpointError,
    Evaluation,
    Evaluator,
    ForceField,
    Model,
    Structure,
    StructureError,
    Topology,
)

if TYPE_CHECKING:
    import torch


class MLFFDistiller(Model):
    """A student of MLFF-Distiller from its torch checkpoint (`best_model.pt`), loaded weights only."""

    type: Literal["mlff_distiller"] = "mlff_distiller"
    lacks: ClassVar = frozenset({"kernel"})
    checkpoint: str
    """The torch file; relative to the protocol's folder."""
    dtype: Literal["float32", "float64"] = "float32"
    device: Literal["auto", "cpu", "cuda"] = "cpu"

    def files(self, base: Path) -> tuple[Path, ...]:
        return (base / self.checkpoint,)

    def inspect(self, base: Path, structures: Sequence[Structure]) -> Iterator[str]:
        from mdprotocol_plugins.models.mlff_distiller.checkpoint import load_state

        path = base / self.checkpoint
        sizes, _ = load_state(path)
        for structure in structures:
            yield from refusals(path.name, sizes.max_z, Topology.of([structure]))

    def load(self, base: Path) -> ForceField:
        return StudentForceField(self, base / self.checkpoint)


class StudentForceField(ForceField):
    """A loaded student; open boundaries, neutral systems, the elements its embedding has a row for."""

    kernel = "torch"

    def __init__(self, options: MLFFDistiller, path: Path) -> None:
        import torch

        from mdprotocol_plugins.models.mlff_distiller.checkpoint import load_state
        from mdprotocol_plugins.models.mlff_distiller.network import Student

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

        from mdprotocol_plugins.models.painn.neighbours import neighbours_for

        for reason in refusals(self._name, self._sizes.max_z, topology):
            raise StructureError(reason)
        numbers = torch.from_numpy(topology.numbers).to(self.device)
        owner = torch.from_numpy(topology.owner).to(self.device)
        neighbours = neighbours_for(topology, self._sizes.cutoff_A, self.device, skin=True)

        def evaluate(positions: torch.Tensor, cells: torch.Tensor) -> Evaluation:
            where = positions.to(self.device)
            pairs, _ = neighbours(where)
            energy, forces = self._network.energy_and_forces(numbers, where, pairs, owner, topology.copies)
            return Evaluation(energy.to(positions.device), forces.double().to(positions.device))

        return evaluate


def refusals(name: str, max_z: int, topology: Topology) -> Iterator[str]:
    """Why a student that knows the elements up to `max_z` cannot treat these systems."""
    if topology.periodic:
        yield f"{name}: MLFF-Distiller's students have no periodic images; use an open system"
    if np.any(topology.charges != 0):
        yield f"{name}: MLFF-Distiller's students know neutral systems only"
    largest = int(topology.numbers.max())
    if largest > max_z:
        yield f"{name}: atomic number {largest} is unknown to it; it knows 1 to {max_z}"
