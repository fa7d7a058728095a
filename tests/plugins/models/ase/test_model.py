"""ASE calculators as models: the same numbers as ASE, failures that stay with their copy, nothing else is called."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from pydantic import ValidationError

from mdprotocol.api import PluginError, Topology
from mdprotocol.registry import build_registry
from mdprotocol.testing import from_atoms, make_structure, molecule_structure
from mdprotocol.testing.checks import check_force_field, check_gradient, check_other_cells
from mdprotocol.testing.evaluating import in_own_cells
from mdprotocol_plugins.models.ase.model import AseModel

BASE = Path()
COPPER = bulk("Cu", cubic=True) * (2, 2, 2)
COPPER.rattle(0.05, seed=1)
ARGON = make_structure([18] * 3, [[0, 0, 0], [3.6, 0.1, 0], [0.3, 3.9, 0.2]])


class Counting(Calculator):
    """Counts its own calls; fails where atoms come closer than 0.5 Å."""

    implemented_properties = ["energy", "free_energy", "forces"]
    made = 0

    def __init__(self, scale: float = 1.0, weights: str = "") -> None:
        super().__init__()
        type(self).made += 1
        self.calls, self.scale, self.weights = 0, scale, weights
        self.network = torch.nn.Linear(3, 2)

    def calculate(self, atoms, properties, changes) -> None:
        super().calculate(atoms, properties, changes)
        self.calls += 1
        if np.linalg.norm(atoms.positions[0] - atoms.positions[1]) < 0.5:
            raise RuntimeError("too\nclose")
        charge = atoms.info.get("charge", 0)
        self.results = {
            "energy": 7.0,
            "free_energy": self.scale * float((atoms.positions**2).sum()) + 100 * charge + self.calls,
            "forces": -2 * self.scale * atoms.positions,
        }


@pytest.fixture
def local(monkeypatch) -> None:
    """A module of the user's own, that no distribution brings."""
    module = types.ModuleType("my_calculators")
    module.Counting, module.make, module.number, module.Other = Counting, lambda **k: Counting(**k), 3, dict
    module.make.__module__ = "my_calculators"
    module.nothing = lambda: None
    module.nothing.__module__ = "my_calculators"
    module.run = __import__("subprocess").run
    monkeypatch.setitem(sys.modules, "my_calculators", module)
    monkeypatch.setattr(Counting, "made", 0)


def load(calculator: str, base: Path = BASE, **options):
    return AseModel(calculator=calculator, **options).load(base)


def test_copper_by_emt_equals_ase() -> None:
    found = load("ase.calculators.emt:EMT")
    atoms = COPPER.copy()
    atoms.calc = EMT()
    energy, forces = found.evaluate(from_atoms(COPPER))
    assert energy == atoms.get_potential_energy()
    assert np.array_equal(forces, atoms.get_forces())
    assert (found.kernel, found.parameters) == ("ase", 0)


def test_a_step_later_it_still_equals_ase() -> None:
    structure = from_atoms(COPPER)
    evaluate = in_own_cells(load("ase.calculators.emt:EMT"), Topology.of([structure, structure]))
    random = np.random.default_rng(0)
    for _ in range(3):
        x = np.tile(structure.positions, (2, 1)) + random.normal(scale=0.05, size=(2 * len(structure), 3))
        found = evaluate(torch.from_numpy(x))
        for copy, part in enumerate(np.split(x, 2)):
            atoms = Atoms(COPPER.numbers, part, cell=COPPER.cell, pbc=True, calculator=EMT())
            assert float(found.energy[copy]) == pytest.approx(atoms.get_potential_energy(), abs=1e-10)
            assert np.allclose(np.split(found.forces.numpy(), 2)[copy], atoms.get_forces(), atol=1e-10)


def test_calculators_follow_the_cell() -> None:
    check_other_cells(load("ase.calculators.emt:EMT"), from_atoms(COPPER), 1e-10)
    check_other_cells(load("ase.calculators.emt:EMT", shared=True), from_atoms(COPPER), 1e-10)


def test_a_stress_that_is_asked_for_late_is_that_of_its_own_cell() -> None:
    structure = from_atoms(COPPER)
    evaluate = load("ase.calculators.emt:EMT").prepare(Topology.of([structure]))
    x, cells = torch.from_numpy(structure.positions.copy()), torch.from_numpy(structure.cell[None].copy())
    first = evaluate(x, cells)
    at_once = first.stress().clone()
    evaluate(x, 1.05 * cells)
    assert torch.allclose(first.stress(), at_once, atol=1e-12)


