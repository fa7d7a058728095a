"""The batched loop: equilibration, production, frames, guards. All copies of a batch step together.

A copy that fails leaves the batch (see `forces`): its frames, step and cause are kept, and the others go on bitwise as
they would have without it. Within a step nothing is looked at; guards look every few steps and at every frame.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mdprotocol.components import ForceField, Integrator, MDState, Structure, Topology
from mdprotocol.engine import random
from mdprotocol.engine.forces import Forces
from mdprotocol.engine.guards import Failure, Watch
from mdprotocol.engine.recording import Ending, Frame, Recorder, snapshot
from mdprotocol.engine.velocities import degrees_of_freedom, maxwell_boltzmann, without_drift
from mdprotocol.plan.types import RunSettings
from mdprotocol.units import AMU_EV_FS2_PER_A2, FS_PER_PS, KB_EV_PER_K, MEV_PER_EV

ProgressHandler = Callable[[int, int, float, float], None]
"""Step (negative in equilibration), copies alive, drift in meV/atom/ps (NaN before there is one), temperature in K."""
FailureHandler = Callable[[int, Ending], None]
"""Copy, how it ended."""
REPORT_SECONDS = 0.5


@dataclass(frozen=True)
class Stage:
    """Equilibration or production, in whole steps."""

    integrator: Integrator
    timestep_fs: float
    steps: int
    guard_every: int
    record_every: int
    """0: no frames."""
    streams: int
    """Which random streams it uses."""
    first: int
    """Number of its step 0 on the run's clock: production starts at 0."""


