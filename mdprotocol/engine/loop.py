"""The batched loop: equilibration, production, frames, guards. All copies of a batch step together.

A copy that fails leaves the batch (see `forces`): its frames, step and cause are kept, and the others go on bitwise as
they would have without it. The state lives on the model's device. Within a step nothing is looked at, so that a GPU is
not waited for; guards look every few steps and at every frame, at a copy in the memory of the CPU.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from mdprotocol.chemistry import degrees_of_freedom
from mdprotocol.contracts import ForceField, Integrator, MDState, Structure, Topology
from mdprotocol.engine import random
from mdprotocol.engine.forces import Forces
from mdprotocol.engine.guards import Failure, Watch
from mdprotocol.engine.journal import Journal, endings_in, grouped
from mdprotocol.engine.recording import Ending, Frame, Recorder, snapshot
from mdprotocol.engine.velocities import maxwell_boltzmann, without_drift
from mdprotocol.errors import PluginError
from mdprotocol.plan.steps import frames_of
from mdprotocol.plan.types import RunSettings
from mdprotocol.store.segment import Segment
from mdprotocol.units import AMU_EV_FS2_PER_A2, FS_PER_PS, KB_EV_PER_K, MEV_PER_EV

ProgressHandler = Callable[[int, int, float, float], None]
"""Step (negative in equilibration), copies alive, drift in meV/atom/ps (NaN before there is one), temperature in K."""
FailureHandler = Callable[[int, Ending], None]
"""Copy, how it ended."""
REPORT_SECONDS = 0.5
LOOKS_BYTES = 256 * 2**20
"""Memory of a GPU for states that guards have not looked at yet: for a small molecule 100 ps without a frame."""
RENEW_STEPS = 500
"""Steps after which a model that remembers earlier calls starts anew."""
GROUPS = ("state", "extra", "random", "watch", "start", "recorder")


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
        held_frames: frames that are kept in memory; all of them by default. Fewer need a journal.

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
        held_frames: int | None = None,
    ) -> None:
        self._structures, self._seeds, self._settings = structures, seeds, settings
        self._on_progress, self._on_failure, self._reported = on_progress, on_failure, time.monotonic()
        self._topology = Topology.of(structures)
        self._forces = Forces(force_field, structures)
        self._watch = Watch(settings.guards, structures)
        self._alive = np.ones(len(structures), dtype=bool)
        self._device = force_field.device
        self._state = initial_state(structures, temperatures_K, self._device)
        self._cells = self._state.cells
        self._stages = list(stages(settings))
        self.endings = [Ending() for _ in structures]
        self.dof = self._dof(settings.integrator)
        self._held = held_frames or frames_of(settings)
        self.recorder = Recorder(self._held, self._topology.offsets)
        self._remembers = force_field.remembers
        self._journal: Journal | None = None
        self._index, self._step, self._finished = 0, -1, False
        self._looks: list[tuple[int, MDState]] = []
        """Steps and states that the guards are still to look at."""
        moving = sum(getattr(self._state, name).nbytes for name in MDState.MOVING)
        self._most_looks = 1 if self._device == "cpu" else LOOKS_BYTES // moving
        self._start: Frame = {}
        """The state before equilibration, until frame 0 is recorded: a copy may never get there."""

    # ------------------------------------------------------------------------------------------------------- stages

    def run(self, journal: Journal | None = None) -> None:
        """Equilibrate where asked, then produce, or go on from where `restore` has put it.

        Args:
            journal: takes checkpoints and frames as they come; without one `recorder` holds them all.

        Raises:
            Interrupted: the journal was asked to stop.
            StoreError: the journal cannot write.
        """
        self._journal = journal
        if self._step < 0:
            self._prepare()
        while not self._finished:
            stage = self._stages[self._index]
            if self._step < 0:
                self._begin(stage)
            self._advance(stage)
            self._finished = self._index == len(self._stages) - 1
            if not self._finished:
                self._index, self._step = self._index + 1, -1
            elif journal is not None:
                self._keep()

    def _prepare(self) -> None:
        self._draw_velocities()
        self._forces.start(self._state)
        self._state.dof = self.dof
        self._start = {name: values.copy() for name, values in snapshot(self._state).items()}

    def _enter(self, stage: Stage) -> None:
        """What a stage needs that no checkpoint holds."""
        self._state.timestep, self._state.dof = stage.timestep_fs, self._dof(stage.integrator)
        self._streams = random.Streams(self._seeds, self._topology.offsets, stage.streams, device=self._device)
        self._boundary = stage.guard_every * max(1, self._renewal(stage) // stage.guard_every)

    def _renewal(self, stage: Stage) -> int:
        """Steps between new evaluators; fixed beforehand, so that it never depends on when somebody interrupts."""
        return min(RENEW_STEPS, (self._held - 1) * stage.record_every) if stage.record_every else RENEW_STEPS

    def _begin(self, stage: Stage) -> None:
        if stage.first == 0 and len(self._stages) > 1 and stage.integrator.conserves_momentum:
            self._remove_drift()
        self._enter(stage)
        self._state.extra, self._state.bath_energy = {}, torch.zeros_like(self._state.bath_energy)
        stage.integrator.start(self._state, self._streams)
        self._looks = [(0, self._state)]
        self._look(stage)
        if stage.record_every:
            self._record_first()
        self._step = 0

    def _advance(self, stage: Stage) -> None:
        state, forces, step_on, streams = self._state, self._forces, stage.integrator.step, self._streams
        record_every, guard_every = stage.record_every or stage.steps + 1, stage.guard_every

        def update_forces() -> None:
            forces.update(state)

        for step in range(self._step + 1, stage.steps + 1):
            if not self._alive.any():
                return
            step_on(state, update_forces, streams)
            forces.hold(state)
            frame = step % record_every == 0
            pressing = frame or forces.errors or step == stage.steps
            if pressing or step % guard_every == 0:
                if not pressing and len(self._looks) + 1 < self._most_looks and not self._checkpoint_due(step):
                    self._looks.append((step, state.copy()))
                    continue
                self._looks.append((step, state))
                self._look(stage)
                self._report(stage, step)
                if frame:
                    self.recorder.record(snapshot(state), step * stage.timestep_fs, self._alive)
                self._step = step
                self._keep_if_due()

    def _record_first(self) -> None:
        """Frame 0 of every copy; for one that never reached production, the state that it started from."""
        now = snapshot(self._state)
        failed = ~self._alive
        for name, values in self._start.items():
            mine = failed[self._topology.owner] if values.ndim == 2 else failed
            now[name] = np.where(mine.reshape(-1, *[1] * (values.ndim - 1)), values, now[name])
        self.recorder.record(now, 0.0, np.ones_like(self._alive))
        self._start = {}

    # -------------------------------------------------------------------------------------------------- checkpoints

    def _checkpoint_due(self, step: int) -> bool:
        """A model that remembers is kept at fixed steps only, where it starts anew in any case; others at any time."""
        if self._journal is None:
            return False
        return step % self._boundary == 0 if self._remembers else self.recorder.full or self._journal.due()

    def _keep_if_due(self) -> None:
        if self._checkpoint_due(self._step):
            self._keep()
        if self._journal is not None:
            self._journal.leave_if_asked()

    def _keep(self) -> None:
        assert self._journal is not None
        self._journal.keep(*self.checkpoint())
        self.recorder.clear()
        if self._remembers:
            self._forces.renew()

    def checkpoint(self) -> tuple[dict[str, Any], Frame]:
        """Facts and arrays with which `restore` goes on bitwise, and the frames that the recorder holds."""
        state = self._state.on_host()
        facts = {
            "stage": self._index,
            "step": self._step,
            "finished": self._finished,
            "taken": self.recorder.taken(),
            "frames": len(self.recorder.held()["time"]),
            "alive": self._alive.tolist(),
            "endings": [dataclasses.astuple(ending) for ending in self.endings],
        }
        groups = {
            "state": {name: getattr(state, name).numpy() for name in MDState.MOVING},
            "extra": {name: value.numpy() for name, value in state.extra.items()},
            "random": self._streams.state(),
            "watch": self._watch.state(),
            "start": self._start,
            "recorder": self.recorder.state(),
            "frame": self.recorder.held(),
        }
        return facts, {f"{group}:{name}": v for group, values in groups.items() for name, v in values.items()}

    def restore(self, kept: Segment) -> None:
        """Go on from a checkpoint of the same batch."""
        facts, groups = kept.facts, {group: grouped(kept, group) for group in GROUPS}
        self._index, self._step, self._finished = facts["stage"], facts["step"], facts["finished"]
        self._enter(self._stages[self._index])
        for name in MDState.MOVING:
            setattr(self._state, name, torch.from_numpy(groups["state"][name]).to(self._device))
        self._state.extra = {name: torch.from_numpy(v).to(self._device) for name, v in groups["extra"].items()}
        self._streams.restore(groups["random"])
        self._watch.restore(groups["watch"])
        self._start = groups["start"]
        self.recorder.restore(groups["recorder"], facts["taken"] + facts["frames"])
        self.endings = endings_in(kept)
        self._alive = np.array(facts["alive"], dtype=bool)
        for b in np.flatnonzero(~self._alive).tolist():
            self._forces.park(b)

    # ------------------------------------------------------------------------------------------------------- pieces

    def _dof(self, integrator: Integrator) -> torch.Tensor:
        found = [degrees_of_freedom(s, integrator.conserves_momentum) for s in self._structures]
        return torch.tensor(found, dtype=torch.float64, device=self._device)

    def _draw_velocities(self) -> None:
        noise = random.Streams(self._seeds, self._topology.offsets, random.VELOCITIES, block=1).normal_atoms().numpy()
        integrator = self._stages[0].integrator
        for b, structure in enumerate(self._structures):
            mine, target = self._mine(b), float(self._state.temperature[b])
            dof = degrees_of_freedom(structure, integrator.conserves_momentum)
            drawn = torch.from_numpy(maxwell_boltzmann(structure, target, noise[mine], dof))
            self._state.velocities[mine] = drawn.to(self._device)

    def _remove_drift(self) -> None:
        """Equilibration may leave the molecule flying and spinning; production starts without, at the energy it has."""
        for b in np.flatnonzero(self._alive).tolist():
            mine = self._mine(b)
            x, v = (t[mine].cpu().numpy() for t in (self._state.positions, self._state.velocities))
            still = torch.from_numpy(without_drift(x, v, self._structures[b]))
            self._state.velocities[mine] = still.to(self._device)

    def _mine(self, b: int) -> slice:
        return slice(int(self._topology.offsets[b]), int(self._topology.offsets[b + 1]))

    # ------------------------------------------------------------------------------------------------------- guards

    def _look(self, stage: Stage) -> None:
        """Look at every copy in all that was put aside and as it is now; those that have failed leave."""
        self._check_cells()
        before = self._alive.sum()
        for step, state in self._looks:
            here = state.on_host()
            failed = self._watch.failures(here, self._alive)
            if state is self._state:
                failed |= {b: Failure("model_error", text) for b, text in self._forces.errors.items() if self._alive[b]}
                self._forces.errors = {}
            for b, failure in sorted(failed.items()):
                self._end(b, failure, stage, step, here)
        self._looks = []
        if self._alive.sum() < before:
            self._forces.hold(self._state)

    def _check_cells(self) -> None:
        if self._state.cells is not self._cells or self._cells._version != 0:
            raise PluginError("the integrator changed the cells; runs in a moving box are not possible yet")

    def _end(self, b: int, failure: Failure, stage: Stage, step: int, state: MDState) -> None:
        clock = stage.first + step if stage.first == 0 else min(stage.first + step, -1)
        self._alive[b] = False
        self.endings[b] = Ending(failure, clock, clock * stage.timestep_fs)
        if stage.record_every and step > 0 and failure.kind != "model_error":
            self.recorder.record_last(b, snapshot(state), step * stage.timestep_fs)
        self._forces.park(b)
        self._on_failure(b, self.endings[b])

    # ----------------------------------------------------------------------------------------------------- progress

    def _report(self, stage: Stage, step: int) -> None:
        now = time.monotonic()
        if now - self._reported < REPORT_SECONDS or not self._alive.any():
            return
        self._reported = now
        state, alive = self._state.on_host(), torch.from_numpy(self._alive)
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


def initial_state(structures: Sequence[Structure], temperatures_K: Sequence[float], device: str = "cpu") -> MDState:
    """Copies at rest at their initial geometry; forces and energy are still zero."""
    topology = Topology.of(structures)
    positions = torch.from_numpy(np.concatenate([s.positions for s in structures]).astype(np.float64)).to(device)
    numbers = functools.partial(torch.zeros, topology.copies, dtype=torch.float64, device=device)
    return MDState(
        positions=positions,
        velocities=torch.zeros_like(positions),
        forces=torch.zeros_like(positions),
        energy=numbers(),
        cells=torch.from_numpy(topology.cells).to(device),
        masses=torch.from_numpy(topology.masses[:, None] * AMU_EV_FS2_PER_A2).to(device),
        owner=torch.from_numpy(topology.owner).to(device),
        copies=topology.copies,
        temperature=torch.tensor(temperatures_K, dtype=torch.float64, device=device),
        dof=numbers().fill_(1.0),
        timestep=1.0,
        bath_energy=numbers(),
    )
