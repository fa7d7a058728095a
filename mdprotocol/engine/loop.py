"""The batched loop: equilibration, production, frames, guards. All copies of a batch step together.

A copy that fails leaves the batch: its frames, step and cause are kept, and it is parked at its initial geometry with zero
velocity. The arrays keep their shape, so the other copies go on bitwise as they would have without it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch

from mdprotocol.components import Evaluator, Integrator, MDState, Structure, Topology
from mdprotocol.engine.guards import Failure, Watch
from mdprotocol.engine.random import Streams
from mdprotocol.engine.recording import Ending, Recorder
from mdprotocol.engine.velocities import degrees_of_freedom, maxwell_boltzmann, without_drift
from mdprotocol.plan.types import RunSettings
from mdprotocol.units import AMU_EV_FS2_PER_A2, FS_PER_PS, KB_EV_PER_K, MEV_PER_EV

ProgressHandler = Callable[[int, int, float, float], None]
"""step (negative in equilibration), copies alive, drift meV/atom/ps, mean temperature K."""
REPORT_SECONDS = 0.5


class Loop:
    """One batch in motion.

    Args:
        evaluator: energy and forces of the batch.
        structures: structure of each copy.
        temperatures_K: target of each copy.
        seeds: seed of each copy.
        settings: what the copies have in common.
        on_progress: told about twice a second.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        structures: Sequence[Structure],
        temperatures_K: Sequence[float],
        seeds: Sequence[int],
        settings: RunSettings,
        on_progress: ProgressHandler | None = None,
    ) -> None:
        self._evaluator, self._structures, self._settings = evaluator, structures, settings
        self._on_progress, self._reported = on_progress, time.monotonic()
        self._topology = Topology.of(structures)
        self._streams = Streams(seeds, self._topology.offsets)
        self._home = torch.from_numpy(np.concatenate([s.positions for s in structures]).astype(float))
        self._alive = torch.ones(len(structures), dtype=torch.bool)
        self._errors: dict[int, str] = {}
        self._state = self._initial_state(temperatures_K)
        self._watch = Watch(settings.guards, structures, self._state.owner)
        self.endings = [Ending() for _ in structures]
        self.dof = self._dof(settings.integrator)
        self.recorder = Recorder(settings.steps // settings.record_every + 1, self._topology.offsets, self.dof)

    # ------------------------------------------------------------------------------------------------------- stages

    def run(self) -> None:
        """Equilibrate where asked, then produce; afterwards `endings` and `recorder` hold everything."""
        self._draw_velocities()
        self._update_forces()
        if self._settings.equilibration:
            self._equilibrate()
        self._produce()

    def _equilibrate(self) -> None:
        stage = self._settings.equilibration
        assert stage is not None
        assert stage.integrator is not None
        steps = round(stage.duration_ps * FS_PER_PS / stage.timestep_fs)
        guard_every = max(1, round(self._settings.guards.check_every_fs / stage.timestep_fs))
        dof = self._dof(stage.integrator)
        self._begin(stage.integrator, stage.timestep_fs, dof)
        for step in range(1, steps + 1):
            stage.integrator.step(self._state, self._update_forces, self._streams)
            if step % guard_every == 0 or step == steps:
                self._guard(step - steps - 1, (step - steps) * stage.timestep_fs, dof)
                self._report(step - steps)
                if not self._alive.any():
                    return
        self._remove_drift()

    def _produce(self) -> None:
        s, dof = self._settings, self.dof
        self._begin(s.integrator, s.timestep_fs, dof)
        self._guard(0, 0.0, dof)
        self._record_first()
        for step in range(1, s.steps + 1):
            if not self._alive.any():
                return
            s.integrator.step(self._state, self._update_forces, self._streams)
            frame = step % s.record_every == 0
            if frame or step % s.guard_every == 0 or step == s.steps:
                self._guard(step, step * s.timestep_fs, dof)
                self._report(step)
            if frame:
                self.recorder.record(self._state, step * s.timestep_fs, self._alive)

    def _record_first(self) -> None:
        """Frame 0 of every copy, also of one that failed before production: a run's dataset is never empty."""
        self.recorder.record(self._state, 0.0, torch.ones_like(self._alive))

    # -------------------------------------------------------------------------------------------------------- pieces

    def _initial_state(self, temperatures_K: Sequence[float]) -> MDState:
        copies, x = len(self._structures), self._home.clone()
        zeros = torch.zeros(copies, dtype=torch.float64)
        return MDState(
            positions=x,
            velocities=torch.zeros_like(x),
            forces=torch.zeros_like(x),
            energy=zeros.clone(),
            masses=torch.from_numpy(self._topology.masses[:, None] * AMU_EV_FS2_PER_A2),
            owner=torch.from_numpy(self._topology.owner),
            copies=copies,
            temperature=torch.tensor(temperatures_K, dtype=torch.float64),
            dof=zeros.clone(),
            timestep=self._settings.timestep_fs,
            bath_energy=zeros.clone(),
        )

    def _dof(self, integrator: Integrator) -> torch.Tensor:
        found = [degrees_of_freedom(s, integrator.conserves_momentum) for s in self._structures]
        return torch.tensor(found, dtype=torch.float64)

    def _begin(self, integrator: Integrator, timestep: float, dof: torch.Tensor) -> None:
        state = self._state
        state.timestep, state.dof = timestep, dof
        state.bath_energy = torch.zeros_like(state.bath_energy)
        state.extra = {}
        integrator.start(state, self._streams)

    def _update_forces(self) -> None:
        found = self._evaluator(self._state.positions)
        self._state.energy, self._state.forces = found.energy, found.forces
        if found.errors:
            self._errors.update(found.errors)

    def _draw_velocities(self) -> None:
        noise = self._streams.normal_atoms().numpy()
        for b, structure in enumerate(self._structures):
            mine, t = self._mine(b), float(self._state.temperature[b])
            dof = degrees_of_freedom(structure, conserves_momentum=True)
            self._state.velocities[mine] = torch.from_numpy(maxwell_boltzmann(structure, t, noise[mine], dof))

    def _remove_drift(self) -> None:
        """Equilibration may leave the molecule flying and spinning; production starts without, at the energy it has."""
        for b, structure in enumerate(self._structures):
            mine = self._mine(b)
            x, v = (t[mine].numpy() for t in (self._state.positions, self._state.velocities))
            if np.isfinite(x).all() and np.isfinite(v).all():
                self._state.velocities[mine] = torch.from_numpy(without_drift(x, v, structure))

    def _mine(self, b: int) -> slice:
        return slice(int(self._topology.offsets[b]), int(self._topology.offsets[b + 1]))

    def _guard(self, step: int, time_fs: float, dof: torch.Tensor) -> None:
        failed = self._watch.failures(self._state, self._alive, dof, self._errors)
        self._errors = {}
        for b, failure in failed.items():
            self._end(b, failure, step, time_fs)
        if not bool(self._alive.all()):
            self._park()

    def _end(self, b: int, failure: Failure, step: int, time_fs: float) -> None:
        self._alive[b] = False
        self.endings[b] = Ending(failure, step, time_fs)
        if step > 0:
            self.recorder.record_last(b, self._state, time_fs)

    def _park(self) -> None:
        parked = ~self._alive[self._state.owner]
        self._state.positions[parked] = self._home[parked]
        self._state.velocities[parked] = 0.0
        self._state.forces = torch.where(parked[:, None], 0.0, self._state.forces)
        self._state.energy = torch.where(self._alive, self._state.energy, 0.0)
        self._state.bath_energy = torch.where(self._alive, self._state.bath_energy, 0.0)
        for name, values in self._state.extra.items():
            self._state.extra[name] = torch.where(self._alive.view(-1, *[1] * (values.ndim - 1)), values, 0.0)

    def _report(self, step: int) -> None:
        if self._on_progress is None or time.monotonic() - self._reported < REPORT_SECONDS:
            return
        self._reported = time.monotonic()
        kinetic = self._state.kinetic_energy()[self._alive]
        temperature = (2 * kinetic / (self._state.dof[self._alive] * KB_EV_PER_K)).mean()
        self._on_progress(step, int(self._alive.sum()), self._drift(step), float(temperature))

    def _drift(self, step: int) -> float:
        """Mean change of the conserved energy since frame 0, meV/atom/ps, over the copies alive."""
        if step <= 0 or not bool(self._alive.any()):
            return float("nan")
        state = self._state
        now = (state.kinetic_energy() + state.energy - state.bath_energy).numpy()
        change = (now - self.recorder.first("conserved_energy")) / np.diff(self._topology.offsets)
        return float(np.mean(change[self._alive.numpy()])) * MEV_PER_EV * FS_PER_PS / (step * self._settings.timestep_fs)
