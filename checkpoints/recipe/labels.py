"""The teacher: GFN2-xTB energies and forces by tblite (Bannwarth, Ehlert, Grimme, JCTC 15, 1652 (2019)); eV, eV/Å."""

from __future__ import annotations

import numpy as np
from ase import units
from tblite.interface import Calculator

METHOD = "GFN2-xTB"
MAX_FORCE = 1000.0
"""eV/Å; configurations with a larger force are closer than any that dynamics can reach: dropped (and counted)."""


class LabelError(Exception):
    """The SCF did not converge, or gave numbers that are not finite."""


class Teacher:
    """Energy and forces of one molecule in changing geometries."""

    def __init__(self, numbers: np.ndarray) -> None:
        self.numbers = np.asarray(numbers)
        self._calculator: Calculator | None = None

    def __call__(self, positions: np.ndarray) -> tuple[float, np.ndarray]:
        """(n, 3) Å -> energy eV, forces (n, 3) eV/Å.

        Raises:
            LabelError: no label for this geometry.
        """
        bohr = np.ascontiguousarray(positions) / units.Bohr
        try:
            if self._calculator is None:
                self._calculator = Calculator(METHOD, self.numbers, bohr)
                self._calculator.set("verbosity", 0)
            self._calculator.update(bohr)
            result = self._calculator.singlepoint()
        except RuntimeError as error:
            self._calculator = None
            raise LabelError(str(error)) from error
        energy = float(result.get("energy")) * units.Hartree
        forces = -np.asarray(result.get("gradient")) * (units.Hartree / units.Bohr)
        if not (np.isfinite(energy) and np.isfinite(forces).all()):
            raise LabelError("not finite")
        return energy, forces
