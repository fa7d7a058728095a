"""Time-step convergence, reversibility and kinematics: sound dynamics pass, planted flaws do not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from moving_kit import faulty, moving

from mdprotocol.contracts import Dynamics, ModelFault, properties
from mdprotocol.errors import NotMeasurable
from mdprotocol.testing import check_metric, make_structure, molecule_structure
from mdprotocol.testing.analytic import HarmonicBonds, HarmonicTrap, LennardJones
from mdprotocol_plugins.faults.answers import Forces1Percent, NoisyForces
from mdprotocol_plugins.faults.landscapes import Curl
from mdprotocol_plugins.faults.motion import AseTimestep, Euler, NoVelocities, ThermostatLeftOn, WrongSign
from mdprotocol_plugins.integrators.langevin import Langevin
from mdprotocol_plugins.integrators.velocity_verlet import VelocityVerlet
from mdprotocol_plugins.metrics.kinematics import Kinematics
from mdprotocol_plugins.metrics.reversibility import Reversibility
from mdprotocol_plugins.metrics.timestep_convergence import TimestepConvergence

VERLET = VelocityVerlet()


def measured(metric, subject):  # type: ignore[no-untyped-def]
    return check_metric(metric, metric.probe(subject))


# ---------------------------------------------------------------------------------------------- time-step convergence


def test_verlet_is_of_second_order_on_smooth_forces() -> None:
    found = measured(TimestepConvergence(), moving())
    assert found["order_error"] < 0.1
    assert found["ratio_error"] < 0.1


def test_the_error_of_an_oscillator_is_what_theory_says() -> None:
    """Verlet keeps K + V (1 - (w dt)²/4) of an oscillator exactly, so that E swings by (w dt)²/4 of V's swing."""
    trap = HarmonicTrap(stiffness=10.0)
    atom = make_structure([6], np.zeros((1, 3)))
    metric = TimestepConvergence(length_fs=4000.0)
    found = measured(metric, moving(structure=atom, force_field=trap, timestep_fs=2.0))
    moved = moving(structure=atom, force_field=trap, timestep_fs=2.0).propagate(
        VERLET, 2.0, 2000, temperature_K=600.0, seed=3
    )
    amu = 103.642696  # eV fs²/Å²
    square = 10.0 / (12.011 * amu) * 2.0**2
    expected = square / 4 * float(moved["potential_energy"].values.std())
    assert found["rmsd"] == pytest.approx(1000 * expected, rel=0.02)


@pytest.mark.parametrize(
    ("integrator", "flaw"),
    [
        (faulty(Euler()), None),
        (faulty(WrongSign()), None),
        (faulty(ThermostatLeftOn(friction_per_ps=1.0)), None),
        (None, Curl()),
        (None, NoisyForces()),
        (None, Forces1Percent()),
    ],
)
def test_flaws_have_another_order(integrator, flaw) -> None:  # type: ignore[no-untyped-def]
    found = measured(TimestepConvergence(), moving(integrator, flaw))
    assert found["order_error"] > 0.3


def test_free_atoms_have_no_order() -> None:
    far = make_structure([18, 18], [[0, 0, 0], [1e4, 0, 0]])
    with pytest.raises(NotMeasurable, match=r"does not change|drowns"):
        measured(TimestepConvergence(), moving(structure=far, force_field=LennardJones()))


def test_a_thermostatted_protocol_has_no_constant_energy() -> None:
    subject = moving()
    only = dataclasses.replace(subject, dynamics=(Dynamics("nvt", Langevin(), 0.5, (300.0,)),))
    for metric in (TimestepConvergence(), Reversibility(), Kinematics()):
        with pytest.raises(NotMeasurable, match="no simulation at constant energy"):
            measured(metric, only)


# ------------------------------------------------------------------------------------------------------ reversibility


class Stale(ModelFault):
    """Every fourth answer is that of the call before: forces that remember."""

    type: str = "stale"
    breaks = frozenset({properties.MEMORYLESS})

    def prepare(self, sound, topology):  # type: ignore[no-untyped-def]
        evaluate, before, calls = sound.prepare(topology), None, 0

        def answer(x, cells):  # type: ignore[no-untyped-def]
            nonlocal before, calls
            calls += 1
            before = evaluate(x, cells) if before is None or calls % 4 else before
            return before

        return answer


def test_verlet_finds_its_way_back() -> None:
    assert measured(Reversibility(), moving())["position_error"] < 1e-8


@pytest.mark.parametrize(
    ("integrator", "flaw"),
    [
        (faulty(Euler()), None),
        (faulty(WrongSign()), None),
        (faulty(ThermostatLeftOn(friction_per_ps=1.0)), None),
        (None, NoisyForces()),
        (None, Stale()),
    ],
)
def test_what_remembers_or_is_random_does_not_come_back(integrator, flaw) -> None:  # type: ignore[no-untyped-def]
    methane = molecule_structure("CH4")
    found = measured(Reversibility(), moving(integrator, flaw, structure=methane))
    assert found["position_error"] > 1e-3


# --------------------------------------------------------------------------------------------------------- kinematics


def test_positions_follow_velocities() -> None:
    found = measured(Kinematics(), moving())
    assert found["velocity_error"] < 1e-10
    assert found["start_temperature"] < 1e-10


def test_a_wrong_time_step_shows_by_its_factor() -> None:
    found = measured(Kinematics(), moving(faulty(AseTimestep(factor=0.098))))
    assert found["velocity_error"] == pytest.approx(0.902, abs=0.01)


def test_a_kick_of_the_wrong_sign_shows() -> None:
    assert measured(Kinematics(), moving(faulty(WrongSign())))["velocity_error"] > 0.02


def test_velocities_that_were_not_drawn_show() -> None:
    strained = molecule_structure("H2O", rattle_A=0.05)
    springs = HarmonicBonds(molecule_structure("H2O"), stiffness=45.0)
    subject = moving(faulty(NoVelocities()), structure=strained, force_field=springs)
    assert measured(Kinematics(), subject)["start_temperature"] == 1.0


def test_nothing_moves_from_rest_in_a_minimum() -> None:
    with pytest.raises(NotMeasurable, match="nothing moves"):
        measured(
            Kinematics(),
            moving(
                faulty(NoVelocities()), structure=make_structure([18], np.zeros((1, 3))), force_field=HarmonicTrap()
            ),
        )
