"""tblite as a reference: known values, exact forces, no memory, failures that stay with their copy."""

from __future__ import annotations

import dataclasses
import types
from pathlib import Path

import numpy as np
import pytest
import torch

from mdprotocol.api import HARTREE_EV, NoAnswer, StructureError, Topology
from mdprotocol.registry import build_registry
from mdprotocol.testing import make_structure, molecule_structure
from mdprotocol.testing.checks import (
    check_batch,
    check_gradient,
    check_other_cells,
    check_permutation,
    check_rotation,
    check_translation,
)
from mdprotocol.testing.evaluating import in_own_cells
from mdprotocol_plugins.references.tblite import TBLite, one_thread

WATER = molecule_structure("H2O", rattle_A=0.05)


def load(**options):
    return TBLite(**options).load(Path())


@pytest.fixture(scope="module")
def gfn2():
    return load()


def test_water_has_the_known_energy(gfn2) -> None:
    """GFN2-xTB's minimum for water: -5.070544 Hartree (xtb 6, tblite); the G2 geometry lies a little above."""
    energy, _ = gfn2.evaluate(molecule_structure("H2O"))
    assert -5.070545 < energy / HARTREE_EV < -5.0700


@pytest.mark.parametrize("method", ["GFN2-xTB", "GFN1-xTB"])
@pytest.mark.parametrize("formula", ["CH3CH2OH", "NH3"])
def test_equal_to_the_calculator_that_comes_with_tblite(method: str, formula: str) -> None:
    from ase import Atoms

    ase_interface = pytest.importorskip("tblite.ase")
    structure = molecule_structure(formula, rattle_A=0.05)
    atoms = Atoms(structure.numbers, structure.positions)
    atoms.calc = ase_interface.TBLite(method=method, verbosity=0)
    energy, forces = load(method=method).evaluate(structure)
    assert energy == pytest.approx(atoms.get_potential_energy(), abs=1e-6)
    assert np.allclose(forces, atoms.get_forces(), atol=1e-6)


def test_forces_are_the_gradient() -> None:
    check_gradient(load(accuracy=0.01), WATER, 1e-6)


def test_symmetries_and_batches(gfn2) -> None:
    check_translation(gfn2, WATER, 1e-6)
    check_rotation(gfn2, WATER, 1e-6)
    check_rotation(gfn2, WATER, 1e-6, reflect=True)
    check_permutation(gfn2, WATER, 1e-6)
    check_batch(gfn2, [WATER, molecule_structure("CH4"), WATER], 0.0)


def test_a_label_depends_on_its_geometry_alone(gfn2) -> None:
    evaluate = in_own_cells(gfn2, Topology.of([WATER]))
    x = torch.from_numpy(WATER.positions)
    first = evaluate(x)
    for scale in (1.1, 0.9, 30.0):
        evaluate(scale * x)
    again = evaluate(x)
    assert torch.equal(again.energy, first.energy)
    assert torch.equal(again.forces, first.forces)


def test_threads_are_one_while_it_runs_and_as_before_after() -> None:
    threads = types.SimpleNamespace(now=4)
    openmp = types.SimpleNamespace(
        omp_get_max_threads=lambda: threads.now, omp_set_num_threads=lambda n: setattr(threads, "now", n)
    )
    with one_thread(openmp):
        assert threads.now == 1
    with pytest.raises(ZeroDivisionError), one_thread(openmp):
        _ = 1 / 0
    assert threads.now == 4
    before = torch.get_num_threads()
    load().evaluate(WATER)
    assert torch.get_num_threads() == before


def test_a_failing_copy_stops_no_other(gfn2) -> None:
    evaluate = in_own_cells(gfn2, Topology.of([WATER, WATER, WATER]))
    x = torch.from_numpy(np.tile(WATER.positions, (3, 1)))
    x[3] = x[4]
    x[6, 0] = torch.nan
    found = evaluate(x)
    assert sorted(found.errors) == [1, 2]
    assert "close" in found.errors[1]
    assert "not finite" in found.errors[2]
    assert torch.isnan(found.energy).tolist() == [False, True, True]
    assert bool(torch.isnan(found.forces[3:]).all())
    assert bool(torch.isfinite(found.forces[:3]).all())
    x = torch.from_numpy(np.tile(WATER.positions, (3, 1)))
    assert evaluate(x).errors == {}


def test_an_unconverged_field_is_an_error_with_its_reason() -> None:
    with pytest.raises(NoAnswer, match="SCF not converged in 2 cycles"):
        load(max_iterations=2).evaluate(WATER)


def test_options_reach_the_calculation(gfn2) -> None:
    energy, _ = gfn2.evaluate(WATER)
    hot, _ = load(electronic_temperature_K=5000.0).evaluate(molecule_structure("NO", 0.01))
    cold, _ = load().evaluate(molecule_structure("NO", 0.01))
    assert hot < cold - 0.01
    cation, _ = gfn2.evaluate(dataclasses.replace(WATER, charge=1))
    assert cation > energy + 5
    assert load(method="GFN1-xTB").evaluate(WATER)[0] != pytest.approx(energy, abs=1)


def test_the_lattice_follows_the_cell(gfn2) -> None:
    check_other_cells(gfn2, dataclasses.replace(WATER, cell=3.2 * np.eye(3), pbc=np.ones(3, dtype=bool)), 1e-9)


def test_a_crystal_is_periodic(gfn2) -> None:
    """A wide cell is nearly open; a narrow one binds; a shift by a cell vector changes nothing."""
    boxed = [dataclasses.replace(WATER, cell=a * np.eye(3), pbc=np.ones(3, dtype=bool)) for a in (20.0, 3.2)]
    alone, wide, narrow = (gfn2.evaluate(s)[0] for s in (WATER, *boxed))
    assert wide == pytest.approx(alone, abs=5e-3)
    assert abs(narrow - alone) > 0.02
    moved, _ = gfn2.evaluate(boxed[1], boxed[1].positions + boxed[1].cell[0])
    assert moved == pytest.approx(narrow, abs=1e-4)


def test_elements_beyond_the_method_are_refused(gfn2) -> None:
    with pytest.raises(StructureError, match="not U, Pu"):
        gfn2.prepare(Topology.of([make_structure([92, 94, 1], np.eye(3))]))


def test_it_is_registered_and_says_what_it_is(gfn2) -> None:
    assert build_registry().entries["references"]["tblite"].component is TBLite
    assert (gfn2.kernel, gfn2.parameters, gfn2.dtype) == ("tblite", 0, "float64")
