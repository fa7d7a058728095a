"""GFN2-xTB and GFN1-xTB by tblite."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from mdprotocol.api import BOHR_A, HARTREE_EV, Evaluation, Evaluator, ForceField, Reference, Topology

if TYPE_CHECKING:
    import torch


class TBLite(Reference):
    """Extended tight binding (GFN2-xTB, GFN1-xTB) by tblite.

    Bannwarth, Ehlert, Grimme, J. Chem. Theory Comput. 15, 1652 (2019). Every call starts from scratch: no density is
    carried over, so a label depends on the geometry alone. A self-consistent field that does not converge is an error of
    that copy, with its reason, and of no other.
    """

    type: Literal["tblite"] = "tblite"
    method: Literal["GFN2-xTB", "GFN1-xTB"] = "GFN2-xTB"
    accuracy: Annotated[float, Field(gt=0, le=1000)] = 1.0
    electronic_temperature_K: Annotated[float, Field(ge=0, le=20_000)] = 300.0
    max_iterations: Annotated[int, Field(ge=1, le=10_000)] = 250

    def load(self, base: Path) -> ForceField:
        return TBLiteForceField(self)


class TBLiteForceField(ForceField):
    """One tblite calculator a copy."""

    kernel = "tblite"

    def __init__(self, options: TBLite) -> None:
        self._options = options

    def prepare(self, topology: Topology) -> Evaluator:
        import torch

        copies = [_Copy(self._options, topology, b) for b in range(topology.copies)]

        def evaluate(positions: torch.Tensor) -> Evaluation:
            x = positions.detach().cpu().numpy()
            energy, forces, errors = np.full(len(copies), np.nan), np.full(x.shape, np.nan), {}
            for b, copy in enumerate(copies):
                try:
                    energy[b], forces[copy.atoms] = copy(x[copy.atoms])
                except RuntimeError as error:
                    errors[b] = f"tblite: {error}"
            return Evaluation(torch.from_numpy(energy), torch.from_numpy(forces), errors)

        return evaluate


class _Copy:
    def __init__(self, options: TBLite, topology: Topology, b: int) -> None:
        self.atoms = slice(int(topology.offsets[b]), int(topology.offsets[b + 1]))
        self._options = options
        self._numbers = topology.numbers[self.atoms]
        self._charge = float(topology.charges[b])
        periodic = bool(topology.pbc[b].any())
        self._lattice = topology.cells[b] / BOHR_A if periodic else None
        self._periodic = topology.pbc[b] if periodic else None
        self._calculator: Any = None

    def __call__(self, positions: np.ndarray) -> tuple[float, np.ndarray]:
        """Energy (eV) and forces (n, 3) eV/Å; RuntimeError where there is no answer."""
        if not np.isfinite(positions).all():
            raise RuntimeError("positions are not finite")
        bohr = np.ascontiguousarray(positions) / BOHR_A
        if self._calculator is None:
            self._calculator = self._new(bohr)
        else:
            self._calculator.update(bohr, self._lattice)
        try:
            result = self._calculator.singlepoint()
        except RuntimeError:
            self._calculator = None
            raise
        energy = float(result.get("energy")) * HARTREE_EV
        forces = -np.asarray(result.get("gradient")) * (HARTREE_EV / BOHR_A)
        if not (np.isfinite(energy) and np.isfinite(forces).all()):
            raise RuntimeError("energy or forces are not finite")
        return energy, forces

    def _new(self, bohr: np.ndarray) -> Any:
        from tblite.interface import Calculator

        o = self._options
        calculator = Calculator(
            o.method, self._numbers, bohr, charge=self._charge, lattice=self._lattice, periodic=self._periodic
        )
        for name, value in (
            ("verbosity", 0),
            ("accuracy", o.accuracy),
            ("temperature", o.electronic_temperature_K * 3.166808578545117e-06),  # kB in Hartree/K
            ("max-iter", o.max_iterations),
        ):
            calculator.set(name, value)
        return calculator
