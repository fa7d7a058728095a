"""The main job: plan, simulate what is not there yet, measure, judge, report."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mdprotocol.app.additions import UntilDecided, Wanted, adopted, extended, looks_made, wanted, with_looks, within
from mdprotocol.app.checking import plan_of
from mdprotocol.app.concluding import Finished, conclude, keep_measurements, resolved
from mdprotocol.app.diagnosing import follow_up
from mdprotocol.app.disagreement import foreign, listed
from mdprotocol.app.planned import FILE as PLAN
from mdprotocol.app.planned import as_known, read_planned, write_planned
from mdprotocol.app.resuming import forget_problems, keep_problem, pending
from mdprotocol.app.reusing import REUSED, donors, reuse, strike_off
from mdprotocol.app.sources import Prepared, Source, prepare
from mdprotocol.app.stopping import none_skipped, simulate_while_open
from mdprotocol.app.workers import Workers
from mdprotocol.assess import Measurements, judge_models, measure
from mdprotocol.assess.measuring import Part, measure_part
from mdprotocol.contracts import TaskFailure
from mdprotocol.engine import tasks
from mdprotocol.engine.events import Notice, TaskFailed
from mdprotocol.errors import UsageError
from mdprotocol.plan import Plan
from mdprotocol.plan.estimate import batch_seconds
from mdprotocol.plan.types import Batch, ProbeBatch
from mdprotocol.report.provenance import PROVENANCE, collect_provenance, read_provenance
from mdprotocol.store import ResultsFolder
from mdprotocol.verdicts import ModelVerdict

EventHandler = Callable[[Any], None]
VERDICT_FILES = ("verdict.json", "junit.xml", "verdict.md", "verdict.csv", "report.html")
LEFT_BY_A_RUN = (
    PLAN, "protocol.yaml", "measurements.nc", PROVENANCE, "skipped.json", "runs", "probes", "work", "diagnosis", "figures",
)  # fmt: skip
"""What `run` leaves beside its verdict; without the first nothing of the rest is trusted."""


@dataclass(frozen=True)
class RunOptions:
    """How far a run goes.

    Attributes:
        until: add replicas until the verdicts are decided, within these limits.
        stop_when_decided: leave out batches that can no longer change a verdict.
        diagnosis: look for the causes of failed criteria.
        reuse: results folders whose finished runs are taken over where they are the very runs that are planned.
        fresh: delete what an earlier run left in the results folder, and start over.
    """

    until: UntilDecided | None = None
    stop_when_decided: bool = False
    diagnosis: bool = True
    reuse: tuple[Path, ...] = ()
    fresh: bool = False


def run(
    source: Source, output: Path | None, command: str, on_event: EventHandler, options: RunOptions = RunOptions()
) -> Finished:
    """The main job: plan, simulate what is not there yet, measure, judge, report.

    Args:
        output: results folder; `results/<protocol name>` in the working folder by default.
        command: the command line that reproduces this, for the report.

    Raises:
        UsageError: another process runs into this folder, it holds the results of another protocol, or one to reuse is
            none.
        Interrupted: SIGINT or SIGTERM has come; the same call goes on from there.
    """
    prepared = prepare(source, files=True)
    if options.until is not None:
        prepared = with_looks(prepared)
    plan = plan_of(prepared)  # what is wrong with it is said before anything is written
    folder = ResultsFolder(output or Path("results") / prepared.protocol.name)
    others = donors(options.reuse, folder.root)
    with folder.locked():
        return _run(prepared, plan, folder, others, command, on_event, options)


def _run(
    prepared: Prepared,
    plan: Plan,
    folder: ResultsFolder,
    others: Sequence[ResultsFolder],
    command: str,
    on_event: EventHandler,
    options: RunOptions,
) -> Finished:
    folder.sweep()
    if options.fresh:
        _start_over(prepared, folder)
    other = foreign(prepared, folder)
    if other:
        raise UsageError(
            f"{folder.root} holds the results of another protocol ({listed(other)}); choose another folder with -o, or "
            "delete them and start over with --fresh"
        )
    prepared = as_known(adopted(prepared, folder), read_planned(folder))
    if prepared.protocol != plan.study.protocol:  # an earlier run has added replicas, or the folder forgets no look
        plan = plan_of(prepared)
    with Workers(prepared.protocol, prepared.registry, on_event) as workers:
        looks = _Looks(prepared, plan, folder, others, workers, command, on_event, options)
        measurements, verdicts = looks.run()
        study = looks.plan.study
        keep_measurements(measurements, study, folder)
        if options.diagnosis:
            follow_up(prepared, looks.plan, verdicts, folder, workers, on_event)
        return conclude(study, prepared.registry, measurements, verdicts, folder, looks.executed, workers)


def _start_over(prepared: Prepared, folder: ResultsFolder) -> None:
    """Delete what a run has left; nothing in a folder that is not one of results, or that holds the protocol itself."""
    there = [name for name in (*VERDICT_FILES, *LEFT_BY_A_RUN) if folder.path(name).exists()]
    ours = folder.exists(PLAN) or (folder.exists("protocol.yaml") and folder.exists(PROVENANCE))
    if there and not ours:
        raise UsageError(
            f"{folder.root} is not a results folder, so --fresh deletes nothing there; choose another with -o"
        )
    inside = prepared.document.path.resolve()
    if there and folder.root.resolve() in inside.parents:
        raise UsageError(
            f"{folder.root} holds the protocol itself, so --fresh deletes nothing there; choose another with -o"
        )
    folder.remove(there)


class _Looks:
    """Simulate and look; where asked and while it is open, add replicas and look again."""

    def __init__(
        self,
        prepared: Prepared,
        plan: Plan,
        folder: ResultsFolder,
        others: Sequence[ResultsFolder],
        workers: Workers,
        command: str,
        on_event: EventHandler,
        options: RunOptions,
    ) -> None:
        self.prepared, self.plan, self.folder, self.others, self.command = prepared, plan, folder, others, command
        self.workers, self.on_event, self.options = workers, on_event, options
        self.executed, self.atom_steps, self.seconds = 0, 0, 0.0
        self.started = time.monotonic()

    def run(self) -> tuple[Measurements, list[ModelVerdict]]:
        """Measurements and verdicts of the last look."""
        look = looks_made(self.prepared.protocol) + 1
        while True:
            self._compute()
            found = measure(self.plan.study, self.folder, self._spread)
            verdicts = judge_models(self.plan.study, found)
            more = self._more(verdicts, look)
            if not more:
                return found, verdicts
            count = sum(condition.replicas - condition.have for condition in more)
            self.on_event(Notice(f"look {look}", f"open; {count} replicas are added in {len(more)} conditions"))
            self.prepared = extended(self.prepared, more, look)
            self.plan = plan_of(self.prepared)
            look += 1

    def _spread(self, parts: Sequence[Part]) -> Iterable[Measurements]:
        return self.workers.map(measure_part, parts)

    def _compute(self) -> None:
        write_planned(self.prepared, self.plan, self.folder, self.others)
        taken = reuse(self.plan.runs, self.folder, self.others, self.on_event)
        batches, probes = pending(self.plan, self.folder)
        started = time.time()
        changes = bool(batches or probes or taken)
        _write_before(self.prepared, self.plan, self.folder, self.command, changes=changes)
        if not batches and not probes:
            return
        self.folder.remove(VERDICT_FILES)  # they are about what was here before
        _simulate(self.folder, self.plan, batches, probes, self.workers, self.on_event, self.options)
        runs = [run for batch in batches for run in batch.runs if self.folder.identity(run.path) == run.identity]
        strike_off(self.folder)
        seconds = time.time() - started
        _write_after(self.folder, seconds, len(runs))
        self.executed += len(runs)
        self.atom_steps += sum(len(self.plan.structures[run.system]) * run.settings.steps for run in runs)
        self.seconds += seconds

    def _more(self, verdicts: Sequence[ModelVerdict], look: int) -> list[Wanted]:
        """Replicas that this look asks for, within the budget; none at the last one."""
        until = self.options.until
        if until is None or look >= self.prepared.protocol.looks:
            return []
        conditions = wanted(self.plan, verdicts, until.max_replicas)
        if until.budget_minutes is None:
            return conditions
        left = 60 * until.budget_minutes - (time.monotonic() - self.started)
        return within(conditions, left, self._seconds_per_atom_step())

    def _seconds_per_atom_step(self) -> float:
        if self.atom_steps:
            return self.seconds / self.atom_steps
        return sum(map(batch_seconds, self.plan.batches)) / max(self.plan.atom_steps, 1)


def _write_before(prepared: Prepared, plan: Plan, folder: ResultsFolder, command: str, *, changes: bool) -> None:
    """Protocol and provenance are on disk before the first step."""
    folder.write_bytes("protocol.yaml", resolved(prepared, folder))
    known = read_provenance(folder)
    if not changes and "command" in known:
        return
    facts = collect_provenance(prepared.protocol, prepared.base)
    facts |= {"command": command, "plugins": list(prepared.registry.origins()), "warnings": list(plan.warnings)}
    kept = {REUSED: known[REUSED]} if known.get(REUSED) else {}
    folder.write_json(PROVENANCE, facts | {"sessions": known.get("sessions", [])} | kept)


def _write_after(folder: ResultsFolder, seconds: float, executed: int) -> None:
    facts = read_provenance(folder)
    session = {"wall_seconds": round(seconds, 1), "runs_executed": executed}
    folder.write_json(PROVENANCE, facts | {"sessions": [*facts.get("sessions", []), session]})


def _simulate(
    folder: ResultsFolder,
    plan: Plan,
    batches: Sequence[Batch],
    probes: Sequence[ProbeBatch],
    workers: Workers,
    on_event: EventHandler,
    options: RunOptions,
) -> None:
    """What times something first and alone, so that nothing competes with it; then all else on all workers."""
    workers.start(len(batches) + len(probes))
    timed, others = divided(probes) if workers.stay else (list(probes), [])

    def execute(how: Callable[..., Iterator[tuple[int, Any]]], items: Sequence[Batch | ProbeBatch]) -> None:
        forget_problems(folder, items)
        jobs = [(item, folder.root) for item in items]
        for place, result in how(tasks.compute, jobs) if jobs else ():
            if isinstance(result, TaskFailure):
                keep_problem(folder, items[place], result)
                on_event(TaskFailed.of(result))

    simulate = functools.partial(execute, workers.execute)
    execute(workers.alone, timed)
    if options.stop_when_decided:
        simulate(others)
        simulate_while_open(plan, folder, batches, simulate, workers.at_once)
    else:
        none_skipped(folder)
        simulate([*others, *batches])


def divided(batches: Sequence[ProbeBatch]) -> tuple[list[ProbeBatch], list[ProbeBatch]]:
    """Probes that time something, and the others."""
    found = [
        [
            replace(batch, probes=tuple(probe for probe in batch.probes if probe.component.alone is alone))
            for batch in batches
        ]
        for alone in (True, False)
    ]
    timed, others = ([batch for batch in some if batch.probes] for some in found)
    return timed, others
