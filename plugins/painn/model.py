"""PaiNN as a model of a protocol: checkpoint in, batched energies and forces out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from ase.data import chemical_symbols
from pydantic import Field, model_validator

from mdprotocol.api import Evaluation, Evaluator, ForceField, Model, Structure, StructureError, Topology, UsageError
from mdprotocol_plugins.painn.checkpoint import Card, card_path, load_checkpoint
from mdprotocol_plugins.painn.flops import evaluation_flops

if TYPE_CHECKING:
    import torch

    from mdprotocol_plugins.painn.network import PaiNN

LARGEST_FUSED = 100
"""Atoms; beyond it the fused kernel's loop over all pairs does not pay."""
FUSED_TOLERANCE = 1e-3
"""Largest difference of a force component from plain torch in float64, eV/Å, where forces are of 10 eV/Å."""
CHECK_SPACING_A = 1.2
"""Of the shaken lattice on which the fused kernel is checked: about a bond, with all longer distances too."""


class PainnModel(Model):
    """PaiNN, an equivariant message passing network, from a safetensors checkpoint with its JSON card."""

    type: Literal["painn"] = "painn"
    checkpoint: Annotated[str, Field(min_length=1)]
    """`<name>.safetensors`, with its card `<name>.json` beside it; relative to the protocol's folder."""
    dtype: Literal["float32", "float64"] = "float32"
    device: Literal["auto", "cpu", "cuda"] = "cpu"
    kernel: Literal["auto", "fused", "torch"] = "auto"
    """`fused`: the compiled CPU kernel (float32, open boundaries); `auto` takes it where it agrees with plain torch."""

    @model_validator(mode="after")
    def _fused_can_run(self) -> PainnModel:
        if self.kernel == "fused" and (self.dtype, self.device) != ("float32", "cpu"):
            raise ValueError("kernel 'fused' computes in float32 on the cpu; use kernel 'auto' or 'torch'")
        return self

    def files(self, base: Path) -> tuple[Path, ...]:
        path = base / self.checkpoint
        return path, card_path(path)

    def inspect(self, base: Path, structures: Sequence[Structure]) -> Iterator[str]:
        card, _ = load_checkpoint(base / self.checkpoint)
        return (reason for structure in structures for reason in refusals(card, structure.numbers, structure.charge))

    def load(self, base: Path) -> ForceField:
        card, tensors = load_checkpoint(base / self.checkpoint)
        return PainnForceField(card, tensors, self)


