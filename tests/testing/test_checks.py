"""The checks pass sound force fields and metrics, and each catches the fault that it is there for."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import pytest
import torch
import xarray as xr

from mdprotocol.api import Metric, Quantity, Topology
from mdprotocol.registry import build_registry
from mdprotocol.testing import check_metric, make_run, make_structure, molecule_structure
from mdprotocol.testing import checks as check
from mdprotocol.testing.analytic import HarmonicBonds, HarmonicTrap, LennardJones, Morse
from mdprotocol.testing.plugins import HarmonicTrapModel, LennardJonesModel, MorseModel

ETHANOL = molecule_structure("CH3CH2OH", rattle_A=0.05)
CLUSTER = make_structure([18] * 4, [[0, 0, 0], [3.6, 0.1, 0], [0, 3.9, 0.2], [0.1, 0, 4.2]])


@pytest.mark.parametrize(
    ("force_field", "structure"),
    [
        (LennardJones(), CLUSTER),
        (Morse(width=1.0, length=1.5), ETHANOL),
        (HarmonicBonds(molecule_structure("CH3CH2OH")), ETHANOL),
    ],
)
def test_analytic_force_fields_pass(force_field, structure) -> None:
    identical = not isinstance(force_field, HarmonicBonds)  # its bonds are those of its own order of atoms
    check.check_gradient(force_field, structure)
    check.check_rotation(force_field, structure, reflect=True)
    check.check_translation(force_field, structure)
    check.check_batch(force_field, [structure, structure])
    if identical:
        check.check_force_field(force_field, structure)


def test_trap_is_known_in_closed_form() -> None:
    trap = HarmonicTrap(stiffness=2.0, centre=(1.0, 0.0, 0.0))
    energy, forces = trap.evaluate(make_structure([1, 1], [[2.0, 0, 0], [1.0, 3.0, 0]]))
    assert energy == pytest.approx(0.5 * 2 * (1 + 9))
    assert np.allclose(forces, [[-2, 0, 0], [0, -6, 0]])
    check.check_gradient(trap, ETHANOL)


def test_lennard_jones_equals_ase() -> None:
    from ase import Atoms
    from ase.calculators.lj import LennardJones as AseLennardJones

    atoms = Atoms("Ar4", CLUSTER.positions, calculator=AseLennardJones(epsilon=0.0103, sigma=3.4, rc=1e4))
    energy, forces = LennardJones().evaluate(CLUSTER)
    assert energy == pytest.approx(atoms.get_potential_energy(), abs=1e-12)
    assert np.allclose(forces, atoms.get_forces(), atol=1e-12)


class _Faulty(LennardJones):
    """Lennard-Jones with a fault put on its result."""

    def __init__(self, fault) -> None:
        super().__init__()
        self.fault = fault

    def prepare(self, topology: Topology):
        inner = super().prepare(topology)

        def evaluate(positions: torch.Tensor, cells: torch.Tensor):
            found = inner(positions, cells)
            return self.fault(found, positions)

        return evaluate


def _scaled(found, positions):
    return dataclasses.replace(found, forces=found.forces * 1.0001)


def _pulled(found, positions):
    return dataclasses.replace(found, energy=found.energy + 1e-6 * positions[:, 0].sum())


def _directional(found, positions):
    spread = positions - positions.mean(dim=0)
    return dataclasses.replace(found, energy=found.energy + 1e-6 * (spread[:, 2] ** 2).sum())


def _ordered(found, positions):
    return dataclasses.replace(found, energy=found.energy + 1e-6 * (positions[0] - positions[1]).norm())


def _handed(found, positions):
    a, b, c = positions[1:4] - positions[0]
    return dataclasses.replace(found, energy=found.energy + 1e-6 * torch.dot(torch.linalg.cross(a, b), c))


def _crowded(found, positions):
    return dataclasses.replace(found, energy=found.energy + 1e-6 * len(found.energy))


@pytest.mark.parametrize(
    ("fault", "caught", "message"),
    [
        (_scaled, check.check_gradient, "differ from -dE/dx"),
        (_pulled, check.check_translation, "moved"),
        (_directional, check.check_rotation, "rotated"),
        (_ordered, check.check_permutation, "order of the atoms"),
        (lambda f, x: _handed(f, x), lambda ff, s: check.check_rotation(ff, s, reflect=True), "reflected"),
        (_crowded, lambda ff, s: check.check_batch(ff, [s, s]), "differs from the same copy alone"),
    ],
)
def test_each_fault_is_caught(fault, caught, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        caught(_Faulty(fault), CLUSTER)


@pytest.mark.parametrize("model", [HarmonicTrapModel(), LennardJonesModel(), MorseModel()])
def test_plugin_models_load(model) -> None:
    energy, forces = model.load(Path()).evaluate(CLUSTER)
    assert np.isfinite(energy)
    assert forces.shape == (4, 3)


def test_the_kit_is_a_plugin() -> None:
    names = build_registry(["mdprotocol.testing.plugins"]).names("models")
    assert {"harmonic_trap", "lennard_jones", "morse"} <= set(names)


class MaxSpeed(Metric):
    """Largest speed of any atom."""

    type: Literal["max_speed"] = "max_speed"
    quantities: ClassVar = {"max": Quantity("Å/fs", "largest speed of any atom")}
    needs: ClassVar = frozenset({"velocity"})

    def measure(self, run: xr.Dataset):
        return {"max": float(np.sqrt((run.velocity**2).sum("xyz")).max())}


class Undeclared(MaxSpeed):
    """Gives what it does not declare."""

    def measure(self, run: xr.Dataset):
        return {"min": 0.0}


class NotANumber(MaxSpeed):
    """Gives NaN."""

    def measure(self, run: xr.Dataset):
        return {"max": float("nan")}


class Bare(MaxSpeed):
    """Gives dims without coordinates."""

    def measure(self, run: xr.Dataset):
        return {"max": xr.DataArray([1.0, 2.0], dims="element")}


class Writing(MaxSpeed):
    """Changes its input."""

    def measure(self, run: xr.Dataset):
        run["velocity"] = 2 * run.velocity
        return {"max": 1.0}


class Needy(MaxSpeed):
    """Needs what no run has."""

    needs: ClassVar = frozenset({"speed"})


def test_a_sound_metric_passes() -> None:
    assert check_metric(MaxSpeed(), make_run(seed=2))["max"] > 0


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (Undeclared(), "does not declare: min"),
        (NotANumber(), "is NaN"),
        (Bare(), "without coordinates: element"),
        (Writing(), "changed the dataset"),
        (Needy(), "unknown variables: speed"),
    ],
)
def test_each_broken_metric_is_caught(metric: Metric, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_metric(metric)
