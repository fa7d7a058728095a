"""What is timed is real dynamics: both loops move atoms, conserve energy, and do not take a remembered answer."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from ase.calculators.emt import EMT

from mdprotocol.bench.cells import Case, Effort, time_case
from mdprotocol.bench.loops import AseLoop, EngineLoop, Sgemm
from mdprotocol.bench.samples import ENGINE, PLAIN_ASE
from mdprotocol.contracts import Dynamics, Evaluation, ForceField, Model
from mdprotocol.engine.events import ProbeFinished
from mdprotocol.errors import NotMeasurable, StructureError
from mdprotocol.testing import molecule_structure
from mdprotocol.testing.analytic import HarmonicBonds, HarmonicTrap
from mdprotocol.units import KB_EV_PER_K
from mdprotocol_plugins.integrators.velocity_verlet import VelocityVerlet
from mdprotocol_plugins.models.ase.model import AseModel

WATER = molecule_structure("H2O")
NVE = Dynamics("nve", VelocityVerlet(), 0.5, (100.0, 300.0, 500.0))
QUICK = Effort(rounds=2, burst_seconds=0.002, warm_up_seconds=0.01, warm_up_steps=3)


class Remembering(HarmonicTrap):
    """Computes once and then gives the same answer for all positions."""

    def prepare(self, topology):
        evaluate, memory = super().prepare(topology), []

        def remember(positions, cells):
            if not memory:
                memory.append(evaluate(positions, cells))
            return Evaluation(memory[0].energy, memory[0].forces.clone())

        return remember


def total_energy_of_ase(loop: AseLoop) -> float:
    return loop._atoms.get_total_energy()


def test_plain_ase_loop_is_dynamics_at_the_middle_temperature():
    loop = AseLoop(HarmonicBonds(WATER), WATER, NVE)
    kinetic = loop._atoms.get_kinetic_energy()
    assert kinetic == pytest.approx(0.5 * 3 * KB_EV_PER_K * 300, rel=1e-6)  # three vibrations
    before, where = total_energy_of_ase(loop), loop._atoms.positions.copy()
    wall, cpu = loop.burst(40)
    assert len(wall) == len(cpu) == 40
    assert min(wall) > 0
    assert np.abs(loop._atoms.positions - where).max() > 0.01
    assert total_energy_of_ase(loop) == pytest.approx(before, abs=2e-3)
    assert loop._dynamics.get_number_of_steps() == 40


def test_both_loops_take_the_same_steps():
    """Equal seeds draw equal velocities, and 20 steps of either end at the same place."""
    field = HarmonicBonds(WATER)
    ase, engine = AseLoop(field, WATER, NVE), EngineLoop(field, WATER, 2, NVE)
    ase.burst(20)
    engine.burst(20)
    assert np.abs(ase._atoms.positions - engine._state.positions[:3].numpy()).max() < 1e-9


@pytest.mark.parametrize("loop", [lambda f: EngineLoop(f, WATER, 2, NVE), lambda f: AseLoop(f, WATER, NVE)])
def test_a_remembered_answer_is_noticed(loop):
    with pytest.raises(NotMeasurable, match="remembered"):
        loop(Remembering()).burst(3)


def test_a_models_own_calculator_is_what_the_plain_loop_uses():
    monoxide = molecule_structure("CO")
    field = AseModel(calculator="ase.calculators.emt:EMT").load(Path())
    loop = AseLoop(field, monoxide, NVE)
    assert isinstance(loop._atoms.calc, EMT)
    assert loop.kernel == "ase"


class Springs(Model):
    """Water's bonds as springs."""

    type: Literal["springs"] = "springs"

    def load(self, base: Path) -> ForceField:
        return HarmonicBonds(WATER)


class Refusing(Model):
    """Knows no system."""

    type: Literal["refusing"] = "refusing"

    def load(self, base: Path) -> ForceField:
        raise StructureError("no such system")


def test_a_case_times_every_model_and_size_in_turn_and_reports_what_it_cannot_time():
    events: list = []
    models = {"springs": Springs(), "refusing": Refusing()}
    case = Case(
        "water", WATER, models, dict.fromkeys(models, (1, 3)), dict.fromkeys(models, NVE), base=".", effort=QUICK
    )  # fmt: skip
    found = time_case(case, events.append)
    assert [(t.model, t.loop, t.copies) for t in found.timings] == [
        ("springs", PLAIN_ASE, 1),
        ("springs", ENGINE, 1),
        ("springs", ENGINE, 3),
    ]
    assert all(len(t.bursts) == len(found.sgemm) == 2 for t in found.timings)
    assert any(isinstance(e, ProbeFinished) and "no such system" in e.problem for e in events)
    assert found.peak_bytes > 10**7


def test_sgemm_measures_products():
    torch.set_num_threads(1)
    assert 1e8 < Sgemm().rate() < 1e13
