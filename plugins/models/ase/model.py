"""Any ASE calculator as a model: one calculator a copy behind the batched contract."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from ase import Atoms
from pydantic import Field, JsonValue

from mdprotocol.api import (
    Box,
    Evaluation,
    Evaluator,
    ForceField,
    Model,
    PluginError,
    Structure,
    Topology,
    asked_to_stop,
    modules,
)
from mdprotocol_plugins.models.ase.arguments import argument_files, given
from mdprotocol_plugins.models.ase.calculators import (
    check_installed,
    check_made,
    check_programs,
    find_calculator,
    keeps_files,
    objections,
    short,
)
from mdprotocol_plugins.models.ase.guard import NoPrograms

if TYPE_CHECKING:
    import torch


class AseModel(Model):
    """Any ASE calculator by import path and keyword arguments, such as `ase.calculators.emt:EMT`.

    Of ASE itself, this calls calculator classes alone; of other installed packages, calculator classes, and functions where
    the package builds on ASE; what they return must be a calculator. A module that no installed package brings is imported
    only with --allow-local-plugins, and a calculator starts other programs only with --allow-commands. Forces are those of
    `free_energy` where the calculator has one, so that energy and forces belong together. The charge of a system is passed
    as `atoms.info["charge"]` and as initial charges; a calculator that reads neither treats the system as neutral.

    What computes the model is part of it: its code, the versions of what it builds on, and every file that its arguments
    name, also within a folder.
    """

    type: Literal["ase"] = "ase"
    lacks: ClassVar = frozenset({"kernel", "parameters"})
    calculator: Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")]
    """`module:name` of a calculator class or of a function that returns a calculator."""
    arguments: dict[str, JsonValue] = {}
    """Keyword arguments. A text that names a file or folder in the protocol's folder is given as its absolute path."""
    data_files: tuple[str, ...] = ()
    """Files that determine the calculator besides those that its arguments name, relative to the protocol's folder."""
    shared: bool = False
    """One calculator for all copies, for one without memory of earlier calls (networks: it saves memory)."""

    def inspect(self, base: Path, structures: Sequence[Structure]) -> Iterator[str]:
        return objections(self.calculator)

    def files(self, base: Path) -> tuple[Path, ...]:
        check_installed(self.calculator)
        return tuple(argument_files(self._naming_data(), self.data_files, base))

    def sources(self, base: Path) -> Mapping[str, Path]:
        return modules.code_of(self.calculator.partition(":")[0]).files

    def packages(self) -> tuple[str, ...]:
        return tuple(modules.code_of(self.calculator.partition(":")[0]).packages)

    def load(self, base: Path) -> ForceField:
        make = find_calculator(self.calculator)
        check_programs(self.calculator, make)
        arguments = self.arguments | given(self._naming_data(), self.data_files, base)
        return AseForceField(self.calculator, make, arguments, self.shared)

    def _naming_data(self) -> dict[str, JsonValue]:
        """The arguments that may name data: those that say where a calculator keeps its own files are none."""
        own = {"directory", "label"} if keeps_files(self.calculator) else set[str]()
        return {name: value for name, value in self.arguments.items() if name not in own}


class AseForceField(ForceField):
    """Calculators made by one class or function, behind the batched contract.

    Raises:
        PluginError: here and from evaluators, where a calculator tries to start a program that the user has not allowed.
    """

    kernel = "ase"

    def __init__(self, path: str, make: Callable[..., Any], arguments: Mapping[str, Any], shared: bool) -> None:
        self._path, self._make, self._arguments = path, make, arguments
        self._no_programs = NoPrograms(path)
        first = self._new()
        self._shared = first if shared else None
        self._unused = None if shared else first
        self.remembers = not shared  # what a calculator keeps between calls cannot be seen from here
        self.parameters, self.weights_bytes = network_size(first)

    def prepare(self, topology: Topology) -> Evaluator:
        import torch

        copies, box = [self._atoms(topology, b) for b in range(topology.copies)], Box(topology)
        slices = [slice(int(a), int(b)) for a, b in zip(topology.offsets[:-1], topology.offsets[1:], strict=True)]

        def evaluate(positions: torch.Tensor, cells: torch.Tensor) -> Evaluation:
            x = positions.detach().cpu().numpy()
            if box.follow(cells):
                _set_cells(copies, box.cells)
            energy, forces, errors = np.full(len(copies), np.nan), np.full(x.shape, np.nan), {}
            with self._no_programs:
                for b, (atoms, own) in enumerate(zip(copies, slices, strict=True)):
                    try:
                        energy[b], forces[own] = _evaluated(atoms, x[own])
                    except BaseException as error:  # a calculator may raise anything; it ends this copy only
                        if asked_to_stop(error):
                            raise
                        errors[b] = f"{type(error).__name__}: {short(error)}"

            at = box.cells

            def stress() -> torch.Tensor:
                with self._no_programs:
                    return torch.from_numpy(_stresses(copies, x, at, slices))

            known = stress if not errors and _gives_stress(copies) else None
            return box.checked(Evaluation(torch.from_numpy(energy), torch.from_numpy(forces), errors, known))

        return evaluate

    def calculator(self) -> Any:
        made = self._new()
        ask = made.get_property

        def get_property(*arguments: Any, **options: Any) -> Any:
            with self._no_programs:
                return ask(*arguments, **options)

        made.get_property = get_property
        return made

    def _atoms(self, topology: Topology, b: int) -> Atoms:
        own = slice(int(topology.offsets[b]), int(topology.offsets[b + 1]))
        charge, n = int(topology.charges[b]), own.stop - own.start
        atoms = Atoms(
            numbers=topology.numbers[own],
            positions=np.zeros((n, 3)),
            masses=topology.masses[own],
            cell=topology.cells[b],
            pbc=topology.pbc[b],
            charges=np.full(n, charge / n) if charge else None,
            info={"charge": charge} if charge else None,
        )
        atoms.calc = self._calculator()
        return atoms

    def _calculator(self) -> Any:
        if self._shared is not None:
            return self._shared
        first, self._unused = self._unused, None
        return self._new() if first is None else first

    def _new(self) -> Any:
        with self._no_programs:
            made = self._made()
        check_made(self._path, made)
        return made

    def _made(self) -> Any:
        try:
            return self._make(**self._arguments)
        except TypeError as error:
            raise PluginError(f"calculator '{self._path}' does not take these arguments: {short(error)}") from error
        except BaseException as error:
            if asked_to_stop(error):
                raise
            text = f"{type(error).__name__}: {short(error)}"
            raise PluginError(f"calculator '{self._path}' cannot be made: {text}") from error


