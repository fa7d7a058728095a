"""One trial of a self-test, as a worker carries it out: simulate, spoil, measure, judge.

Its batches and probes are tasks like those of a run. What they raise is an observation where a model or a metric says that
it has no answer; anything else is an error of the self-test: a bug in a fault's code, or a lack of memory, catches nothing.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mdprotocol.app.resuming import pending
from mdprotocol.assess import judge_models, measure
from mdprotocol.assess.selftest import Trial
from mdprotocol.contracts import Fault, TaskFailure, attempt
from mdprotocol.engine import events, tasks
from mdprotocol.errors import REFUSALS, StoreError
from mdprotocol.faults.spoiling import spoil
from mdprotocol.modules import code_of, sha256
from mdprotocol.plan import Plan, Probe, Run, total_steps
from mdprotocol.plan.identity import LOCAL, hashed
from mdprotocol.plan.types import Batch, ProbeBatch
from mdprotocol.registry import Registry
from mdprotocol.store import ResultsFolder
from mdprotocol.verdicts import Outcome

TRIAL, SPOILED = "trial.json", "spoiled.json"
"""In the folder of a trial: what it found, and a mark that its files are about to be changed by its fault."""


@dataclass(frozen=True)
class Job:
    """One trial, as a worker gets it."""

    name: str
    plan: Plan
    folder: Path
    fault: Fault | None = None
    donor: Path | None = None
    """Folder of a trial whose files may be taken over."""
    keep: bool = False
    """Whether its files stay, for other trials to take over."""


def carry_out(job: Job, emit: Callable[[Any], None]) -> Trial | tuple[TaskFailure, ...]:
    """One trial: simulate what cannot be taken over, measure, judge.

    Returns:
        What it found; or, of a trial with a fault, the errors because of which it found nothing.
    """
    started, folder = time.monotonic(), ResultsFolder(job.folder)
    if (known := _finished(folder)) is not None:
        return known
    if folder.exists(SPOILED):  # nobody knows how far
        shutil.rmtree(job.folder)
    folder.sweep()
    take_over(job.plan, folder, ResultsFolder(job.donor) if job.donor else None)
    steps = sum(total_steps(batch.settings) for batch in job.plan.batches)
    emit(events.BatchStarted(job.name, len(job.plan.runs), 0, steps, 0.0))
    errors = tuple(_simulate(job, folder))
    if errors:
        emit(events.BatchFinished(job.name, len(job.plan.runs), 0, time.monotonic() - started))
        return errors
    if job.fault is not None:
        folder.write_json(SPOILED, {})
        spoil(job.fault, job.plan, folder)
    (verdict,) = judge_models(job.plan.study, measure(job.plan.study, folder))
    trial = Trial.of(job.name, verdict)
    folder.write_json(TRIAL, dataclasses.asdict(trial))
    for part in ("runs", "probes") if not job.keep else ():
        shutil.rmtree(job.folder / part, ignore_errors=True)
    emit(events.BatchFinished(job.name, len(job.plan.runs), verdict.runs_failed, time.monotonic() - started))
    return trial


def _finished(folder: ResultsFolder) -> Trial | None:
    """What an earlier call found; None where the trial has not come to its end."""
    try:
        found = folder.read_facts(TRIAL)
        outcomes = {str(name): Outcome(value) for name, value in found["outcomes"].items()}
        return Trial(str(found["name"]), str(found["decision"]), outcomes, dict(found["details"]))
    except (StoreError, KeyError, ValueError, TypeError, AttributeError):
        return None


def _simulate(job: Job, folder: ResultsFolder) -> Iterator[TaskFailure]:
    """As in a real run: a task that raises leaves its runs missing, and the verdict says so.

    Yields the failures that are errors. Without a fault, a task must come to its end; a probe that breaks has then a
    criterion that is NOT MEASURED, and breaks with a fault too.
    """
    batches, probes = pending(job.plan, folder)
    work: list[Batch | ProbeBatch] = [*probes, *batches]
    for task in work:
        ended = attempt(functools.partial(tasks.compute, (task, folder.root), _quiet))
        if job.fault is None:
            if isinstance(ended, TaskFailure):
                raise ended.exception()
        elif isinstance(ended, TaskFailure):
            yield from _errors({"": ended})
        elif isinstance(ended, Mapping):
            sound = ResultsFolder(job.donor) if job.donor else None
            yield from _errors({name: f for name, f in ended.items() if sound is None or not sound.problem(name)})


def _errors(failures: Mapping[str, TaskFailure]) -> Iterator[TaskFailure]:
    return (failure for failure in failures.values() if not isinstance(failure.error, REFUSALS))


def _quiet(event: Any) -> None:
    """What happens inside a trial is told by its verdict."""


def take_over(plan: Plan, folder: ResultsFolder, donor: ResultsFolder | None) -> None:
    """Link finished files of equal identity from another folder."""
    items: tuple[Run | Probe, ...] = (*plan.runs, *plan.probes)
    for item in items if donor is not None else ():
        assert donor is not None
        if folder.identity(item.path) != item.identity == donor.identity(item.path):
            target = folder.path(item.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            os.link(donor.path(item.path), target)


def code_of_all(registry: Registry) -> str:
    """Digest of the code of this program and of every plugin: a fault, a metric or the judge may have been changed.

    Unlike in a run's identity, a version says too little here.
    """
    modules = {entry.component.__module__ for entry in registry} | {__name__}
    files: dict[str, Path] = {}
    for module in {module.partition(".")[0]: module for module in sorted(modules)}.values():
        files |= code_of(module).files
    return hashed({LOCAL.sub(r"\1", name): sha256(file) for name, file in files.items()})
