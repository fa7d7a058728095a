"""Any ASE calculator as a model: one calculator a copy behind the batched contract."""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import importlib.util
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator, FileIOCalculator
from pydantic import Field, JsonValue

from mdprotocol.api import Evaluation, Evaluator, ForceField, Model, PluginError, Topology

if TYPE_CHECKING:
    import torch


class AseModel(Model):
    """Any ASE calculator by import path and keyword arguments, such as `ase.calculators.emt:EMT`.

    This imports and calls installed code with arguments from the protocol: run only protocols that you trust. What it
    calls must be a calculator class, or a function of a package that builds on ASE; arguments that name a shell command
    are refused. Forces are those of `free_energy` where the calculator has one, so that energy and forces belong
    together. The charge of a system is passed as `atoms.info["charge"]` and as initial charges; a calculator that reads
    neither treats the system as neutral.
    """

    type: Literal["ase"] = "ase"
    calculator: Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")]
    """`module:name` of a calculator class or of a function that returns a calculator."""
    arguments: dict[str, JsonValue] = {}
    """Keyword arguments. A text that stands in `data_files` too is given as that file's absolute path."""
    data_files: tuple[str, ...] = ()
    """Files that determine the calculator (weights), relative to the protocol's folder: they enter a run's identity."""
    shared: bool = False
    """One calculator for all copies, for one without memory of earlier calls (networks: it saves memory)."""

    def files(self, base: Path) -> tuple[Path, ...]:
        _check_installed(self.calculator)
        return tuple(base / file for file in self.data_files)

    def packages(self) -> tuple[str, ...]:
        return (self.calculator.partition(":")[0].partition(".")[0],)

    def load(self, base: Path) -> ForceField:
        paths = {file: str((base / file).absolute()) for file in self.data_files}
        make = _find(self.calculator)
        arguments = {name: _with_paths(value, paths) for name, value in self.arguments.items()}
        _check_call(self.calculator, make, arguments)
        return AseForceField(self.calculator, make, arguments, self.shared)


class AseForceField(ForceField):
    """Calculators made by one class or function, behind the batched contract."""

    kernel = "ase"

    def __init__(self, path: str, make: Callable[..., Any], arguments: Mapping[str, Any], shared: bool) -> None:
        self._path, self._make, self._arguments = path, make, arguments
        first = self._new()
        self._shared = first if shared else None
        self._unused = None if shared else first
        self.remembers = not shared  # what a calculator keeps between calls cannot be seen from here
        self.parameters, self.weights_bytes = network_size(first)

    def prepare(self, topology: Topology) -> Evaluator:
        import torch

        copies = [self._atoms(topology, b) for b in range(topology.copies)]
        slices = [slice(int(a), int(b)) for a, b in zip(topology.offsets[:-1], topology.offsets[1:], strict=True)]

        def evaluate(positions: torch.Tensor) -> Evaluation:
            x = positions.detach().cpu().numpy()
            energy, forces, errors = np.full(len(copies), np.nan), np.full(x.shape, np.nan), {}
            for b, (atoms, own) in enumerate(zip(copies, slices, strict=True)):
                try:
                    energy[b], forces[own] = _evaluated(atoms, x[own])
                except Exception as error:  # a calculator may raise anything; it ends this copy only
                    errors[b] = f"{type(error).__name__}: {_short(error)}"
            stress = (
                None if errors or not _gives_stress(copies) else lambda: torch.from_numpy(_stresses(copies, x, slices))
            )
            return Evaluation(torch.from_numpy(energy), torch.from_numpy(forces), errors, stress)

        return evaluate

    def calculator(self) -> Any:
        return self._new()

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
        try:
            made = self._make(**self._arguments)
        except TypeError as error:
            raise PluginError(f"calculator '{self._path}' does not take these arguments: {_short(error)}") from error
        except Exception as error:
            text = f"{type(error).__name__}: {_short(error)}"
            raise PluginError(f"calculator '{self._path}' cannot be made: {text}") from error
        if not callable(getattr(made, "get_property", None)):
            raise PluginError(f"'{self._path}' gave a {type(made).__name__}, which is no ASE calculator")
        return made


