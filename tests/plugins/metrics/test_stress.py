"""Stress against finite strain: EMT's copper, Lennard-Jones argon and the committed network pass; a wrong one fails."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from mdprotocol.contracts import Dynamics, Evaluation, ForceField
from mdprotocol.errors import NotMeasurable
from mdprotocol.testing import check_metric, from_atoms, make_structure, molecule_structure
from mdprotocol.testing.subjects import make_subject
from mdprotocol_plugins.integrators.velocity_verlet import VelocityVerlet
from mdprotocol_plugins.metrics.energy_drift import EnergyDrift
from mdprotocol_plugins.metrics.equipartition import Equipartition
from mdprotocol_plugins.metrics.momentum import Momentum
from mdprotocol_plugins.metrics.reversibility import Reversibility
from mdprotocol_plugins.metrics.stress import GPA_PER_EV_A3, Stress
from mdprotocol_plugins.metrics.timestep_convergence import TimestepConvergence
from mdprotocol_plugins.models.ase.model import AseModel
from mdprotocol_plugins.models.painn.model import PainnModel

ROOT = Path(__file__).parents[3]
COPPER = from_atoms(bulk("Cu", "fcc", a=3.7, cubic=True) * (2, 2, 2), name="copper")
ARGON = from_atoms(bulk("Ar", "fcc", a=5.4, cubic=True) * (2, 2, 2), name="argon")
EMT = AseModel(calculator="ase.calculators.emt:EMT")
LENNARD_JONES = AseModel(
    calculator="ase.calculators.lj:LennardJones",
    arguments={"sigma": 3.4, "epsilon": 0.0103, "rc": 7.5, "ro": 6.0, "smooth": True},
)
CASES = {"copper": (EMT, COPPER, 2.0, 300.0), "argon": (LENNARD_JONES, ARGON, 5.0, 40.0)}


def measured(force_field: ForceField, structure):  # type: ignore[no-untyped-def]
    return check_metric(Stress(), Stress().probe(make_subject(force_field, structure)))


@pytest.mark.parametrize("name", CASES)
def test_analytic_potentials_pass(name: str) -> None:
    model, structure, *_ = CASES[name]
    assert measured(model.load(ROOT), structure)["error"] < 1e-3


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_network_passes_in_a_slanted_cell(dtype: str) -> None:
    water = molecule_structure("H2O").positions
    slanted = [[6.5, 0, 0], [1.0, 6.5, 0], [0.5, -0.5, 6.5]]
    box = make_structure([8, 1, 1, 8, 1, 1], np.concatenate([water, water + np.array([2.5, 1.5, 2.0])]), cell=slanted)
    model = PainnModel(checkpoint="checkpoints/original.safetensors", dtype=dtype, kernel="torch").load(ROOT)
    found = measured(model, box)
    assert found["error"] < (1e-5 if dtype == "float64" else 5e-3)
    assert abs(found["pressure"]) > 0.01


def test_pressure_of_argon_is_the_virial_of_its_pairs() -> None:
    """At 0 K and without rattling: P = -(1/3V) Σ r dV/dr over pairs, by the energies of two lattice constants."""
    model = LENNARD_JONES.load(ROOT)
    found = Stress(rattle_A=0.0).measure(Stress(rattle_A=0.0).probe(make_subject(model, ARGON)))
    energy = [model.evaluate(from_atoms(bulk("Ar", "fcc", a=a, cubic=True) * (2, 2, 2)))[0] for a in (5.399, 5.401)]
    by_volume = -(energy[1] - energy[0]) / (8 * (5.401**3 - 5.399**3))
    assert found["pressure"] == pytest.approx(by_volume * GPA_PER_EV_A3, abs=1e-4)


class TooLarge(ForceField):
    """Copper whose stress is 5 % too large."""

    def prepare(self, topology):  # type: ignore[no-untyped-def]
        evaluate = EMT.load(ROOT).prepare(topology)

        def answer(x, cells):  # type: ignore[no-untyped-def]
            found = evaluate(x, cells)
            return Evaluation(found.energy, found.forces, found.errors, lambda: 1.05 * found.stress())

        return answer


def test_a_stress_that_is_five_percent_off_shows() -> None:
    assert measured(TooLarge(), COPPER)["error"] > 0.05


def test_open_systems_and_models_without_stress_are_not_measured() -> None:
    with pytest.raises(NotMeasurable, match="not periodic"):
        measured(EMT.load(ROOT), molecule_structure("H2O"))

    class Silent(TooLarge):
        def prepare(self, topology):  # type: ignore[no-untyped-def]
            evaluate = EMT.load(ROOT).prepare(topology)
            return lambda x, cells: Evaluation(evaluate(x, cells).energy, evaluate(x, cells).forces)

    with pytest.raises(NotMeasurable, match="gives no stress"):
        measured(Silent(), COPPER)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_periodic_criteria_pass_for_analytic_potentials(name: str) -> None:
    model, structure, timestep, kelvin = CASES[name]
    dynamics = Dynamics("nve", VelocityVerlet(), timestep, (kelvin,))
    subject = make_subject(model.load(ROOT), structure, dynamics=(dynamics,))
    run = subject.propagate(VelocityVerlet(), timestep, 200, temperature_K=2 * kelvin, record_every=2)
    assert check_metric(EnergyDrift(), run)["per_atom"] < 1.0
    assert check_metric(Momentum(), run)["linear"] < 1e-8
    assert check_metric(Equipartition(), run)["translation"] == pytest.approx(0, abs=1e-8)
    short = TimestepConvergence(length_fs=50 * timestep)
    assert check_metric(short, short.probe(subject))["order_error"] < 0.3
    back = Reversibility(length_fs=50 * timestep)
    assert check_metric(back, back.probe(subject))["position_error"] < 1e-6
