"""PaiNN as a model of a protocol: checkpoint in, batched energies and forces out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mdprotocol.api import CheckpointError, Evaluation, Evaluator, ForceField, Model, StructureError, Topology

if TYPE_CHECKING:
    import torch

    from mdprotocol_plugins.painn.network import PaiNN

LARGEST_FUSED = 100
"""Atoms; beyond it the fused kernel's loop over all pairs does not pay."""
FUSED_TOLERANCE = 1e-3
"""eV/Å; the tables are made for 1e-4, the rest is float32."""


class PaiNNModel(Model):
    """PaiNN (equivariant message passing) from a safetensors checkpoint with its card."""

    type: Literal["painn"] = "painn"
    checkpoint: str
    """`<name>.safetensors`, its card `<name>.json` beside it; relative to the protocol's folder."""
    dtype: Literal["float32", "float64"] = "float32"
    device: Literal["auto", "cpu", "cuda"] = "cpu"
    kernel: Literal["auto", "fused", "torch"] = "auto"
    """`fused`: the compiled CPU kernel (float32, open boundaries); `auto` takes it where it agrees with plain torch."""

    def files(self, base: Path) -> tuple[Path, ...]:
        path = base / self.checkpoint
        return path, path.with_suffix(".json")

    def load(self, base: Path) -> ForceField:
        return PaiNNForceField(self, base)


class PaiNNForceField(ForceField):
    """A loaded PaiNN."""

    def __init__(self, options: PaiNNModel, base: Path) -> None:
        import torch

        from mdprotocol_plugins.painn.checkpoint import load_checkpoint
        from mdprotocol_plugins.painn.network import Architecture, PaiNN, parameter_count

        self._options = options
        self._card, self._tensors = load_checkpoint(base / options.checkpoint)
        network = PaiNN(Architecture(**self._card.architecture.model_dump()))
        network.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in self._tensors.items()})
        self.device = self._device()
        self.dtype = options.dtype
        self._network: PaiNN = network.to(device=self.device, dtype=getattr(torch, options.dtype)).requires_grad_(False)
        self.parameters = parameter_count(network)
        self.weights_bytes = sum(t.numel() * t.element_size() for t in self._network.parameters())
        self._fused: Any = None

    def _device(self) -> str:
        import torch

        if self._options.device == "cuda" and not torch.cuda.is_available():
            raise CheckpointError("device 'cuda' is asked for, but torch finds none; use 'auto' or 'cpu'")
        return "cuda" if self._options.device != "cpu" and torch.cuda.is_available() else "cpu"

    def prepare(self, topology: Topology) -> Evaluator:
        self._check(topology)
        if self._wants_fused(topology):
            fused = self._prepare_fused(topology)
            if fused is not None:
                self.kernel = "fused"
                return fused
        self.kernel = "torch"
        return self._prepare_torch(topology, self._network)

    def _check(self, topology: Topology) -> None:
        from ase.data import chemical_symbols

        known = self._card.architecture.elements
        unknown = sorted(set(topology.numbers.tolist()) - set(known))
        if unknown:
            names, learnt = ([chemical_symbols[z] for z in some] for some in (unknown, known))
            raise StructureError(f"{self._card.name} has not learnt {', '.join(names)}; it knows {', '.join(learnt)}")
        if np.any(topology.charges != 0):
            raise StructureError(f"{self._card.name} knows neutral systems only")

    # -------------------------------------------------------------------------------------------------------- torch

    def _prepare_torch(self, topology: Topology, network: PaiNN) -> Evaluator:
        from mdprotocol_plugins.painn.neighbours import neighbours_for

        import torch

        numbers = torch.from_numpy(topology.numbers).to(self.device)
        owner = torch.from_numpy(topology.owner).to(self.device)
        neighbours = neighbours_for(topology, network.architecture.cutoff_A)
        copies = topology.copies

        def evaluate(positions: torch.Tensor) -> Evaluation:
            pairs, shifts = neighbours(positions)
            where = positions.to(self.device)
            pairs, shifts = pairs.to(self.device), None if shifts is None else shifts.to(self.device)
            energy, forces = network.energy_and_forces(numbers, where, pairs, owner, copies, shifts)
            return Evaluation(energy.double().to(positions.device), forces.double().to(positions.device))

        return evaluate

    # -------------------------------------------------------------------------------------------------------- fused

    def _wants_fused(self, topology: Topology) -> bool:
        o = self._options
        reasons = []
        if self.device != "cpu":
            reasons.append("it runs on a CPU")
        if o.dtype != "float32":
            reasons.append("it computes in float32")
        if topology.periodic:
            reasons.append("it knows open boundaries only")
        if np.diff(topology.offsets).max() > LARGEST_FUSED:
            reasons.append(f"it is for molecules of up to {LARGEST_FUSED} atoms")
        if o.kernel == "fused" and reasons:
            raise StructureError(f"kernel 'fused' cannot be used here: {'; '.join(reasons)}; use 'auto' or 'torch'")
        return o.kernel != "torch" and not reasons

    def _prepare_fused(self, topology: Topology) -> Evaluator | None:
        """The fused kernel, or None with a notice where it is missing or disagrees with plain torch."""
        import torch

        from mdprotocol_plugins.painn.kernel import FusedKernel, KernelUnavailable

        try:
            if self._fused is None:
                self._fused = FusedKernel(self._tensors, self._card.architecture)
            call = self._fused.prepare(topology.numbers, topology.offsets)
        except KernelUnavailable as error:
            return self._fall_back(str(error))

        def evaluate(positions: torch.Tensor) -> Evaluation:
            energy, forces = call(positions.numpy())
            return Evaluation(torch.from_numpy(energy), torch.from_numpy(forces))

        difference = self._disagreement(topology, evaluate)
        if not difference < FUSED_TOLERANCE:
            return self._fall_back(f"its forces differ from plain torch by {difference:.2g} eV/Å")
        return evaluate

    def _fall_back(self, why: str) -> None:
        text = f"{self._card.name}: the fused kernel is not used, plain torch is: {why}"
        if self._options.kernel == "fused":
            raise StructureError(text.replace("plain torch is: ", "as the protocol demands: "))
        if text not in self.notices:
            self.notices = (*self.notices, text)

    def _disagreement(self, topology: Topology, evaluate: Evaluator) -> float:
        """Largest difference of the forces (eV/Å) from plain torch in float64, on a compact, shaken arrangement of atoms.

        The atoms' own geometry is not known here; a jittered lattice of 1.2 Å has all distances from short to long.
        """
        import copy

        import torch

        rng = np.random.default_rng(0)
        x = np.zeros((len(topology.numbers), 3))
        for first, last in zip(topology.offsets[:-1], topology.offsets[1:], strict=True):
            n = int(last - first)
            side = int(np.ceil(n ** (1 / 3)))
            grid = np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)[:n]
            x[first:last] = 1.2 * grid + rng.uniform(-0.1, 0.1, (n, 3))
        positions = torch.from_numpy(x)
        exact = self._prepare_torch(topology, copy.deepcopy(self._network).double())(positions).forces
        scale = max(1.0, float(exact.abs().max()) / 10)
        return float((evaluate(positions).forces - exact).abs().max()) / scale