class PainnForceField(ForceField):
    """A loaded PaiNN."""

    def __init__(self, card: Card, tensors: dict[str, np.ndarray], options: PainnModel) -> None:
        self._card, self._tensors, self._options = card, tensors, options
        self.dtype, self.device = options.dtype, _device(options.device)
        self.parameters = card.parameters
        self.weights_bytes = sum(value.size for value in tensors.values()) * (8 if options.dtype == "float64" else 4)
        self._networks: dict[str, PaiNN] = {}
        self._fused: Any = None
        self._checked: dict[tuple[int, ...], str] = {}
        self._seen: set[tuple[int, ...]] = set()
        if options.kernel != "torch" and (options.dtype, self.device) == ("float32", "cpu"):
            self.kernel = "fused"  # until a topology turns out otherwise

    def prepare(self, topology: Topology) -> Evaluator:
        self._check_elements(topology)
        evaluator = self._prepare_fused(topology) if self._may_fuse(topology) else None
        self.kernel = "torch" if evaluator is None else "fused"
        return evaluator or self._prepare_torch(topology, self.dtype, self.device)

    def _check_elements(self, topology: Topology) -> None:
        charged = topology.charges[topology.charges != 0]
        for reason in refusals(self._card, topology.numbers, int(charged[0]) if len(charged) else 0):
            raise StructureError(reason)

    def plain(self, dtype: str = "float64") -> PainnForceField:
        options = self._options.model_copy(update={"kernel": "torch", "dtype": dtype, "device": self.device})
        return PainnForceField(self._card, self._tensors, options)

    def flops(self, structure: Structure) -> float:
        """See `flops.evaluation_flops`; with the structure's own pairs, on the kernel that ran last."""
        import torch

        from mdprotocol_plugins.painn.neighbours import neighbours_for

        cutoff, topology = self._card.architecture.cutoff_A, Topology.of([structure])
        x = torch.from_numpy(np.ascontiguousarray(structure.positions, dtype=np.float64))
        (i, j), shifts = neighbours_for(topology, cutoff)(x)
        vector = x[j] - x[i] + (0.0 if shifts is None else shifts)
        near = int(((vector**2).sum(dim=1) < cutoff**2).sum())
        return evaluation_flops(self._card.architecture, len(structure), near, self.kernel == "fused")

    # -------------------------------------------------------------------------------------------------------- torch

    def _network(self, dtype: str, device: str) -> PaiNN:
        """The network, without gradients to its parameters; offsets and radii stay in float64."""
        import torch

        from mdprotocol_plugins.painn.network import Architecture, PaiNN

        if dtype not in self._networks:
            network = PaiNN(Architecture(**self._card.architecture.model_dump()))
            network.load_state_dict({name: torch.tensor(value) for name, value in self._tensors.items()})
            if dtype == "float64":
                network.double()
            self._networks[dtype] = network.to(device).requires_grad_(False).eval()
        return self._networks[dtype]

    def _prepare_torch(self, topology: Topology, dtype: str, device: str) -> Evaluator:
        import torch

        from mdprotocol_plugins.painn.neighbours import neighbours_for

        network = self._network(dtype, device)
        neighbours = neighbours_for(topology, network.architecture.cutoff_A, device)
        numbers = torch.from_numpy(topology.numbers).to(device)
        owner = torch.from_numpy(topology.owner).to(device)
        copies = topology.copies
        volumes = torch.from_numpy(np.abs(np.linalg.det(topology.cells))).to(device)

        def evaluate(positions: torch.Tensor) -> Evaluation:
            pairs, shifts = neighbours(positions)
            where = positions.to(device=device, dtype=torch.float64)
            energy, forces = network.energy_and_forces(numbers, where, pairs, owner, copies, shifts)
            _spoil_broken(where, owner, energy, forces)

            def stress() -> torch.Tensor:
                assert shifts is not None
                gradient = network.strain_gradient(numbers, where, pairs, owner, copies, shifts)
                return (gradient / volumes[:, None, None]).to(positions.device)

            offered = stress if bool(topology.pbc.all()) else None
            return Evaluation(energy.to(positions.device), forces.to(positions.device), stress=offered)

        return evaluate

    # -------------------------------------------------------------------------------------------------------- fused

    def _may_fuse(self, topology: Topology) -> bool:
        if self._options.kernel == "torch" or (self.dtype, self.device) != ("float32", "cpu"):
            return False
        reason = ""
        if topology.periodic:
            reason = "open systems only"
        elif np.diff(topology.offsets).max(initial=0) > LARGEST_FUSED:
            reason = f"molecules of up to {LARGEST_FUSED} atoms"
        if reason and self._options.kernel == "fused":
            raise StructureError(f"kernel 'fused' is for {reason}; use kernel 'auto' or 'torch'")
        return not reason

    def _prepare_fused(self, topology: Topology) -> Evaluator | None:
        """The fused kernel; None, with a notice, where it is missing, breaks or disagrees with plain torch.

        Its first answer on each kind of molecule is checked once more, at the positions that it was asked about.
        """
        import torch

        problem = self._fused_problem(topology)
        if problem:
            self._fall_back(problem)
            return None
        call = self._fused.prepare(topology.numbers, topology.offsets)
        unseen = {molecule: own for molecule, own in _distinct(topology).items() if molecule not in self._seen}
        instead: Evaluator | None = None

        def evaluate(positions: torch.Tensor) -> Evaluation:
            nonlocal instead
            if unseen:
                problem = self._look(unseen, positions.detach().cpu().numpy())
                if problem:
                    self._fall_back(problem)
                    self.kernel, instead = "torch", self._prepare_torch(topology, self.dtype, self.device)
            if instead is not None:
                return instead(positions)
            energy, forces = call(positions.detach().cpu().numpy())
            return Evaluation(torch.from_numpy(energy), torch.from_numpy(forces))

        return evaluate

    def _look(self, unseen: dict[tuple[int, ...], slice], positions: np.ndarray) -> str:
        """Check the molecules `unseen` so far, at these positions; what has been looked at is taken out."""
        for molecule, own in list(unseen.items()):
            if np.isfinite(positions[own]).all():
                self._seen.add(molecule)
                self._checked[molecule] = self._disagreement(molecule, positions[own])
                del unseen[molecule]
                if self._checked[molecule]:
                    return self._checked[molecule]
        return ""

    def _fused_problem(self, topology: Topology) -> str:
        """Why the fused kernel cannot be trusted with these molecules, else empty. Checked once a composition."""
        try:
            if self._fused is None:
                from mdprotocol_plugins.painn.kernel import FusedKernel

                self._fused = FusedKernel(self._tensors, self._card.architecture)
            for molecule in _distinct(topology):
                if molecule not in self._checked:
                    self._checked[molecule] = self._disagreement(molecule, _shaken_lattice(len(molecule)))
        except Exception as error:  # a compiler can fail in many ways; the plain network is there and right
            return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        return next((self._checked[m] for m in _distinct(topology) if self._checked[m]), "")

    def _disagreement(self, molecule: tuple[int, ...], x: np.ndarray) -> str:
        """Compare forces with plain torch in float64 at positions `x` (n, 3) Å; empty where they agree."""
        import torch

        topology = _alone(molecule)
        _, forces = self._fused.prepare(topology.numbers, topology.offsets)(x)
        exact = self._prepare_torch(topology, "float64", "cpu")(torch.tensor(x)).forces.numpy()
        scale = max(1.0, float(np.abs(exact).max()) / 10.0)
        error = float(np.abs(forces - exact).max()) / scale
        return "" if error < FUSED_TOLERANCE else f"its forces differ from plain torch by {error:.2g} eV/Å"

    def _fall_back(self, problem: str) -> None:
        if self._options.kernel == "fused":
            raise UsageError(f"model '{self._card.name}': kernel 'fused' cannot be used: {problem}")
        notice = f"model '{self._card.name}' runs on plain torch, not on the fused kernel: {problem}"
        if notice not in self.notices:
            self.notices = (*self.notices, notice)