def _evaluated(atoms: Atoms, positions: np.ndarray) -> tuple[float, np.ndarray]:
    """Energy (eV) and forces (n, 3) eV/Å, in agreement with each other."""
    if not np.isfinite(positions).all():
        raise ValueError("positions are not finite")
    atoms.positions[:] = positions
    forces = np.array(atoms.get_forces(apply_constraint=False), dtype=np.float64)
    energy = getattr(atoms.calc, "results", {}).get("free_energy")
    energy = float(atoms.get_potential_energy() if energy is None else energy)
    if not (np.isfinite(energy) and np.isfinite(forces).all()):
        raise ValueError("energy or forces are not finite")
    return energy, forces


def _gives_stress(copies: Sequence[Atoms]) -> bool:
    return all(atoms.pbc.all() and "stress" in getattr(atoms.calc, "implemented_properties", ()) for atoms in copies)


def _stresses(copies: Sequence[Atoms], positions: np.ndarray, slices: Sequence[slice]) -> np.ndarray:
    """(B, 3, 3) eV/Å³ at positions (N, 3), to which the copies may have to return."""
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


# ------------------------------------------------------------------------------------------ finding the calculator


def _check_installed(path: str) -> None:
    """The package is there; nothing of it is imported yet, for checking a protocol must stay quick."""
    package = path.partition(":")[0].partition(".")[0]
    _refuse_standard_library(path, package)
    if package not in sys.modules and importlib.util.find_spec(package) is None:
        raise PluginError(f"calculator '{path}': the package '{package}' is not installed")


def _find(path: str) -> Callable[..., Any]:
    _check_installed(path)
    module_name, _, name = path.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except Exception as error:  # importing a package can fail in any way
        text = f"{type(error).__name__}: {_short(error)}"
        raise PluginError(f"calculator '{path}': module '{module_name}' cannot be imported: {text}") from error
    for part in name.split("."):
        if not hasattr(found, part):
            near = difflib.get_close_matches(part, [n for n in dir(found) if not n.startswith("_")], 1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise PluginError(f"calculator '{path}': '{module_name}' has no '{part}'{hint}")
        found = getattr(found, part)
    return found


def _check_call(path: str, make: Any, arguments: Mapping[str, Any]) -> None:
    """A protocol is data: it may choose a calculator, but not call any function there is."""
    if not callable(make):
        raise PluginError(f"calculator '{path}' is a {type(make).__name__}; a class or function is needed")
    if isinstance(make, type):
        if not (issubclass(make, BaseCalculator) or callable(getattr(make, "get_property", None))):
            raise PluginError(f"'{path}' is a class, but no ASE calculator")
        if issubclass(make, FileIOCalculator) and "command" in arguments:
            raise PluginError(f"calculator '{path}': a protocol may not give a command; set it in ASE's configuration")
        return
    package = str(getattr(make, "__module__", "") or "").partition(".")[0]
    _refuse_standard_library(path, package)
    if not _builds_on_ase(package):
        raise PluginError(f"'{path}' is a function of '{package}', a package that does not build on ASE")


def _refuse_standard_library(path: str, package: str) -> None:
    if package in sys.stdlib_module_names:
        raise PluginError(f"calculator '{path}': '{package}' is part of Python and has no calculators")


def _builds_on_ase(package: str) -> bool:
    """Whether a distribution that brings this package requires ASE; a module that none brings is the user's own."""
    brought_by = importlib.metadata.packages_distributions().get(package, [])
    if package == "ase" or not brought_by:
        return bool(package)
    needed = [line for name in brought_by for line in importlib.metadata.requires(name) or []]
    return any(re.match(r"ase\b(?![-.])", line, flags=re.IGNORECASE) for line in needed)


def _with_paths(value: Any, paths: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return paths.get(value, value)
    if isinstance(value, list):
        return [_with_paths(item, paths) for item in value]
    if isinstance(value, dict):
        return {key: _with_paths(item, paths) for key, item in value.items()}
    return value


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else text[:300] + "..."