def _evaluated(atoms: Atoms, positions: np.ndarray) -> tuple[float, np.ndarray]:
    """Energy (eV) and forces (n, 3) eV/Å, in agreement with each other."""
    if not np.isfinite(positions).all():
        raise ValueError("positions are not finite")
    atoms.positions[:] = positions
    forces = _numbers(atoms.get_forces(apply_constraint=False), "forces")
    energy = getattr(atoms.calc, "results", {}).get("free_energy")
    energy = _numbers(atoms.get_potential_energy() if energy is None else energy, "energy")
    if forces.shape != positions.shape or energy.size != 1:
        raise ValueError(
            f"the calculator gave energies {energy.shape} and forces {forces.shape} for {len(atoms)} atoms"
        )
    if not (np.isfinite(energy).all() and np.isfinite(forces).all()):
        raise ValueError("energy or forces are not finite")
    return energy.item(), forces


def _numbers(answer: Any, what: str) -> np.ndarray:
    """An answer as float64, copied; nothing is dropped, parsed or filled in.

    Raises:
        ValueError: it is not made of real numbers.
    """
    found = np.ma.asanyarray(answer) if np.ma.isMaskedArray(answer) else np.asarray(answer)
    if found.dtype.kind not in "fiu" or np.ma.is_masked(found):
        kind = "masked numbers" if np.ma.is_masked(found) else f"type {found.dtype}"
        raise ValueError(f"the calculator gave {what} of {kind}, not real numbers")
    return np.array(found, dtype=np.float64)


def _gives_stress(copies: Sequence[Atoms]) -> bool:
    return all(atoms.pbc.all() and "stress" in getattr(atoms.calc, "implemented_properties", ()) for atoms in copies)


def _set_cells(copies: Sequence[Atoms], cells: np.ndarray) -> None:
    """Cells (B, 3, 3) Å; one that stays is not touched, for a calculator may make its list anew where a cell is set."""
    for atoms, cell in zip(copies, cells, strict=True):
        if atoms.pbc.any() and not np.array_equal(atoms.cell[:], cell):
            atoms.set_cell(cell)


def _stresses(copies: Sequence[Atoms], positions: np.ndarray, cells: np.ndarray, slices: Sequence[slice]) -> np.ndarray:
    """(B, 3, 3) eV/Å³ at positions (N, 3) in cells (B, 3, 3), to which the copies may have to return."""
    _set_cells(copies, cells)
    for atoms, own in zip(copies, slices, strict=True):
        atoms.positions[:] = positions[own]
    return np.stack([np.asarray(atoms.get_stress(voigt=False, apply_constraint=False)) for atoms in copies])


def network_size(calculator: Any) -> tuple[int, int]:
    """Parameters, and bytes of parameters and buffers, of the torch networks that a calculator holds; zeros if none."""
    torch = sys.modules.get("torch")
    if torch is None:
        return 0, 0
    held = [v for value in vars(calculator).values() for v in (value if isinstance(value, list | tuple) else [value])]
    networks = [value for value in held if isinstance(value, torch.nn.Module)]
    tensors = {id(p): p for network in networks for p in network.parameters()}
    buffers = {id(t): t for network in networks for t in network.buffers()}
    count = sum(p.numel() for p in tensors.values())
    return count, sum(t.numel() * t.element_size() for t in (tensors | buffers).values())