def refusals(card: Card, numbers: np.ndarray, charge: int) -> Iterator[str]:
    """Why a student cannot treat atoms of these atomic numbers with this total charge."""
    known = card.architecture.elements
    unknown = sorted(set(numbers.tolist()) - set(known))
    if unknown:
        yield f"model '{card.name}' was not trained on {_symbols(unknown)}; it knows {_symbols(known)}"
    if charge:
        yield f"model '{card.name}' knows neutral systems only, not charge {charge}"


def _spoil_broken(where: torch.Tensor, owner: torch.Tensor, energy: torch.Tensor, forces: torch.Tensor) -> None:
    """NaN for copies with a broken position: pairs have been lost, and the rest may look plausible."""
    import torch

    from mdprotocol_plugins.painn.neighbours import FARTHEST_A

    broken = ~(where.abs() < FARTHEST_A).all(dim=1)
    if bool(broken.any()):
        copies = torch.unique(owner[broken])
        energy[copies] = torch.nan
        forces[torch.isin(owner, copies)] = torch.nan


def _device(asked: str) -> str:
    if asked == "cpu":
        return "cpu"
    import torch

    if torch.cuda.is_available():
        # Deterministic algorithms, which the engine asks for, need this before the first matrix product.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        return "cuda"
    if asked == "cuda":
        raise UsageError("device 'cuda' is asked for, but torch finds no such device; use 'auto' or 'cpu'")
    return "cpu"


def _distinct(topology: Topology) -> dict[tuple[int, ...], slice]:
    """Atomic numbers of each different molecule of a batch, and the atoms of the first one of it."""
    found: dict[tuple[int, ...], slice] = {}
    for a, b in zip(topology.offsets[:-1].tolist(), topology.offsets[1:].tolist(), strict=True):
        found.setdefault(tuple(topology.numbers[a:b].tolist()), slice(a, b))
    return found


def _shaken_lattice(n: int) -> np.ndarray:
    """(n, 3) Å: points about a bond apart, none of them where symmetry would hide an error."""
    side = int(np.ceil(n ** (1 / 3)))
    grid = np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)[:n]
    return CHECK_SPACING_A * grid + np.random.default_rng(n).uniform(-0.1, 0.1, (n, 3))


def _alone(molecule: tuple[int, ...]) -> Topology:
    """An open molecule by itself."""
    n = len(molecule)
    numbers, zero = np.array(molecule, dtype=np.int64), np.zeros(1, dtype=np.int64)
    return Topology(numbers, np.ones(n), np.array([0, n]), np.zeros((1, 3, 3)), np.zeros((1, 3), dtype=bool), zero)


def _symbols(numbers: list[int] | tuple[int, ...]) -> str:
    return ", ".join(chemical_symbols[z] if 0 < z < len(chemical_symbols) else str(z) for z in sorted(numbers))