def test_arguments_reach_the_calculator_and_the_checks_pass() -> None:
    found = load("ase.calculators.lj:LennardJones", arguments={"sigma": 3.4, "epsilon": 0.0103, "rc": 50.0})
    check_force_field(found, ARGON)


def test_tblite_through_ase_conserves_energy() -> None:
    pytest.importorskip("tblite.ase")
    found = load("tblite.ase:TBLite", arguments={"method": "GFN2-xTB", "accuracy": 0.01, "verbosity": 0})
    check_gradient(found, molecule_structure("H2O", rattle_A=0.05), 1e-5)


def test_energy_is_the_one_that_the_forces_belong_to(local) -> None:
    energy, _ = load("my_calculators:Counting").evaluate(ARGON)
    assert energy == pytest.approx((ARGON.positions**2).sum() + 1)


def test_one_calculator_a_copy_unless_shared(local) -> None:
    x = torch.from_numpy(np.tile(ARGON.positions, (3, 1)))
    own = in_own_cells(load("my_calculators:Counting"), Topology.of([ARGON] * 3))(x)
    assert Counting.made == 3
    assert len(set(own.energy.tolist())) == 1
    shared = in_own_cells(load("my_calculators:make", shared=True), Topology.of([ARGON] * 3))
    x[3:] += 0.1
    shared(x)
    assert Counting.made == 4


def test_an_evaluation_costs_one_call_a_copy_as_in_a_bare_loop(local) -> None:
    """Calculators are kept, and none is asked twice about the same positions: nothing is added to what ASE pays."""
    evaluate = in_own_cells(load("my_calculators:Counting"), Topology.of([ARGON] * 3))
    for step in range(1, 6):
        x = torch.from_numpy(np.tile(ARGON.positions, (3, 1)) + 0.01 * step)
        energy = evaluate(x).energy - (x**2).sum(dim=1).reshape(3, 3).sum(dim=1)
        assert energy.tolist() == pytest.approx([step] * 3)  # this calculator adds the number of its calls
    assert Counting.made == 3


def test_the_bare_calculator_is_a_new_one_with_its_arguments(local) -> None:
    found = load("my_calculators:Counting", arguments={"scale": 2.0})
    one, two = found.calculator(), found.calculator()
    assert one is not two
    assert one.scale == 2.0


def test_a_failing_copy_stops_no_other(local) -> None:
    evaluate = in_own_cells(load("my_calculators:Counting"), Topology.of([ARGON] * 3))
    x = torch.from_numpy(np.tile(ARGON.positions, (3, 1)))
    x[3] = x[4]
    x[6, 0] = torch.nan
    found = evaluate(x)
    assert found.errors == {1: "RuntimeError: too close", 2: "ValueError: positions are not finite"}
    assert torch.isnan(found.energy).tolist() == [False, True, True]
    assert bool(torch.isnan(found.forces[3:]).all())


def test_charge_reaches_the_calculator(local) -> None:
    charged = make_structure(ARGON.numbers, ARGON.positions, charge=-2)
    found = load("my_calculators:Counting")
    assert found.evaluate(charged)[0] == pytest.approx(load("my_calculators:Counting").evaluate(ARGON)[0] - 200)


def test_networks_are_counted(local) -> None:
    found = load("my_calculators:Counting")
    assert (found.parameters, found.weights_bytes) == (8, 32)


def test_data_files_are_given_as_paths_and_are_files_of_the_model(local, tmp_path) -> None:
    (tmp_path / "w.bin").write_bytes(b"1")
    model = AseModel(calculator="my_calculators:Counting", arguments={"weights": "w.bin"}, data_files=("w.bin",))
    assert model.files(tmp_path) == (tmp_path / "w.bin",)
    made = model.load(tmp_path)._new()
    assert made.weights == str(tmp_path / "w.bin")


