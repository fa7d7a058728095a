"""One batch from its plan to its files: load, step, label, write.

Calculators of ASE come through the same contract as batched torch models (`ForceField.prepare`), so there is one loop:
every integrator, guard and recording works for both.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from mdprotocol.components import ForceField
from mdprotocol.engine import events
from mdprotocol.engine.dataset import run_dataset
from mdprotocol.engine.labels import label
from mdprotocol.engine.loop import Loop
from mdprotocol.engine.recording import Ending
from mdprotocol.plan.types import Batch, total_steps
from mdprotocol.protocol.schema import REFERENCE
from mdprotocol.store import ResultsFolder
from mdprotocol.units import FS_PER_NS, SECONDS_PER_DAY

Emit = Callable[[events.Event], None]


@dataclass(frozen=True)
class RunOutcome:
    """What became of a run."""

    run: str
    outcome: str
    failure_kind: str = ""


def run_batch(batch: Batch, root: Path, emit: Emit) -> list[RunOutcome]:
    """Run a batch and write one file a run into the results folder `root`.

    Raises:
        CheckpointError, StructureError, PluginError: the model cannot be loaded, cannot treat a system, or breaks its
            contract. A run that fails is no exception: it is data.
    """
    started, name = time.monotonic(), batch_label(batch)
    structures = [batch.structures[run.system] for run in batch.runs]
    atoms, steps = sum(map(len, structures)), total_steps(batch.settings)
    emit(events.BatchStarted(name, len(batch.runs), atoms, steps, batch.settings.timestep_fs))
    model = _load(batch, name, emit)
    loop = Loop(
        model,
        structures,
        [run.temperature_K for run in batch.runs],
        [run.seed for run in batch.runs],
        batch.settings,
        _progress(batch, name, emit, started),
        _failure(batch, name, emit),
    )
    loop.run()
    outcomes = _write(batch, loop, model, ResultsFolder(root))
    failed = sum(outcome.outcome == "failed" for outcome in outcomes)
    emit(events.BatchFinished(name, len(outcomes), failed, time.monotonic() - started))
    return outcomes


def batch_label(batch: Batch) -> str:
    """Model, systems and simulation of a batch: `original alanine nve_10ps`."""
    systems = "+".join(dict.fromkeys(run.system for run in batch.runs))
    simulations = "+".join(dict.fromkeys(run.simulation for run in batch.runs))
    return f"{batch.model} {systems} {simulations}"


def _load(batch: Batch, name: str, emit: Emit) -> ForceField:
    model = batch.component.load(Path(batch.base))
    for notice in model.notices:
        emit(events.Notice(name, notice))
    return model


def _progress(batch: Batch, name: str, emit: Emit, started: float) -> Callable[[int, int, float, float], None]:
    total = total_steps(batch.settings)
    before = total - batch.settings.steps

    def report(step: int, alive: int, drift: float, temperature: float) -> None:
        done, seconds = step + before, time.monotonic() - started
        simulated = done * batch.settings.timestep_fs * alive / FS_PER_NS
        rate = simulated * SECONDS_PER_DAY / max(seconds, 1e-9)
        emit(events.Progress(name, done, total, alive, seconds, rate, drift, temperature))

    return report


def _failure(batch: Batch, name: str, emit: Emit) -> Callable[[int, Ending], None]:
    def report(copy: int, ending: Ending) -> None:
        if ending.failure is not None:
            detail = f"{ending.failure.detail}, at {ending.time_fs:g} fs"
            emit(events.RunFailed(name, batch.runs[copy].id, ending.failure.kind, detail))

    return report


def _write(batch: Batch, loop: Loop, model: ForceField, folder: ResultsFolder) -> list[RunOutcome]:
    reference = _reference(batch)
    outcomes = []
    for b, run in enumerate(batch.runs):
        dataset = _dataset(batch, loop, b, model.kernel, reference)
        folder.write_dataset(run.path, dataset)
        outcomes.append(RunOutcome(run.id, dataset.attrs["outcome"], dataset.attrs["failure_kind"]))
    return outcomes


def _dataset(batch: Batch, loop: Loop, b: int, kernel: str, reference: ForceField | None) -> xr.Dataset:
    run = batch.runs[b]
    structure = batch.structures[run.system]
    dof = float(loop.dof[b])
    dataset = run_dataset(run, structure, *loop.recorder.series(b), loop.endings[b], dof, kernel)
    return dataset if reference is None else label(dataset, structure, reference, batch.settings.reference_every)


def _reference(batch: Batch) -> ForceField | None:
    """The reference that labels this batch; none for its own trajectories, which need no second opinion."""
    if batch.reference is None or not batch.settings.reference_every or batch.model == REFERENCE:
        return None
    return batch.reference.load(Path(batch.base))
