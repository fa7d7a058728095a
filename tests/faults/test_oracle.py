"""The oracle is sound by construction: gradient, symmetry, a wall, and a teacher at a known distance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mdprotocol.contracts import ForceField
from mdprotocol.errors import StructureError
from mdprotocol.faults.oracle import TEACHER_SHARE, Oracle, holds, oracle_protocol
from mdprotocol.protocol import read_document, validate
from mdprotocol.registry import build_registry
from mdprotocol.testing.structures import make_structure, molecule_structure, rattled

PROTOCOL = """\
mdprotocol: 1
name: two
models: {gfn1: {type: tblite, method: GFN1-xTB}}
reference: tblite
systems: {water: {type: builtin, name: water}, alanine: {type: builtin, name: alanine}}
simulations:
  both: {timestep_fs: [0.5, 1], duration_ps: 0.01, temperatures_K: [300]}
  large: {timestep_fs: 0.5, duration_ps: 0.01, temperatures_K: [300], systems: [alanine]}
criteria:
  crash: {level: must, metric: stability.crashed, max: 0, where: {simulation: both_1fs}}
  drift: {level: must, metric: stability.crashed, max: 0, where: {simulation: large}}
  back: {level: must, metric: reversibility.position_error, max: 1, where: {system: [water, alanine]}}
  chain: {level: must, metric: reversibility.position_error, max: 1, where: {system: alanine}}
"""


def field(deeper: float = 0.0) -> ForceField:
    return Oracle(deeper=deeper).load(Path())


@pytest.mark.parametrize("name", ["H2O", "CH4", "NH3"])
def test_forces_are_the_gradient_and_turn_with_the_molecule(name: str) -> None:
    molecule = rattled(molecule_structure(name), 0.05, seed=2)
    energy, forces = field().evaluate(molecule)
    step, found = 1e-5, np.zeros_like(forces)
    for index in np.ndindex(*forces.shape):
        ends = []
        for sign in (1, -1):
            x = molecule.positions.copy()
            x[index] += sign * step
            ends.append(field().evaluate(molecule, x)[0])
        found[index] = (ends[1] - ends[0]) / (2 * step)
    np.testing.assert_allclose(forces, found, atol=1e-7)
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))[0]
    turned_energy, turned = field().evaluate(molecule, molecule.positions @ turn.T)
    assert turned_energy == pytest.approx(energy, abs=1e-10)
    np.testing.assert_allclose(turned, forces @ turn.T, atol=1e-9)


@pytest.mark.parametrize("pair", [(1, 1), (1, 8), (8, 8), (6, 8)])
def test_atoms_that_are_pressed_together_push_back(pair: tuple[int, int]) -> None:
    for distance in (0.3, 0.5, 0.8):
        _, forces = field().evaluate(make_structure(pair, [[0, 0, 0], [distance, 0, 0]]))
        assert forces[1, 0] > 0


def test_the_teacher_differs_by_its_share() -> None:
    molecule = rattled(molecule_structure("CH4"), 0.05)
    (energy, forces), (deeper, stronger) = (field(s).evaluate(molecule) for s in (0.0, TEACHER_SHARE))
    assert deeper / energy == pytest.approx(1 + TEACHER_SHARE)
    np.testing.assert_allclose(stronger, (1 + TEACHER_SHARE) * forces)


def test_it_holds_small_open_molecules_and_says_so() -> None:
    assert holds(molecule_structure("CH4"))
    assert not holds(molecule_structure("CH3CH2OH"))
    box = make_structure([8, 1, 1], molecule_structure("H2O").positions, cell=10 * np.eye(3))
    assert not holds(box)
    with pytest.raises(StructureError, match="open systems only"):
        field().evaluate(box)


def test_its_protocol_keeps_what_is_about_its_systems(tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    path.write_text(PROTOCOL, encoding="utf-8")
    protocol = validate(read_document(path), build_registry())
    structures = {name: source.build(name, tmp_path) for name, source in protocol.systems.items()}
    found = oracle_protocol(protocol, structures)
    assert found is not None
    assert (list(found.systems), list(found.simulations), list(found.models)) == (["water"], ["both"], ["oracle"])
    assert list(found.criteria) == ["crash", "back"]
    assert found.criteria["back"].where == {"system": ["water"]}
    only = protocol.model_copy(update={"systems": {"alanine": protocol.systems["alanine"]}})
    assert oracle_protocol(only, structures) is None
