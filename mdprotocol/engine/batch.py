"""One batch from its plan to its files: load, step, label, write.

Calculators of ASE come through the same contract as batched torch models (`ForceField.prepare`), so there is one loop:
every integrator, guard and recording works for both.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mdprotocol.components import ForceField, Topology
from mdprotocol.engine import events
from mdprotocol.engine.labels import label
from mdprotocol.engine.loop import Loop
from mdprotocol.engine.recording import run_dataset
from mdprotocol.plan.types import Batch, total_steps
from mdprotocol.protocol.schema import REFERENCE
from mdprotocol.store import ResultsFolder
from mdprotocol.units import FS_PER_NS, SECONDS_PER_DAY

Emit = Callable[[events.Event], None]


@dataclasses.dataclass(frozen=True)
class RunOutcome:
    """What became of a run."""

    run: str
    outcome: str
    failure_kind: str = ""


def run_batch(batch: Batch, root: Path, emit: Emit) -> list[RunOutcome]:
    """Run a batch and write one file a run into the results folder `root`."""
    label_ = batch_label(batch)
    started = time.monotonic()
    structures = [batch.structures[run.system] for run in batch.runs]
    steps, topology = total_steps(batch.settings), Topology.of(structures)
    emit(events.BatchStarted(label_, len(batch.runs), len(topology.numbers), steps, batch.settings.timestep_fs))
    force_field = batch.component.load(Path(batch.base))
    evaluator = force_field.prepare(topology)
    for notice in force_field.notices:
        emit(events.Notice(label_, notice))
    loop = Loop(
        evaluator,
        structures,
        [run.temperature_K for run in batch.runs],
        [run.seed for run in batch.runs],
        batch.settings,
        _progress(batch, label_, emit, started),
    )
    loop.run()
    outcomes = _write(batch, loop, force_field, ResultsFolder(root), emit, label_)
    failed = sum(outcome.outcome == "failed" for outcome in outcomes)
    emit(events.BatchFinished(label_, len(outcomes), failed, time.monotonic() - started))
    return outcomes


def batch_label(batch: Batch) -> str:
    """Model, systems and simulation of a batch."""
    systems = "+".join(dict.fromkeys(run.system for run in batch.runs))
    return f"{batch.model} {systems} {batch.runs[0].simulation}"


def _progress(batch: Batch, name: str, emit: Emit, started: float) -> Callable[[int, int, float, float], None]:
    total = total_steps(batch.settings)
    before = total - batch.settings.steps

    def report(step: int, alive: int, drift: float, temperature: float) -> None:
        done, seconds = step + before, time.monotonic() - started
        simulated = done * batch.settings.timestep_fs * alive / FS_PER_NS
        rate = simulated * SECONDS_PER_DAY / max(seconds, 1e-9)
        emit(events.Progress(name, done, total, alive, seconds, rate, drift, temperature))

    return report


def _write(
    batch: Batch, loop: Loop, force_field: ForceField, folder: ResultsFolder, emit: Emit, name: str
) -> list[RunOutcome]:
    reference = _reference(batch, force_field)
    facts: dict[str, Any] = {
        "kernel": force_field.kernel,
        "dtype": force_field.dtype,
        "device": force_field.device,
        "batch_copies": len(batch.runs),
    }
    outcomes = []
    for b, run in enumerate(batch.runs):
        structure, ending = batch.structures[run.system], loop.endings[b]
        dataset = run_dataset(run, structure, *loop.recorder.series(b), ending, float(loop.dof[b]), facts)
        if reference is not None:
            dataset = label(dataset, structure, reference, batch.settings.reference_every)
        folder.write_dataset(run.path, dataset)
        kind = ending.failure.kind if ending.failure else ""
        if ending.failure:
            emit(events.RunFailed(name, run.id, kind, ending.failure.detail))
        outcomes.append(RunOutcome(run.id, "failed" if kind else "completed", kind))
    return outcomes


def _reference(batch: Batch, force_field: ForceField) -> ForceField | None:
    """The reference that labels this batch; none for its own trajectories, which need no second opinion."""
    if batch.reference is None or not batch.settings.reference_every or batch.model == REFERENCE:
        return None
    return batch.reference.load(Path(batch.base))
