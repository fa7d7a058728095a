"""Flaws of the dynamics: wrong integrators, a thermostat left on, a frozen atom, wrong masses, no velocities.

A faulty integrator says that it is the sound one (its name and options in run files are those of the sound one), as a
mistake in a program would. Thermostatted simulations keep theirs.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from pydantic import SerializeAsAny, model_serializer

from mdprotocol.contracts import Integrator, MDState, RandomStreams, Structure
from mdprotocol.faults.fault import Change
from mdprotocol.faults.planting import planted
from mdprotocol.plan.types import Batch, Plan, ProbeBatch
from mdprotocol.units import FS_PER_PS, KB_EV_PER_K


class FaultyIntegrator(Integrator):
    """Base of integrators with a planted flaw."""

    type: Literal["faulty"] = "faulty"
    sound: SerializeAsAny[Integrator]
    size: float = 0.0

    @model_serializer(mode="plain")
    def _as_the_sound_one(self) -> dict[str, Any]:
        return self.sound.model_dump()

    def start(self, state: MDState, streams: RandomStreams) -> None:
        self.sound.start(state, streams)

    @abstractmethod
    def step(self, state: MDState, update_forces: Callable[[], None], streams: RandomStreams) -> None: ...


class Euler(FaultyIntegrator):
    """Explicit Euler: x += v dt, v += F/m dt with the forces from before the step; energy grows."""

    def step(self, state: MDState, update_forces: Callable[[], None], streams: RandomStreams) -> None:
        acceleration = state.forces / state.masses
        state.positions.add_(state.velocities, alpha=state.timestep)
        state.velocities.add_(acceleration, alpha=state.timestep)
        update_forces()


class WrongSign(FaultyIntegrator):
    """Velocity Verlet whose second half kick has the wrong sign."""

    def step(self, state: MDState, update_forces: Callable[[], None], streams: RandomStreams) -> None:
        half = 0.5 * state.timestep
        state.velocities.addcdiv_(state.forces, state.masses, value=half)
        state.positions.add_(state.velocities, alpha=state.timestep)
        update_forces()
        state.velocities.addcdiv_(state.forces, state.masses, value=-half)


class ThermostatLeftOn(FaultyIntegrator):
    """The sound step, then a Langevin kick with a friction of `size` per ps, whose heat is booked as a thermostat's."""

    def step(self, state: MDState, update_forces: Callable[[], None], streams: RandomStreams) -> None:
        self.sound.step(state, update_forces, streams)
        keep = math.exp(-self.size * state.timestep / FS_PER_PS)
        before = state.kinetic_energy()
        thermal = (KB_EV_PER_K * state.temperature)[state.owner][:, None] / state.masses
        state.velocities.mul_(keep).add_(streams.normal_atoms() * ((1 - keep**2) * thermal).sqrt())
        state.bath_energy = state.bath_energy + state.kinetic_energy() - before


class OtherTimestep(FaultyIntegrator):
    """Steps of `size` times the time step that is written down, as where ASE's unit of time is forgotten."""

    def step(self, state: MDState, update_forces: Callable[[], None], streams: RandomStreams) -> None:
        written = state.timestep
        state.timestep = written * self.size
        self.sound.step(state, update_forces, streams)
        state.timestep = written


class FrozenAtom(FaultyIntegrator):
    """The first atom of each copy never moves."""

    def start(self, state: MDState, streams: RandomStreams) -> None:
        firsts = self._firsts(state)
        state.velocities[firsts] = 0.0
        state.forces[firsts] = 0.0
        self.sound.start(state, streams)

    def step(self, state: MDState, update_forces: Callable[[], None], streams: RandomStreams) -> None:
        def held() -> None:
            update_forces()
            state.forces[self._firsts(state)] = 0.0

        self.sound.step(state, held, streams)

    def _firsts(self, state: MDState) -> np.ndarray:
        return np.unique(state.owner.numpy(), return_index=True)[1]


class NoVelocities(FaultyIntegrator):
    """Production starts from rest."""

    def start(self, state: MDState, streams: RandomStreams) -> None:
        state.velocities.zero_()
        self.sound.start(state, streams)

    def step(self, state: MDState, update_forces: Callable[[], None], streams: RandomStreams) -> None:
        self.sound.step(state, update_forces, streams)


@dataclass(frozen=True)
class OtherIntegrator(Change):
    """Every simulation at constant energy, and every probe that moves a system so, uses a faulty integrator."""

    kind: type[FaultyIntegrator]
    size: float = 0.0

    def planned(self, plan: Plan, label: str) -> Plan:
        return planted(plan, label, self._batch, self._probes)

    def _batch(self, batch: Batch) -> Batch:
        sound = batch.settings.integrator
        if sound.thermostatted:
            return batch
        return replace(batch, settings=replace(batch.settings, integrator=self._faulty(sound)))

    def _probes(self, batch: ProbeBatch) -> ProbeBatch:
        probes = tuple(
            replace(
                probe,
                dynamics=tuple(
                    d if d.integrator.thermostatted else replace(d, integrator=self._faulty(d.integrator))
                    for d in probe.dynamics
                ),
            )
            for probe in batch.probes
        )
        return replace(batch, probes=probes) if any(probe.dynamics for probe in probes) else batch

    def _faulty(self, sound: Integrator) -> FaultyIntegrator:
        return self.kind(sound=sound, size=self.size)


@dataclass(frozen=True)
class HeavierHydrogen(Change):
    """Hydrogen atoms have a mass `factor` times too large in every run of the models (2 is deuterium's)."""

    factor: float

    def planned(self, plan: Plan, label: str) -> Plan:
        def batch(one: Batch) -> Batch:
            return replace(one, structures={name: self._heavier(s) for name, s in one.structures.items()})

        return planted(plan, label, batch)

    def _heavier(self, structure: Structure) -> Structure:
        return replace(
            structure, masses=np.where(structure.numbers == 1, self.factor * structure.masses, structure.masses)
        )
