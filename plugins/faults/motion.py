"""Flaws of the dynamics: wrong integrators, a thermostat left on, a frozen atom, wrong masses, no velocities."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from mdprotocol.api import (
    FS_IN_ASE_TIME,
    FS_PER_PS,
    KB_EV_PER_K,
    Integrator,
    MDState,
    MotionFault,
    RandomStreams,
    Size,
    Structure,
    SystemFault,
    properties,
)

Forces = Callable[[], None]
Positive = Annotated[float, Field(gt=0)]
NO_INTEGRATOR = frozenset(
    {
        properties.INTEGRATION,
        properties.REVERSIBILITY,
        properties.DYNAMICS,
        properties.TRAJECTORY,
        properties.CONSERVATION,
        properties.STABILITY,
    }
)
"""What a step does that integrates no equation of motion."""


class HeavierHydrogen(SystemFault):
    """Hydrogen atoms have a wrong mass.

    So many times too large in every run of the models (2 is deuterium's).
    """

    type: Literal["heavier_hydrogen"] = "heavier_hydrogen"
    factor: Positive = 2.0
    sized: ClassVar = Size("factor", "1", scalable=False)
    breaks: ClassVar = frozenset({properties.BOOKKEEPING, properties.RATES})

    def altered(self, structure: Structure) -> Structure:
        heavier = np.where(structure.numbers == 1, self.factor * structure.masses, structure.masses)
        return replace(structure, masses=heavier)


class Euler(MotionFault):
    """Explicit Euler steps.

    x += v dt, v += F/m dt with the forces from before the step; energy grows.
    """

    type: Literal["euler"] = "euler"
    breaks: ClassVar = NO_INTEGRATOR

    def step(self, sound: Integrator, state: MDState, update_forces: Forces, streams: RandomStreams) -> None:
        acceleration = state.forces / state.masses
        state.positions.add_(state.velocities, alpha=state.timestep)
        state.velocities.add_(acceleration, alpha=state.timestep)
        update_forces()


class WrongSign(MotionFault):
    """The second half kick has the wrong sign.

    Otherwise it is velocity Verlet.
    """

    type: Literal["wrong_sign"] = "wrong_sign"
    breaks: ClassVar = NO_INTEGRATOR

    def step(self, sound: Integrator, state: MDState, update_forces: Forces, streams: RandomStreams) -> None:
        half = 0.5 * state.timestep
        state.velocities.addcdiv_(state.forces, state.masses, value=half)
        state.positions.add_(state.velocities, alpha=state.timestep)
        update_forces()
        state.velocities.addcdiv_(state.forces, state.masses, value=-half)


class ThermostatLeftOn(MotionFault):
    """A Langevin thermostat acts in a run at constant energy.

    The sound step, then a kick whose heat is booked as a thermostat's.
    """

    type: Literal["thermostat_left_on"] = "thermostat_left_on"
    friction_per_ps: Positive = 1.0
    sized: ClassVar = Size("friction_per_ps", "1/ps")
    breaks: ClassVar = frozenset({properties.MOMENTUM, properties.REVERSIBILITY, properties.INTEGRATION})

    def step(self, sound: Integrator, state: MDState, update_forces: Forces, streams: RandomStreams) -> None:
        sound.step(state, update_forces, streams)
        keep = math.exp(-self.friction_per_ps * state.timestep / FS_PER_PS)
        before = state.kinetic_energy()
        thermal = (KB_EV_PER_K * state.temperature)[state.owner][:, None] / state.masses
        state.velocities.mul_(keep).add_(streams.normal_atoms() * ((1 - keep**2) * thermal).sqrt())
        state.bath_energy = state.bath_energy + state.kinetic_energy() - before


class AseTimestep(MotionFault):
    """The time step is off by the factor of ASE's unit of time.

    Steps of so many times the time step that is written down, as where that unit is forgotten.
    """

    type: Literal["ase_timestep"] = "ase_timestep"
    factor: Positive = FS_IN_ASE_TIME
    sized: ClassVar = Size("factor", "1", scalable=False)
    breaks: ClassVar = frozenset({properties.DYNAMICS, properties.RATES})

    def step(self, sound: Integrator, state: MDState, update_forces: Forces, streams: RandomStreams) -> None:
        written = state.timestep
        state.timestep = written * self.factor
        sound.step(state, update_forces, streams)
        state.timestep = written


class FrozenAtom(MotionFault):
    """One atom never moves.

    The first of each copy.
    """

    type: Literal["frozen_atom"] = "frozen_atom"
    breaks: ClassVar = frozenset({properties.MOMENTUM, properties.EQUIPARTITION, properties.TRAJECTORY})

    def start(self, sound: Integrator, state: MDState, streams: RandomStreams) -> None:
        firsts = _firsts(state)
        state.velocities[firsts] = 0.0
        state.forces[firsts] = 0.0
        sound.start(state, streams)

    def step(self, sound: Integrator, state: MDState, update_forces: Forces, streams: RandomStreams) -> None:
        def held() -> None:
            update_forces()
            state.forces[_firsts(state)] = 0.0

        sound.step(state, held, streams)


def _firsts(state: MDState) -> np.ndarray:
    return np.unique(state.owner.numpy(), return_index=True)[1]


class NoVelocities(MotionFault):
    """Production starts from rest."""

    type: Literal["no_velocities"] = "no_velocities"
    breaks: ClassVar = frozenset({properties.DYNAMICS, properties.TRAJECTORY, properties.TEMPERATURE})

    def start(self, sound: Integrator, state: MDState, streams: RandomStreams) -> None:
        state.velocities.zero_()
        sound.start(state, streams)

    def step(self, sound: Integrator, state: MDState, update_forces: Forces, streams: RandomStreams) -> None:
        sound.step(state, update_forces, streams)