class Loop:
    """One batch in motion.

    Args:
        force_field: the loaded model.
        structures: structure of each copy.
        temperatures_K: target of each copy.
        seeds: seed of each copy.
        settings: what the copies have in common.
        on_progress: told about twice a second.
        on_failure: told when a copy leaves.

    Attributes:
        endings: how each copy ended.
        recorder: frames of each copy.
        dof: (B,) degrees of freedom in production.
    """

    def __init__(
        self,
        force_field: ForceField,
        structures: Sequence[Structure],
        temperatures_K: Sequence[float],
        seeds: Sequence[int],
        settings: RunSettings,
        on_progress: ProgressHandler = lambda step, alive, drift, temperature: None,
        on_failure: FailureHandler = lambda copy, ending: None,
    ) -> None:
        self._structures, self._seeds, self._settings = structures, seeds, settings
        self._on_progress, self._on_failure, self._reported = on_progress, on_failure, time.monotonic()
        self._topology = Topology.of(structures)
        self._forces = Forces(force_field, structures)
        self._watch = Watch(settings.guards, structures)
        self._alive = np.ones(len(structures), dtype=bool)
        self._state = initial_state(structures, temperatures_K)
        self._stages = list(stages(settings))
        self.endings = [Ending() for _ in structures]
        self.dof = self._dof(settings.integrator)
        self.recorder = Recorder(settings.steps // settings.record_every + 1, self._topology.offsets)

    # ------------------------------------------------------------------------------------------------------- stages

    def run(self) -> None:
        """Equilibrate where asked, then produce; afterwards `endings` and `recorder` hold everything."""
        self._draw_velocities()
        self._forces.start(self._state)
        self._state.dof = self.dof
        start = {name: values.copy() for name, values in snapshot(self._state).items()}
        for stage in self._stages:
            self._begin(stage)
            if stage.record_every:
                self._record_first(start)
            self._advance(stage)

    def _begin(self, stage: Stage) -> None:
        if stage.first == 0 and len(self._stages) > 1 and stage.integrator.conserves_momentum:
            self._remove_drift()
        state = self._state
        state.timestep, state.dof, state.extra = stage.timestep_fs, self._dof(stage.integrator), {}
        state.bath_energy = torch.zeros_like(state.bath_energy)
        self._streams = random.Streams(self._seeds, self._topology.offsets, stage.streams)
        stage.integrator.start(state, self._streams)
        self._guard(stage, 0)

    def _advance(self, stage: Stage) -> None:
        state, forces, step_on, streams = self._state, self._forces, stage.integrator.step, self._streams
        record_every, guard_every = stage.record_every or stage.steps + 1, stage.guard_every

        def update_forces() -> None:
            forces.update(state)

        for step in range(1, stage.steps + 1):
            if not self._alive.any():
                return
            step_on(state, update_forces, streams)
            forces.hold(state)
            frame = step % record_every == 0
            if frame or forces.errors or step % guard_every == 0 or step == stage.steps:
                self._guard(stage, step)
                self._report(stage, step)
            if frame:
                self.recorder.record(snapshot(state), step * stage.timestep_fs, self._alive)

    def _record_first(self, start: Frame) -> None:
        """Frame 0 of every copy; for one that never reached production, the state that it started from."""
        now = snapshot(self._state)
        failed = ~self._alive
        for name, values in start.items():
            mine = failed[self._topology.owner] if values.ndim == 2 else failed
            now[name] = np.where(mine.reshape(-1, *[1] * (values.ndim - 1)), values, now[name])
        self.recorder.record(now, 0.0, np.ones_like(self._alive))

    # ------------------------------------------------------------------------------------------------------- pieces

    def _dof(self, integrator: Integrator) -> torch.Tensor:
        found = [degrees_of_freedom(s, integrator.conserves_momentum) for s in self._structures]
        return torch.tensor(found, dtype=torch.float64)

    def _draw_velocities(self) -> None:
        noise = random.Streams(self._seeds, self._topology.offsets, random.VELOCITIES, block=1).normal_atoms().numpy()
        integrator = self._stages[0].integrator
        for b, structure in enumerate(self._structures):
            mine, target = self._mine(b), float(self._state.temperature[b])
            dof = degrees_of_freedom(structure, integrator.conserves_momentum)
            self._state.velocities[mine] = torch.from_numpy(maxwell_boltzmann(structure, target, noise[mine], dof))

    def _remove_drift(self) -> None:
        """Equilibration may leave the molecule flying and spinning; production starts without, at the energy it has."""
        for b in np.flatnonzero(self._alive).tolist():
            mine = self._mine(b)
            x, v = (t[mine].numpy() for t in (self._state.positions, self._state.velocities))
            self._state.velocities[mine] = torch.from_numpy(without_drift(x, v, self._structures[b]))

    def _mine(self, b: int) -> slice:
        return slice(int(self._topology.offsets[b]), int(self._topology.offsets[b + 1]))

    # ------------------------------------------------------------------------------------------------------- guards

    def _guard(self, stage: Stage, step: int) -> None:
        """Look at every copy; those that have failed leave."""
        failed = {b: Failure("model_error", text) for b, text in self._forces.errors.items() if self._alive[b]}
        self._forces.errors = {}
        failed = {**self._watch.failures(self._state, self._alive), **failed}
        for b, failure in sorted(failed.items()):
            self._end(b, failure, stage, step)
        if failed:
            self._forces.hold(self._state)

    def _end(self, b: int, failure: Failure, stage: Stage, step: int) -> None:
        clock = stage.first + step if stage.first == 0 else min(stage.first + step, -1)
        self._alive[b] = False
        self.endings[b] = Ending(failure, clock, clock * stage.timestep_fs)
        if stage.record_every and step > 0 and failure.kind != "model_error":
            self.recorder.record_last(b, snapshot(self._state), step * stage.timestep_fs)
        self._forces.park(b)
        self._on_failure(b, self.endings[b])

    # ----------------------------------------------------------------------------------------------------- progress

    def _report(self, stage: Stage, step: int) -> None:
        now = time.monotonic()
        if now - self._reported < REPORT_SECONDS or not self._alive.any():
            return
        self._reported = now
        state, alive = self._state, torch.from_numpy(self._alive)
        temperature = (2 * state.kinetic_energy() / (state.dof * KB_EV_PER_K))[alive].mean()
        drift = self._drift(step * stage.timestep_fs) if stage.record_every else float("nan")
        self._on_progress(stage.first + step, int(self._alive.sum()), drift, float(temperature))

    def _drift(self, time_fs: float) -> float:
        """Mean change of the conserved energy since frame 0, meV/atom/ps, over the copies alive."""
        change = snapshot(self._state)["conserved_energy"] - self.recorder.first("conserved_energy")
        per_atom = (change / np.diff(self._topology.offsets))[self._alive]
        return float(per_atom.mean()) * MEV_PER_EV * FS_PER_PS / time_fs


def stages(settings: RunSettings) -> Sequence[Stage]:
    """The stages of a run, in order."""
    production = Stage(
        integrator=settings.integrator,
        timestep_fs=settings.timestep_fs,
        steps=settings.steps,
        guard_every=settings.guard_every,
        record_every=settings.record_every,
        streams=random.PRODUCTION,
        first=0,
    )
    before = settings.equilibration
    if before is None:
        return [production]
    assert before.integrator is not None, "the protocol fills in the thermostat"
    steps = max(1, round(before.duration_ps * FS_PER_PS / before.timestep_fs))
    guard_every = max(1, round(settings.guards.check_every_fs / before.timestep_fs))
    stage = Stage(before.integrator, before.timestep_fs, steps, guard_every, 0, random.EQUILIBRATION, -steps)
    return [stage, production]


def initial_state(structures: Sequence[Structure], temperatures_K: Sequence[float]) -> MDState:
    """Copies at rest at their initial geometry; forces and energy are still zero."""
    topology = Topology.of(structures)
    positions = torch.from_numpy(np.concatenate([s.positions for s in structures]).astype(np.float64))
    return MDState(
        positions=positions,
        velocities=torch.zeros_like(positions),
        forces=torch.zeros_like(positions),
        energy=torch.zeros(topology.copies, dtype=torch.float64),
        masses=torch.from_numpy(topology.masses[:, None] * AMU_EV_FS2_PER_A2),
        owner=torch.from_numpy(topology.owner),
        copies=topology.copies,
        temperature=torch.tensor(temperatures_K, dtype=torch.float64),
        dof=torch.ones(topology.copies, dtype=torch.float64),
        timestep=1.0,
        bath_energy=torch.zeros(topology.copies, dtype=torch.float64),
    )
