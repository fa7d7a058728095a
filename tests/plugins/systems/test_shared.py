"""Cells, boundaries, supercells, charges; and what is refused of any structure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from pydantic import ValidationError

from mdprotocol.api import StructureError
from mdprotocol.registry import build_registry
from mdprotocol_plugins.systems import Builtin, Bulk, File, Molecule, Smiles
from mdprotocol_plugins.systems._shared import MAX_ATOMS, SourceWithCell, finish

BASE = Path()


class Given(SourceWithCell):
    type: str = "given"

    def build(self, name, base):
        raise NotImplementedError


def finished(atoms: Atoms, charge: int = 0, **options):
    return finish("it", atoms, Given(**options), {}, charge)


def dimer(distance: float = 1.5, **keys) -> Atoms:
    return Atoms("CO", [[0, 0, 0], [0, 0, distance]], **keys)


def test_open_by_default() -> None:
    built = finished(dimer())
    assert not built.periodic
    assert not built.cell.any()
    assert built.masses == pytest.approx([12.011, 15.999])
    assert (built.numbers.dtype, built.positions.dtype) == (np.int64, np.float64)


@pytest.mark.parametrize("cell", [(8, 9, 10), ((8, 0, 0), (0, 9, 0), (0, 0, 10))])
def test_a_cell_makes_it_periodic(cell) -> None:
    built = finished(dimer(), cell_A=cell)
    assert built.pbc.all()
    assert np.allclose(built.cell, np.diag([8, 9, 10]))


def test_boundaries_can_be_chosen_apart() -> None:
    slab = finished(dimer(), cell_A=(8, 9, 10), pbc=(True, True, False))
    assert slab.pbc.tolist() == [True, True, False]
    opened = finished(dimer(cell=[8, 9, 10], pbc=True), pbc=False)
    assert not opened.periodic
    assert not opened.cell.any()


def test_supercell() -> None:
    built = finished(dimer(), cell_A=(4, 5, 6), repeat=(2, 1, 3))
    assert len(built) == 12
    assert np.allclose(built.cell, np.diag([8, 5, 18]))
    assert built.positions[:, 0].max() == pytest.approx(4)
    assert np.allclose(built.masses, np.tile([12.011, 15.999], 6))


def test_charge_counts_copies_unless_it_is_given() -> None:
    assert finished(dimer(), charge=1).charge == 1
    assert finished(dimer(), charge=-1, cell_A=(4, 4, 4), repeat=(2, 1, 1)).charge == -2
    assert finished(dimer(), charge=1, **{"cell_A": (4, 4, 4)}).charge == 1
    assert finish("it", dimer(), Given(charge=0), {}, 1).charge == 0


def test_own_masses_are_kept() -> None:
    atoms = dimer()
    atoms.set_masses([13.003, 15.999])
    assert finished(atoms).masses[0] == pytest.approx(13.003)


@pytest.mark.parametrize(
    ("atoms", "options", "message"),
    [
        (Atoms(), {}, "no atoms"),
        (Atoms("X"), {}, "no known element"),
        (dimer(0.1), {}, r"atoms 0 \(C\) and 1 \(O\).*0\.100 Å apart"),
        (dimer(), {"cell_A": (5, 5, 1.6)}, "0.100 Å apart"),
        (dimer(float("nan")), {}, "atom 1 .* not numbers"),
        (dimer(float("inf")), {}, "atom 1 .* not numbers"),
        (dimer(1e7), {}, "beyond"),
        (dimer(), {"pbc": True}, "set cell_A"),
        (dimer(), {"repeat": (2, 1, 1)}, "set cell_A"),
        (dimer(), {"cell_A": ((5, 0, 0), (5, 0, 0), (0, 0, 5))}, "one plane"),
        (dimer(), {"cell_A": ((5.773, 2.82, 2.82), (2.82, 0, 2.82), (2.82, 2.82, 0))}, "the cell is .* Å thick"),
        (Atoms("H", cell=(5, 5, 2147483648)), {}, "a cell vector is beyond"),
        (dimer(), {"cell_A": (5, 5, 5), "repeat": (100, 100, 10)}, f"at most {MAX_ATOMS}"),
    ],
)
def test_what_is_refused(atoms: Atoms, options, message: str) -> None:
    with pytest.raises(StructureError, match=message):
        finished(atoms, **options)


def test_a_vector_without_length_is_none() -> None:
    """A file may say 1e-200 where it means nothing: what is computed from that would not be numbers."""
    cell = np.diag([5.0, 5.0, 1e-200])
    overlapping = Atoms("CO", [[0, 0, 0], [4.9, 0, 0]], cell=cell, pbc=(True, True, False))
    with np.errstate(all="raise", under="ignore"):
        with pytest.raises(StructureError, match=r"0\.100 Å apart"):
            finished(overlapping)
        built = finished(Atoms("CO", [[0, 0, 0], [1.1, 0, 0]], cell=cell, pbc=(True, True, False)))
    assert np.array_equal(built.cell[2], np.zeros(3))
    with pytest.raises(StructureError, match="set cell_A"):
        finished(Atoms("H", cell=cell, pbc=True))


@pytest.mark.parametrize("options", [{"cell_A": (5, -1, 5)}, {"cell_A": (5, 5)}, {"repeat": (0, 1, 1)}, {"sell": 1}])
def test_options_out_of_bounds(options) -> None:
    with pytest.raises(ValidationError):
        Given(**options)


@pytest.mark.parametrize("count", [1, 3, 13])
def test_a_sparse_system_of_many_copies_is_checked_fast_enough(count: int) -> None:
    atoms = Atoms("H" * count, np.arange(count)[:, None] * np.array([[1e4, 1e3, 1e4]]))
    assert len(finished(atoms)) == count


def test_builtin_molecules_are_relaxed_and_say_so() -> None:
    for name, count in (("water", 3), ("methane", 5), ("alanine", 13)):
        built = Builtin(name=name).build("x", BASE)
        assert len(built) == count
        assert built.provenance["method"] == "GFN2-xTB"
        assert len(built.provenance["sha256"]) == 64
    with pytest.raises(ValidationError):
        Builtin(name="ethanol")


def test_builtin_water_in_a_box() -> None:
    box = Builtin(name="water", cell_A=(5, 5, 5), repeat=(2, 2, 2)).build("x", BASE)
    assert len(box) == 24
    assert box.pbc.all()


def test_molecule_by_name_and_the_nearest_one() -> None:
    assert Molecule(name="CH3CH2OH").build("x", BASE).numbers.tolist().count(6) == 2
    with pytest.raises(StructureError, match="did you mean 'CH3CH2OH'"):
        Molecule(name="ch3ch2oh").build("x", BASE)


def test_bulk() -> None:
    copper = Bulk(name="Cu", cubic=True, repeat=(2, 2, 2)).build("x", BASE)
    assert len(copper) == 32
    assert copper.cell[0, 0] == pytest.approx(2 * 3.61)
    salt = Bulk(name="NaCl", structure="rocksalt", a_A=5.64).build("x", BASE)
    assert sorted(salt.numbers.tolist()) == [11, 17]


@pytest.mark.parametrize("name", ["NaCl", "Qq", "H"])
def test_bulk_without_data_is_refused(name: str) -> None:
    with pytest.raises(StructureError, match=f"cannot build '{name}'"):
        Bulk(name=name).build("x", BASE)


def test_all_are_registered_and_described() -> None:
    registry = build_registry()
    for cls in (Builtin, Molecule, File, Smiles, Bulk):
        assert registry.entries["systems"][cls.type_name()].component is cls
        assert cls.summary()
