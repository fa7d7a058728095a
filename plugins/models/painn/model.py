"""PaiNN as a model of a protocol: checkpoint in, batched energies and forces out."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from ase.data import chemical_symbols
from pydantic import Field, model_validator

from mdprotocol.api import (
    Box,
    Evaluation,
    Evaluator,
    ForceField,
    Model,
    Structure,
    StructureError,
    Topology,
    UsageError,
)
from mdprotocol_plugins.models.painn.checkpoint import Card, card_path, load_checkpoint
from mdprotocol_plugins.models.painn.flops import evaluation_flops
from mdprotocol_plugins.models.painn.fused.evaluator import FARTHEST_A, FusedEvaluator, ListPairs

if TYPE_CHECKING:
    import torch

    from mdprotocol_plugins.models.painn.gpu.graph import Compute
    from mdprotocol_plugins.models.painn.network import PaiNN

FUSED_TOLERANCE = 1e-3
"""Largest difference of a force component from plain torch in float64, eV/Å, where forces are of 10 eV/Å."""
LATTICE_ATOMS, LARGEST_CHECKED = 40, 250
"""Most atoms of the lattice below, and of a system whose first answer is checked: plain float64 takes time and memory."""
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
    """`fused`: the compiled CPU kernel (float32); `auto` takes it where it agrees with plain torch."""

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
        self._checked: dict[bytes, str] = {}
        self._seen: dict[bytes, str] = {}
        if self._may_fuse():
            self.kernel = "fused"  # until a topology turns out otherwise

    def prepare(self, topology: Topology) -> Evaluator:
        self._check_elements(topology)
        evaluator = self._prepare_fused(topology) if self._may_fuse() else None
        self.kernel = "torch" if evaluator is None else "fused"
        return evaluator or self._prepare_torch(topology, self.dtype, self.device)

    def _check_elements(self, topology: Topology) -> None:
        charged = topology.charges[topology.charges != 0]
        for reason in refusals(self._card, topology.numbers, int(charged[0]) if len(charged) else 0):
            raise StructureError(reason)

    def plain(self, dtype: str = "float64") -> PainnForceField:
        device = "cpu" if dtype == "float64" else self.device  # there nothing is tabulated or recorded as a graph
        options = self._options.model_copy(update={"kernel": "torch", "dtype": dtype, "device": device})
        return PainnForceField(self._card, self._tensors, options)

    def flops(self, structure: Structure) -> float:
        """See `flops.evaluation_flops`; with the structure's own pairs, on the kernel that ran last."""
        import torch

        from mdprotocol_plugins.models.painn.neighbours import neighbours_for

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

        from mdprotocol_plugins.models.painn.network import Architecture, PaiNN

        if dtype not in self._networks:
            network = PaiNN(Architecture(**self._card.architecture.model_dump()))
            network.load_state_dict({name: torch.tensor(value) for name, value in self._tensors.items()})
            if dtype == "float64":
                network.double()
            network.compact = device == "cpu"
            self._networks[dtype] = network.to(device).requires_grad_(False).eval()
        return self._networks[dtype]

    def _prepare_torch(self, topology: Topology, dtype: str, device: str) -> Evaluator:
        import torch

        from mdprotocol_plugins.models.painn.neighbours import neighbours_for

        network = self._network(dtype, device)
        cutoff, box = network.architecture.cutoff_A, Box(topology)
        neighbours = neighbours_for(topology, cutoff, device)
        numbers = torch.from_numpy(topology.numbers).to(device)
        owner = torch.from_numpy(topology.owner).to(device)
        copies = topology.copies

        def compute(where: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            pairs, shifts = neighbours(where)
            found = network.energy_and_forces(numbers, where, pairs, owner, copies, shifts)
            return without_broken(where, owner, *found)

        unrecorded: Compute | None = None if device.startswith("cuda") else compute
        quick = unrecorded

        def evaluate(positions: torch.Tensor, cells: torch.Tensor) -> Evaluation:
            nonlocal quick, neighbours
            where = positions.to(device=device, dtype=torch.float64)
            if box.follow(cells):  # a recording holds the old lists
                neighbours = neighbours_for(dataclasses.replace(topology, cells=box.cells), cutoff, device)
                quick = unrecorded
            quick = quick or self._recorded(compute, where)
            energy, forces = quick(where)

            listed, at = neighbours, box.cells

            def stress() -> torch.Tensor:
                pairs, shifts = listed(where)
                assert shifts is not None
                gradient = network.strain_gradient(numbers, where, pairs, owner, copies, shifts)
                volumes = torch.from_numpy(np.abs(np.linalg.det(at))).to(device)
                return (gradient / volumes[:, None, None]).to(positions.device)

            offered = stress if bool(topology.pbc.all()) else None
            return box.checked(Evaluation(energy.to(positions.device), forces.to(positions.device), stress=offered))

        return evaluate

    def _recorded(self, compute: Compute, where: torch.Tensor) -> Compute:
        """The network as a CUDA graph; as it is, with a notice, where that cannot be recorded."""
        from mdprotocol_plugins.models.painn.gpu.graph import recorded

        try:
            return recorded(compute, where)
        except RuntimeError as error:
            self._notice(f"model '{self._card.name}' runs without a CUDA graph: {' '.join(str(error).split())[:200]}")
            return compute

    # -------------------------------------------------------------------------------------------------------- fused

    def _may_fuse(self) -> bool:
        return self._options.kernel != "torch" and (self.dtype, self.device) == ("float32", "cpu")

    def _prepare_fused(self, topology: Topology) -> Evaluator | None:
        """The fused kernel; None, with a notice, where it is missing, breaks or disagrees with plain torch.

        Its first answer on each kind of system is checked once more, at the positions that it was asked about.
        """
        import torch

        problem = self._fused_problem(topology)
        if problem:
            self._fall_back(problem)
            return None
        call, unseen, box = self._fused_call(topology), self._unseen(topology), Box(topology)
        volumes = _volumes(topology)
        instead: Evaluator | None = None

        def evaluate(positions: torch.Tensor, cells: torch.Tensor) -> Evaluation:
            nonlocal instead, volumes
            x = positions.detach().cpu().numpy()
            if box.follow(cells):
                now = dataclasses.replace(topology, cells=box.cells)
                call.look_for_pairs_with(self._list(now))
                volumes = _volumes(now)
            if unseen:
                problem = self._look(unseen, x, dataclasses.replace(topology, cells=box.cells))
                if problem:
                    self._fall_back(problem)
                    self.kernel, instead = "torch", self._prepare_torch(topology, self.dtype, self.device)
            if instead is not None:
                return instead(positions, cells)
            energy, forces = call(x)
            if volumes is None:
                return box.checked(Evaluation(torch.from_numpy(energy), torch.from_numpy(forces)))
            stress = 0.5 * (call.virial + call.virial.transpose(0, 2, 1)) / volumes
            found = Evaluation(
                torch.from_numpy(energy), torch.from_numpy(forces), stress=lambda: torch.from_numpy(stress)
            )
            return box.checked(found)

        return evaluate

    def _fused_call(self, topology: Topology) -> FusedEvaluator:
        """The kernel on these systems, with lists of pairs where it needs them."""
        from mdprotocol_plugins.models.painn.neighbours import needs_list

        listed = self._list(topology) if needs_list(topology) else None
        return self._fused.prepare(topology.numbers, topology.offsets, listed)

    def _list(self, topology: Topology) -> ListPairs:
        from mdprotocol_plugins.models.painn.neighbours import SkinList

        return SkinList(topology, self._card.architecture.cutoff_A).arrays

    def _fused_problem(self, topology: Topology) -> str:
        """Why the fused kernel cannot be trusted with these systems, else empty. Checked once a composition."""
        try:
            if self._fused is None:
                from mdprotocol_plugins.models.painn.fused.kernel import FusedKernel

                self._fused = FusedKernel(self._tensors, self._card.architecture)
            for b in _distinct(topology).values():
                some = _lattice_of(_copy_of(topology, b))
                atoms = some.numbers.tobytes()
                if atoms not in self._checked:
                    self._checked[atoms] = self._disagreement(some, _shaken_lattice(len(some.numbers)))
                if self._checked[atoms]:
                    return self._checked[atoms]
        except Exception as error:  # a compiler can fail in many ways; the plain network is there and right
            return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        return next((found for key in _distinct(topology) if (found := self._seen.get(key, ""))), "")

    def _unseen(self, topology: Topology) -> dict[bytes, int]:
        """Systems whose first answer is still to be checked: the first copy of each."""
        atoms = np.diff(topology.offsets)
        return {
            key: b for key, b in _distinct(topology).items() if key not in self._seen and atoms[b] <= LARGEST_CHECKED
        }

    def _look(self, unseen: dict[bytes, int], x: np.ndarray, topology: Topology) -> str:
        """Check the systems `unseen` so far, at these positions; what has been looked at is taken out."""
        for key, b in list(unseen.items()):
            own = slice(int(topology.offsets[b]), int(topology.offsets[b + 1]))
            if (np.abs(x[own]) < FARTHEST_A).all():
                del unseen[key]
                self._seen[key] = self._disagreement(_copy_of(topology, b), x[own])
                if self._seen[key]:
                    return self._seen[key]
        return ""

    def _disagreement(self, alone: Topology, x: np.ndarray) -> str:
        """Compare forces of one system with plain torch in float64 at positions `x` (n, 3) Å; empty where they agree."""
        import torch

        _, forces = self._fused_call(alone)(x)
        plain = self._prepare_torch(alone, "float64", "cpu")
        exact = plain(torch.tensor(x), torch.from_numpy(alone.cells)).forces.numpy()
        scale = max(1.0, float(np.abs(exact).max()) / 10.0)
        error = float(np.abs(forces - exact).max()) / scale
        return "" if error < FUSED_TOLERANCE else f"its forces differ from plain torch by {error:.2g} eV/Å"

    def _fall_back(self, problem: str) -> None:
        if self._options.kernel == "fused":
            raise UsageError(f"model '{self._card.name}': kernel 'fused' cannot be used: {problem}")
        self._notice(f"model '{self._card.name}' runs on plain torch, not on the fused kernel: {problem}")

    def _notice(self, notice: str) -> None:
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


def without_broken(
    where: torch.Tensor, owner: torch.Tensor, energy: torch.Tensor, forces: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Energy and forces with NaN for copies with a broken position: their pairs have been lost, and the rest may look
    plausible. Nothing is asked of the device, so that a GPU is not waited for."""
    import torch

    broken = ~(where.abs() < FARTHEST_A).all(dim=1)
    copies = torch.zeros_like(energy).index_add(0, owner, broken.to(energy.dtype)) > 0
    return energy.masked_fill(copies, torch.nan), forces.masked_fill(copies[owner][:, None], torch.nan)


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


def _volumes(topology: Topology) -> np.ndarray | None:
    """(B, 1, 1) Å³ of the cells; None where an axis is open."""
    return np.abs(np.linalg.det(topology.cells))[:, None, None] if bool(topology.pbc.all()) else None


def _distinct(topology: Topology) -> dict[bytes, int]:
    """Each different system of a batch, by its atoms and cell: the first copy of it."""
    found: dict[bytes, int] = {}
    for b in range(topology.copies):
        numbers = topology.numbers[topology.offsets[b] : topology.offsets[b + 1]]
        found.setdefault(numbers.tobytes() + topology.cells[b].tobytes() + topology.pbc[b].tobytes(), b)
    return found


def _copy_of(topology: Topology, b: int) -> Topology:
    """Copy `b` by itself."""
    own = slice(int(topology.offsets[b]), int(topology.offsets[b + 1]))
    numbers, masses, this = topology.numbers[own], topology.masses[own], slice(b, b + 1)
    offsets = np.array([0, len(numbers)], dtype=np.int64)
    return Topology(numbers, masses, offsets, topology.cells[this], topology.pbc[this], topology.charges[this])


def _lattice_of(alone: Topology) -> Topology:
    """Some atoms of a system, of all its elements, as an open molecule."""
    n = len(alone.numbers)
    some = np.unique(np.linspace(0, n - 1, min(n, LATTICE_ATOMS)).astype(int)) if n else np.zeros(0, dtype=int)
    some = np.union1d(some, np.unique(alone.numbers, return_index=True)[1])
    zero, offsets = np.zeros((1, 3, 3)), np.array([0, len(some)], dtype=np.int64)
    return Topology(alone.numbers[some], alone.masses[some], offsets, zero, zero[:, 0] > 0, alone.charges)


def _shaken_lattice(n: int) -> np.ndarray:
    """(n, 3) Å: points about a bond apart, none of them where symmetry would hide an error."""
    side = int(np.ceil(n ** (1 / 3)))
    grid = np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)[:n]
    return CHECK_SPACING_A * grid + np.random.default_rng(n).uniform(-0.1, 0.1, (n, 3))


def _symbols(numbers: list[int] | tuple[int, ...]) -> str:
    return ", ".join(chemical_symbols[z] if 0 < z < len(chemical_symbols) else str(z) for z in sorted(numbers))
