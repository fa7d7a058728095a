"""One batch from its plan to its files: load, step, label, write.

What is done goes into the batch's work folder as it comes (`journal`), so that a batch that was killed goes on from
there; `writing` makes the runs' files of it. Calculators of ASE come through the same contract as batched torch models
(`ForceField.prepare`), so there is one loop: every integrator, guard and recording works for both.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mdprotocol import __version__
from mdprotocol.contracts import ForceField, Topology
from mdprotocol.engine import events
from mdprotocol.engine.journal import Journal, held_frames
from mdprotocol.engine.loop import REPORT_SECONDS, Loop
from mdprotocol.engine.recording import Ending
from mdprotocol.engine.stopping import Stop, deferred
from mdprotocol.engine.unchanged import check_unchanged
from mdprotocol.engine.writing import RunOutcome, Writing
from mdprotocol.plan.types import Batch, total_steps
from mdprotocol.store import ResultsFolder
from mdprotocol.store.segment import Segment
from mdprotocol.store.work import Work
from mdprotocol.units import FS_PER_NS, SECONDS_PER_DAY

Emit = Callable[[events.Event], None]


def run_batch(batch: Batch, root: Path, emit: Emit) -> list[RunOutcome]:
    """Run a batch, or go on with it, and write one file a run into the results folder `root`.

    Raises:
        Interrupted: SIGINT or SIGTERM has come; what was done is on disk.
        StoreError: the results folder cannot be written.
        CheckpointError, StructureError, PluginError: the model cannot be loaded, cannot treat a system, or breaks its
            contract. A run that fails is no exception: it is data.
    """
    with deferred() as stop:
        return _run_batch(batch, ResultsFolder(root), emit, stop)


def _run_batch(batch: Batch, folder: ResultsFolder, emit: Emit, stop: Stop) -> list[RunOutcome]:
    started, name = time.monotonic(), batch_label(batch)
    structures = [batch.structures[run.system] for run in batch.runs]
    atoms, steps = sum(map(len, structures)), total_steps(batch.settings)
    emit(events.BatchStarted(name, len(batch.runs), atoms, steps, batch.settings.timestep_fs))
    model = _load(batch, name, emit)
    offsets = Topology.of(structures).offsets

    def make_loop() -> Loop:
        return Loop(
            model,
            structures,
            [run.temperature_K for run in batch.runs],
            [run.seed for run in batch.runs],
            batch.settings,
            _progress(batch, name, emit),
            _failure(batch, name, emit),
            held_frames(batch.settings, offsets),
        )

    loop, work = make_loop(), Work(folder, batch.key)
    work.begin(work_facts(batch))
    journal = Journal(work, model.kernel, stop, offsets)
    if journal.latest is not None and not _restored(loop, journal.latest):
        work.remove()
        work.begin(work_facts(batch))
        loop, journal = make_loop(), Journal(work, model.kernel, stop, offsets)
    loop.run(journal)
    outcomes = Writing(batch, folder, work, journal, loop.dof, model, stop).run(_ticking(name, emit))
    work.remove()
    failed = sum(outcome.outcome == "failed" for outcome in outcomes)
    emit(events.BatchFinished(name, len(outcomes), failed, time.monotonic() - started))
    return outcomes


def _restored(loop: Loop, kept: Segment) -> bool:
    """Go on from a checkpoint; False where it is none that this batch can have written."""
    try:
        loop.restore(kept)
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError, AttributeError):
        return False
    return True


def batch_label(batch: Batch) -> str:
    """Model, systems and simulation of a batch: `original alanine nve_10ps`."""
    systems = "+".join(dict.fromkeys(run.system for run in batch.runs))
    simulations = "+".join(dict.fromkeys(run.simulation for run in batch.runs))
    return f"{batch.model} {systems} {simulations}"


def _load(batch: Batch, name: str, emit: Emit) -> ForceField:
    model = batch.component.load(Path(batch.base))
    check_unchanged(batch.component, batch.base, batch.runs[0].model_digest)
    for notice in model.notices:
        emit(events.Notice(name, notice))
    return model


def work_facts(batch: Batch) -> dict[str, Any]:
    """What a work folder says of itself: who steps together, and on what; bits may differ with anything else."""
    runs = [{"id": run.id, "identity": run.identity} for run in batch.runs]
    versions = {"mdprotocol": __version__, "torch": torch.__version__, "numpy": np.__version__}
    return {"model": batch.model, "runs": runs, "versions": versions}


def _ticking(name: str, emit: Emit) -> Callable[[], None]:
    """Signs of life where there is no progress to tell, so that nobody takes the batch for hanging."""
    last = time.monotonic()

    def tick() -> None:
        nonlocal last
        if time.monotonic() - last > REPORT_SECONDS:
            last = time.monotonic()
            emit(events.Event(name))

    return tick


def _progress(batch: Batch, name: str, emit: Emit) -> Callable[[int, int, float, float], None]:
    total = total_steps(batch.settings)
    before = total - batch.settings.steps
    origin: list[float] = []  # steps and time at the first report: earlier sessions and loading are no speed

    def report(step: int, alive: int, drift: float, temperature: float) -> None:
        done, now = step + before, time.monotonic()
        if not origin:
            origin[:] = done, now
        seconds = now - origin[1]
        simulated = (done - origin[0]) * batch.settings.timestep_fs * alive / FS_PER_NS
        rate = simulated * SECONDS_PER_DAY / max(seconds, 1e-9)
        emit(events.Progress(name, done, total, alive, seconds, rate, drift, temperature))

    return report


def _failure(batch: Batch, name: str, emit: Emit) -> Callable[[int, Ending], None]:
    def report(copy: int, ending: Ending) -> None:
        if ending.failure is not None:
            detail = f"{ending.failure.detail}, at {ending.time_fs:g} fs"
            emit(events.RunFailed(name, batch.runs[copy].id, ending.failure.kind, detail))

    return report
