"""A force field behind ASE's interface."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.emt import EMT

from mdprotocol.calculators import ForceFieldCalculator, to_atoms
from mdprotocol.contracts import Evaluation, Topology
from mdprotocol.errors import NoAnswer
from mdprotocol.testing.analytic import HarmonicBonds
from mdprotocol.testing.structures import from_atoms, molecule_structure, rattled
from mdprotocol_plugins.models.ase.model import AseModel

WATER = molecule_structure("H2O")
COPPER = rattled(from_atoms(bulk("Cu", cubic=True)), 0.05)


def test_energy_and_forces_are_those_of_the_force_field() -> None:
    field, shaken = HarmonicBonds(WATER), rattled(WATER, 0.05)
    atoms = to_atoms(shaken)
    atoms.calc = ForceFieldCalculator(field.prepare(Topology.of([WATER])))
    energy, forces = field.evaluate(shaken)
    assert atoms.get_potential_energy() == energy
    np.testing.assert_array_equal(atoms.get_forces(), forces)
    with pytest.raises(PropertyNotImplementedError):
        atoms.get_stress()


def test_the_cell_of_the_atoms_is_followed_and_the_stress_is_given() -> None:
    field = AseModel(calculator="ase.calculators.emt:EMT").load(Path())
    ours, theirs = to_atoms(COPPER), to_atoms(COPPER)
    ours.calc, theirs.calc = ForceFieldCalculator(field.prepare(Topology.of([COPPER]))), EMT()
    for atoms in (ours, theirs):
        atoms.get_potential_energy()
        atoms.set_cell(1.03 * COPPER.cell, scale_atoms=True)
    np.testing.assert_allclose(ours.get_potential_energy(), theirs.get_potential_energy(), rtol=1e-12)
    np.testing.assert_allclose(ours.get_stress(), theirs.get_stress(), atol=1e-12)


def test_no_answer_is_raised() -> None:
    evaluate = HarmonicBonds(WATER).prepare(Topology.of([WATER]))

    def silent(positions, cells) -> Evaluation:  # type: ignore[no-untyped-def]
        return dataclasses.replace(evaluate(positions, cells), errors={0: "SCF not converged"})

    atoms = to_atoms(WATER)
    atoms.calc = ForceFieldCalculator(silent)
    with pytest.raises(NoAnswer, match="the model gave no answer: SCF not converged"):
        atoms.get_forces()


def test_the_charge_goes_with_the_atoms() -> None:
    assert to_atoms(dataclasses.replace(WATER, charge=1)).info == {"charge": 1}
    assert to_atoms(WATER).info == {}
