"""What a file says besides positions arrives, or is refused with the reason."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms, FixBondLengths
from ase.io import write

from mdprotocol.api import FS_IN_ASE_TIME, Structure, StructureError
from mdprotocol_plugins.systems.bulk import Bulk
from mdprotocol_plugins.systems.file import File
from mdprotocol_plugins.systems.molecule import Molecule

FORMATS = pytest.mark.parametrize("name", ["m.extxyz", "m.traj"])


def built(folder: Path, name: str, atoms: Atoms, **options: object) -> Structure:
    write(folder / name, atoms)
    return File(path=name, **options).build("mine", folder)  # type: ignore[arg-type]


@FORMATS
def test_velocities_are_in_angstrom_per_fs(tmp_path: Path, name: str) -> None:
    atoms, velocities = molecule("H2O"), 0.01 * np.arange(9.0).reshape(3, 3)
    atoms.set_velocities(velocities / FS_IN_ASE_TIME)
    found = built(tmp_path, name, atoms)
    assert found.velocities is not None
    np.testing.assert_allclose(found.velocities, velocities, atol=1e-7)


@FORMATS
def test_fixed_atoms(tmp_path: Path, name: str) -> None:
    atoms = molecule("H2O")
    atoms.set_constraint(FixAtoms([2]))
    found = built(tmp_path, name, atoms)
    assert found.fixed is not None
    assert found.fixed.tolist() == [False, False, True]


@FORMATS
def test_moments_initial_or_calculated(tmp_path: Path, name: str) -> None:
    initial = molecule("O2")
    assert built(tmp_path, name, initial).magnetic_moments.tolist() == [1.0, 1.0]  # type: ignore[union-attr]
    calculated = Atoms("O2", initial.positions)
    calculated.calc = SinglePointCalculator(calculated, energy=0.0, magmoms=[0.9, 0.8])
    assert built(tmp_path, name, calculated).magnetic_moments.tolist() == [0.9, 0.8]  # type: ignore[union-attr]


@FORMATS
def test_masses_of_isotopes(tmp_path: Path, name: str) -> None:
    atoms = molecule("H2O")
    atoms.set_masses([15.999, 2.014, 2.014])
    np.testing.assert_allclose(built(tmp_path, name, atoms).masses, [15.999, 2.014, 2.014])


@pytest.mark.parametrize("key", ["multiplicity", "spin_multiplicity"])
def test_multiplicity(tmp_path: Path, key: str) -> None:
    atoms = molecule("O2")
    atoms.info[key] = 3
    assert built(tmp_path, "m.extxyz", atoms).multiplicity == 3
    atoms.info[key] = 2.5
    with pytest.raises(StructureError, match=r"multiplicity is 2\.5; expected a whole number"):
        built(tmp_path, "m.extxyz", atoms)


def test_what_a_file_does_not_say_is_none(tmp_path: Path) -> None:
    found = built(tmp_path, "m.extxyz", molecule("H2O"))
    assert [found.velocities, found.magnetic_moments, found.fixed, found.multiplicity] == [None] * 4


def test_a_supercell_repeats_what_is_said_of_an_atom(tmp_path: Path) -> None:
    copper = bulk("Cu", cubic=True)
    copper.set_constraint(FixAtoms([0]))
    copper.set_initial_magnetic_moments([1.0, 2.0, 3.0, 4.0])
    found = built(tmp_path, "c.extxyz", copper, repeat=(2, 1, 1))
    assert found.fixed is not None
    assert found.fixed.tolist() == [True, False, False, False] * 2
    assert found.magnetic_moments is not None
    assert found.magnetic_moments.tolist() == [1.0, 2.0, 3.0, 4.0] * 2
    copper.info["multiplicity"] = 3
    with pytest.raises(StructureError, match="multiplicity 3 of one unit is not that of 2"):
        built(tmp_path, "c.extxyz", copper, repeat=(2, 1, 1))


def test_what_cannot_be_carried_is_refused(tmp_path: Path) -> None:
    atoms = molecule("H2O")
    atoms.set_constraint(FixBondLengths([[0, 1]]))
    with pytest.raises(StructureError, match="a constraint that no run keeps"):
        built(tmp_path, "m.traj", atoms)
    vectors = Atoms("O2", molecule("O2").positions)
    vectors.set_initial_magnetic_moments(np.ones((2, 3)))
    with pytest.raises(StructureError, match="only collinear ones"):
        built(tmp_path, "v.traj", vectors)


def test_isotopes_that_the_reader_passes_over_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "m.sdf", molecule("H2O"))
    text = (tmp_path / "m.sdf").read_text(encoding="utf-8")
    (tmp_path / "m.sdf").write_text(text.replace("M  END", "M  ISO  1   2   2\nM  END"), encoding="utf-8")
    with pytest.raises(StructureError, match="names isotopes"):
        File(path="m.sdf").build("mine", tmp_path)


def test_ase_s_own_moments_arrive_too(tmp_path: Path) -> None:
    assert Molecule(name="O2").build("mine", tmp_path).magnetic_moments is not None
    assert Bulk(name="Fe").build("mine", tmp_path).magnetic_moments is not None
    assert Molecule(name="H2O").build("mine", tmp_path).magnetic_moments is None
