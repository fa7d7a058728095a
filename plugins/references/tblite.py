"""GFN2-xTB and GFN1-xTB by tblite."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from ase.data import chemical_symbols
from pydantic import Field

from mdprotocol.api import (
    BOHR_A,
    HARTREE_EV,
    KB_EV_PER_K,
    Box,
    Evaluation,
    Evaluator,
    ForceField,
    Structure,
    StructureError,
    Teacher,
    Topology,
    UsageError,
)

if TYPE_CHECKING:
    import torch

HEAVIEST = 86


class TBLite(Teacher):
    """GFN2-xTB or GFN1-xTB, extended tight binding, by tblite.

    Bannwarth, Ehlert, Grimme, J. Chem. Theory Comput. 15, 1652 (2019); Grimme, Bannwarth, Shushkov, ibid. 13, 1989
    (2017).
    Every call starts from the same guess: no density is carried over, so that a label depends on the geometry alone and
    not on what was calculated before. A self-consistent field that does not converge is an error of its copy, and of no
    other. Odd numbers of electrons are treated with fractional occupation at the electronic temperature.
    """

    type: Literal["tblite"] = "tblite"
    lacks: ClassVar = frozenset({"kernel", "parameters"})
    method: Literal["GFN2-xTB", "GFN1-xTB"] = "GFN2-xTB"
    accuracy: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """Factor on all numerical thresholds: smaller is tighter."""
    electronic_temperature_K: Annotated[float, Field(gt=0, le=20_000)] = 300.0
    max_iterations: Annotated[int, Field(ge=1, le=10_000)] = 250

    def inspect(self, base: Path, structures: Sequence[Structure]) -> Iterator[str]:
        return (reason for structure in structures for reason in refusals(self.method, structure.numbers))

    def packages(self) -> tuple[str, ...]:
        return ("tblite",)

    def load(self, base: Path) -> ForceField:
        return TBLiteForceField(self)


def refusals(method: str, numbers: np.ndarray) -> Iterator[str]:
    """Why the method cannot treat atoms of these atomic numbers."""
    heavy = sorted({int(z) for z in numbers if z > HEAVIEST})
    if heavy:
        yield f"{method} knows the elements up to radon, not {', '.join(chemical_symbols[z] for z in heavy)}"


class TBLiteForceField(ForceField):
    """One tblite calculator a copy."""

    kernel = "tblite"

    def __init__(self, options: TBLite) -> None:
        self._options, self._interface = options, _interface()
        self._openmp = _openmp()

    def prepare(self, topology: Topology) -> Evaluator:
        import torch

        for reason in refusals(self._options.method, topology.numbers):
            raise StructureError(reason)
        copies = [_Copy(self._interface, self._options, topology, b) for b in range(topology.copies)]
        box = Box(topology)

        def evaluate(positions: torch.Tensor, cells: torch.Tensor) -> Evaluation:
            x = positions.detach().cpu().numpy()
            if box.follow(cells):
                for copy, cell in zip(copies, box.cells, strict=True):
                    copy.set_cell(cell)
            energy, forces, errors = np.full(len(copies), np.nan), np.full(x.shape, np.nan), {}
            with one_thread(self._openmp):
                for b, copy in enumerate(copies):
                    try:
                        energy[b], forces[copy.atoms] = copy(x[copy.atoms])
                    except Exception as error:  # of tblite or its bindings; it ends this copy only
                        errors[b] = f"{self._options.method}: {error}"
            return box.checked(Evaluation(torch.from_numpy(energy), torch.from_numpy(forces), errors))

        return evaluate


class _Copy:
    """One copy's calculator; made anew after a failure."""

    def __init__(self, interface: Any, options: TBLite, topology: Topology, b: int) -> None:
        self.atoms = slice(int(topology.offsets[b]), int(topology.offsets[b + 1]))
        self._interface, self._options = interface, options
        self._numbers = topology.numbers[self.atoms]
        self._charge = float(topology.charges[b])
        self._periodic = topology.pbc[b] if topology.pbc[b].any() else None
        self._lattice: np.ndarray | None = None
        self.set_cell(topology.cells[b])
        self._calculator: Any = None

    def set_cell(self, cell: np.ndarray) -> None:
        """Cell (3, 3) Å of the next calls; without meaning in an open system."""
        self._lattice = None if self._periodic is None else cell / BOHR_A

    def __call__(self, positions: np.ndarray) -> tuple[float, np.ndarray]:
        """Energy (eV) and forces (n, 3) eV/Å.

        Raises:
            RuntimeError, ValueError: there is no answer for this geometry; the text says why.
        """
        if not np.isfinite(positions).all():
            raise ValueError("positions are not finite")
        calculator = self._at(np.ascontiguousarray(positions, dtype=np.float64) / BOHR_A)
        result = calculator.singlepoint()
        self._calculator = calculator
        energy = float(result.get("energy")) * HARTREE_EV
        forces = -np.array(result.get("gradient"), dtype=np.float64) * (HARTREE_EV / BOHR_A)
        if not (np.isfinite(energy) and np.isfinite(forces).all()):
            raise ValueError("energy or forces are not finite")
        return energy, forces

    def _at(self, bohr: np.ndarray) -> Any:
        """The calculator at these positions; it is kept only when the calculation succeeds."""
        calculator, self._calculator = self._calculator, None
        if calculator is None:
            return self._new(bohr)
        calculator.update(bohr, self._lattice)
        return calculator

    def _new(self, bohr: np.ndarray) -> Any:
        options = self._options
        calculator = self._interface.Calculator(
            options.method, self._numbers, bohr, charge=self._charge, lattice=self._lattice, periodic=self._periodic
        )
        calculator.set("verbosity", 0)
        calculator.set("accuracy", options.accuracy)
        calculator.set("temperature", options.electronic_temperature_K * KB_EV_PER_K / HARTREE_EV)
        calculator.set("max-iter", options.max_iterations)
        return calculator


@contextlib.contextmanager
def one_thread(openmp: Any) -> Iterator[None]:
    """One OpenMP thread: more cost time on molecules of this size, and let the last digits change from call to call."""
    if openmp is None:
        yield
        return
    before = openmp.omp_get_max_threads()
    openmp.omp_set_num_threads(1)
    try:
        yield
    finally:
        openmp.omp_set_num_threads(before)


def _openmp() -> Any:
    """The OpenMP library that tblite is linked with (found through tblite's own extension); None where there is none."""
    try:
        from tblite import _libtblite

        library = ctypes.CDLL(_libtblite.__file__)
        return library if library.omp_get_max_threads() > 0 else None
    except (AttributeError, ImportError, OSError):
        return None


def _interface() -> Any:
    """tblite's Python interface."""
    try:
        import tblite.interface
    except (ImportError, OSError) as error:
        raise UsageError(f"tblite cannot be loaded: {error}; pip install tblite") from error
    return tblite.interface
