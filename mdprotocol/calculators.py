"""A force field as an ASE calculator, for loops and optimisers of ASE."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

if TYPE_CHECKING:
    from mdprotocol.contracts import Evaluator, Structure


class ForceFieldCalculator(Calculator):
    """One evaluator of one structure behind ASE's interface; it follows the positions and the cell of its atoms.

    Raises:
        NoAnswer: from calculations, where the model gives none.
    """

    implemented_properties = ["energy", "forces", "stress"]

    def __init__(self, evaluate: Evaluator) -> None:
        super().__init__()
        self._evaluate = evaluate

    def calculate(
        self, atoms: Atoms | None = None, properties: object = ("energy",), system_changes: object = all_changes
    ) -> None:
        import torch

        super().calculate(atoms, properties, system_changes)
        assert atoms is not None
        cells = torch.from_numpy(np.array(atoms.cell[:])[None])
        found = self._evaluate(torch.from_numpy(atoms.positions), cells).answered()
        self.results = {"energy": float(found.energy[0]), "forces": found.forces.detach().cpu().numpy()}
        if isinstance(properties, list | tuple) and "stress" in properties:
            if found.stress is None:
                raise PropertyNotImplementedError("the model gives no stress")
            self.results["stress"] = full_3x3_to_voigt_6_stress(found.stress()[0].detach().cpu().numpy())


def to_atoms(structure: Structure) -> Atoms:
    """ASE's atoms of a structure; the charge as calculators expect it."""
    return Atoms(
        numbers=structure.numbers,
        positions=structure.positions,
        masses=structure.masses,
        cell=structure.cell,
        pbc=structure.pbc,
        info={"charge": structure.charge} if structure.charge else None,
    )