@pytest.mark.parametrize(
    ("calculator", "arguments", "message"),
    [
        ("no_such_package_here:EMT", {}, "'no_such_package_here' is not installed"),
        ("ase.calculators.nothing:EMT", {}, "cannot be imported: ModuleNotFoundError"),
        ("ase.calculators.emt:EMTT", {}, "did you mean 'EMT'"),
        ("ase.calculators.harmonic:SpringCalculator", {"speed": 3}, "does not take these arguments|cannot be made"),
        ("my_calculators:number", {}, "is a int"),
        ("my_calculators:Other", {}, "no ASE calculator"),
        ("my_calculators:nothing", {}, "gave a NoneType, which is no ASE calculator"),
    ],
)
def test_errors_say_what_is_wrong(local, calculator: str, arguments, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        load(calculator, arguments=arguments)


def test_a_missing_package_is_found_before_any_run() -> None:
    with pytest.raises(PluginError, match="not installed"):
        AseModel(calculator="no_such_package_here:EMT").files(BASE)


@pytest.mark.parametrize(
    ("calculator", "arguments"),
    [
        ("subprocess:run", {"args": ["touch", "MARK"]}),
        ("os:system", {"command": "touch MARK"}),
        ("my_calculators:run", {"args": ["touch", "MARK"]}),
        ("my_calculators:run.__globals__", {}),
        ("numpy:save", {"file": "MARK", "arr": [1]}),
        ("torch:save", {"obj": 1, "f": "MARK"}),
        ("ase.calculators.dftb:Dftb", {"command": "touch MARK"}),
    ],
)
def test_a_protocol_cannot_call_what_is_no_calculator(local, tmp_path, monkeypatch, calculator, arguments) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PluginError):
        load(calculator, arguments=arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("calculator", ["ase.calculators.emt", "a b:c", "../x:y", ":x", "x:", "a..b:c"])
def test_paths_are_module_and_name(calculator: str) -> None:
    with pytest.raises(ValidationError):
        AseModel(calculator=calculator)


def test_it_is_registered() -> None:
    assert build_registry().entries["models"]["ase"].component is AseModel


ANSWERS = {
    "one row": lambda f: f[:1],
    "one column": lambda f: f[:, :1],
    "flat": lambda f: f.reshape(-1),
    "one number": lambda f: 1.0,
    "one atom more": lambda f: np.concatenate([f, f[:1]]),
    "complex": lambda f: f + 1j,
    "text": lambda f: f.astype(str),
    "objects": lambda f: f.astype(object),
    "truth": lambda f: f > 0,
    "masked": lambda f: np.ma.masked_array(f, mask=np.eye(*f.shape)),
    "nothing": lambda f: None,
}


class Malformed(Counting):
    """Its forces are of another shape or kind."""

    def __init__(self, answer: str = "", energy: str = "") -> None:
        super().__init__()
        self.answer, self.energy = answer, energy

    def get_forces(self, atoms=None):
        found = self.get_property("forces", atoms)
        return ANSWERS[self.answer](found) if self.answer else found

    def get_potential_energy(self, atoms=None, force_consistent=False):
        found = self.get_property("energy", atoms)
        return {"": found, "two": np.array([found, found]), "text": str(found), "complex": found + 1j}[self.energy]

    def calculate(self, atoms, properties, changes) -> None:
        super().calculate(atoms, properties, changes)
        self.results.pop("free_energy", None)


@pytest.mark.parametrize("answer", ANSWERS)
def test_forces_of_another_shape_or_kind_are_no_answer(local, monkeypatch, answer: str) -> None:
    monkeypatch.setattr(sys.modules["my_calculators"], "Malformed", Malformed, raising=False)
    found = in_own_cells(load("my_calculators:Malformed", arguments={"answer": answer}), Topology.of([ARGON]))
    result = found(torch.from_numpy(ARGON.positions))
    assert 0 in result.errors, answer
    assert "forces" in result.errors[0] or "NoneType" in result.errors[0]
    assert torch.isnan(result.forces).all()


@pytest.mark.parametrize("energy", ["two", "text", "complex"])
def test_an_energy_of_another_shape_or_kind_is_no_answer(local, monkeypatch, energy: str) -> None:
    monkeypatch.setattr(sys.modules["my_calculators"], "Malformed", Malformed, raising=False)
    found = in_own_cells(load("my_calculators:Malformed", arguments={"energy": energy}), Topology.of([ARGON]))
    result = found(torch.from_numpy(ARGON.positions))
    assert "energ" in result.errors[0]
    sound = in_own_cells(load("my_calculators:Malformed"), Topology.of([ARGON]))(torch.from_numpy(ARGON.positions))
    assert not sound.errors
