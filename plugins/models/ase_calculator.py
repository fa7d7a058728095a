"""Any ASE calculator as a model."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from ase import Atoms
from pydantic import Field

from mdprotocol.api import Evaluation, Evaluator, ForceField, Model, PluginError, StructureError, Topology

if TYPE_CHECKING:
    import torch


class ASECalculator(Model):
    """Any ASE calculator, by import path and keyword arguments.

    The path names installed code, which is imported and called: `ase.calculators.emt:EMT`, `mace.calculators:mace_off`.
    Each copy of a batch has a calculator of its own, so that no state passes from one to another.
    """

    type: Literal["ase"] = "ase"
    calculator: Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
    """`module:name` of a class or function that returns a calculator."""
    arguments: dict[str, Any] = {}
    """Keyword arguments for it."""

    def load(self, base: Path) -> ForceField:
        return ASEForceField(self.calculator, self._factory(), self.arguments)

    def _factory(self) -> Callable[..., Any]:
        module_name, _, name = self.calculator.partition(":")
        try:
            module = importlib.import_module(module_name)
        except ImportError as error:
            raise PluginError(f"calculator '{self.calculator}': module {module_name} cannot be imported ({error})") from error
        if not hasattr(module, name):
            near = difflib.get_close_matches(name, [n for n in dir(module) if not n.startswith("_")], 1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise PluginError(f"calculator '{self.calculator}': {module_name} has no '{name}'{hint}")
        return getattr(module, name)  # type: ignore[no-any-return]


class ASEForceField(ForceField):
    """A factory of calculators behind the batched contract."""

    kernel = "ase"

    def __init__(self, path: str, factory: Callable[..., Any], arguments: dict[str, Any]) -> None:
        self._path, self._factory, self._arguments = path, factory, arguments
        first = self._calculator()
        network = getattr(first, "model", None) or next(iter(getattr(first, "models", None) or ()), None)
        if callable(getattr(network, "parameters", None)):
            tensors = list(network.parameters())
            self.parameters = sum(t.numel() for t in tensors)
            self.weights_bytes = sum(t.numel() * t.element_size() for t in tensors)

    def _calculator(self) -> Any:
        try:
            return self._factory(**self._arguments)
        except Exception as error:
            raise PluginError(f"calculator '{self._path}' cannot be made: {type(error).__name__}: {error}") from error

    def prepare(self, topology: Topology) -> Evaluator:
        import torch

        copies = [self._atoms(topology, b) for b in range(topology.copies)]
        slices = [slice(int(a), int(b)) for a, b in zip(topology.offsets[:-1], topology.offsets[1:], strict=True)]

        def evaluate(positions: torch.Tensor) -> Evaluation:
            x = positions.detach().cpu().numpy()
            energy, forces, errors = np.full(len(copies), np.nan), np.full(x.shape, np.nan), {}
            for b, (atoms, mine) in enumerate(zip(copies, slices, strict=True)):
                try:
                    energy[b], forces[mine] = self._evaluate(atoms, x[mine])
                except Exception as error:  # a calculator may raise anything; it ends this copy only
                    errors[b] = f"{type(error).__name__}: {error}"
            return Evaluation(torch.from_numpy(energy), torch.from_numpy(forces), errors)

        return evaluate

    def _atoms(self, topology: Topology, b: int) -> Atoms:
        mine = slice(int(topology.offsets[b]), int(topology.offsets[b + 1]))
        if topology.charges[b] != 0:
            raise StructureError(f"an ASE calculator is not told the charge {topology.charges[b]}; give it in arguments")
        n = mine.stop - mine.start
        atoms = Atoms(
            numbers=topology.numbers[mine],
            positions=np.zeros((n, 3)),
            masses=topology.masses[mine],
            cell=topology.cells[b],
            pbc=topology.pbc[b],
        )
        atoms.calc = self._calculator()
        return atoms

    @staticmethod
    def _evaluate(atoms: Atoms, positions: np.ndarray) -> tuple[float, np.ndarray]:
        if not np.isfinite(positions).all():
            raise ValueError("positions are not finite")
        atoms.positions[:] = positions
        return float(atoms.get_potential_energy()), np.asarray(atoms.get_forces())
