"""One definition of a bond, a line, a rotation and a rigid motion."""

import dataclasses

import numpy as np
import pytest
from ase.build import molecule
from ase.collections import g2
from ase.data import covalent_radii

from mdprotocol import chemistry
from mdprotocol.testing.structures import from_atoms, make_structure, molecule_structure


def test_the_factor_lies_between_the_bonds_and_the_contacts_of_the_g2_set() -> None:
    ratios = []
    for name in g2.names:
        atoms = molecule(name)
        i, j = np.triu_indices(len(atoms), 1)
        radii = covalent_radii[atoms.numbers]
        ratios.append(atoms.get_all_distances()[i, j] / (radii[i] + radii[j]))
    near = np.sort(np.concatenate(ratios))
    assert not ((near > 1.2465) & (near < 1.37)).any()
    assert 1.2465 < chemistry.BOND_FACTOR < 1.37


@pytest.mark.parametrize(
    ("formula", "count"), [("H2", 1), ("F2", 1), ("H2O", 2), ("CH4", 4), ("CH3CH2OH", 8), ("C6H6", 12)]
)
def test_bonds_of_molecules(formula: str, count: int) -> None:
    structure = molecule_structure(formula)
    pairs = chemistry.bonds(structure.numbers, structure.positions)
    assert pairs.shape == (count, 2)
    assert (pairs[:, 0] < pairs[:, 1]).all()


def test_bonds_go_through_the_faces_of_a_cell_and_count_once() -> None:
    split = make_structure([1, 1], [[0.1, 0, 0], [4.7, 0, 0]], cell=[5.0, 5.0, 5.0])
    assert chemistry.bonds(split.numbers, split.positions, split.cell, split.pbc).tolist() == [[0, 1]]
    assert len(chemistry.bonds(split.numbers, split.positions)) == 0
    wire = make_structure([6, 6], [[0, 0, 0], [1.4, 0, 0]], cell=[2.8, 9.0, 9.0], pbc=[True, False, False])
    assert chemistry.bonds(wire.numbers, wire.positions, wire.cell, wire.pbc).tolist() == [[0, 1]]


@pytest.mark.parametrize(("formula", "axes"), [("H2O", 3), ("CO2", 2), ("N2", 2), ("C2H2", 2), ("CH4", 3)])
def test_rotation_axes_and_the_motions_that_are_left(formula: str, axes: int) -> None:
    structure = molecule_structure(formula)
    assert chemistry.rotation_axes(structure.positions, structure.masses) == axes
    inner = chemistry.internal_motions(structure.positions, structure.masses)
    assert inner.shape[1] == 3 * len(structure) - 3 - axes == chemistry.degrees_of_freedom(structure, True)
    np.testing.assert_allclose(inner.T @ inner, np.eye(inner.shape[1]), atol=1e-12)
    weighted = np.repeat(np.sqrt(structure.masses), 3)
    np.testing.assert_allclose(inner.T @ (weighted * np.tile([1.0, 0, 0], len(structure))), 0, atol=1e-10)


def test_a_lone_atom_rotates_about_no_axis() -> None:
    atom = make_structure([18], [[1.0, 2.0, 3.0]])
    assert chemistry.rotation_axes(atom.positions, atom.masses) == 0
    assert not chemistry.is_linear(atom.positions, atom.masses)
    assert chemistry.degrees_of_freedom(atom, True) == 3


def test_fixed_atoms_have_no_degrees_of_freedom() -> None:
    water = dataclasses.replace(molecule_structure("H2O"), fixed=np.array([True, False, False]))
    assert chemistry.degrees_of_freedom(water, True) == 6
    assert chemistry.degrees_of_freedom(water, False) == 6
    none = dataclasses.replace(water, fixed=np.zeros(3, dtype=bool))
    assert chemistry.degrees_of_freedom(none, True) == 3


def test_a_dimer_has_what_is_said_of_each_atom_twice() -> None:
    oxygen = dataclasses.replace(from_atoms(molecule("O2")), magnetic_moments=np.array([1.0, 0.5]))
    both = oxygen.of_atoms(np.array([1, 0, 1, 0]))
    assert both.magnetic_moments is not None
    assert both.magnetic_moments.tolist() == [0.5, 1.0, 0.5, 1.0]
    assert both.velocities is None
    assert len(both) == 4
