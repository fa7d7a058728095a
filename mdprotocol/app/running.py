"""The main job: plan, simulate what is not there yet, measure, judge, report."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mdprotocol.app.concluding import Finished, conclude, resolved
from mdprotocol.app.sources import Prepared, Source, prepare
from mdprotocol.assess import measure
from mdprotocol.components import Executor
from mdprotocol.engine.events import TaskFailed
from mdprotocol.plan import Plan, make_plan, metrics_of
from mdprotocol.plan.types import Batch, Probe, ProbeBatch, Run
from mdprotocol.registry import Registry
from mdprotocol.report import collect_provenance
from mdprotocol.store import ResultsFolder

EventHandler = Callable[[Any], None]


def check(source: Source) -> tuple[Prepared, Plan]:
    """Everything that can be known without a simulation; raises like `prepare` and `make_plan`."""
    prepared = prepare(source, files=True)
    return prepared, make_plan(prepared.protocol, prepared.base, prepared.registry, document=prepared.document)


def run(source: Source, output: Path | None, command: str, on_event: EventHandler) -> Finished:
    """The main job: plan, simulate what is not there yet, measure, judge, report.

    Args:
        output: results folder; `results/<protocol name>` in the working folder by default.
        command: the command line that reproduces this, for the report.
    """
    prepared, plan = check(source)
    folder = ResultsFolder(output or Path("results") / prepared.protocol.name)
    folder.sweep()
    batches, probes = pending(plan, folder)
    executed = sum(len(batch.runs) for batch in batches)
    started = time.time()
    _write_before(prepared, plan, folder, command, resumable=bool(batches or probes))
    _simulate(prepared, folder, batches, probes, on_event)
    if batches or probes:
        _write_after(folder, time.time() - started, executed)
    metrics = metrics_of(prepared.protocol, prepared.registry)
    measurements = measure(prepared.protocol, metrics, plan.runs, plan.probes, folder)
    folder.write_dataset("measurements.nc", measurements.dataset)
    return conclude(prepared.protocol, prepared.registry, plan.runs, plan.probes, measurements, folder, executed)


def pending(plan: Plan, folder: ResultsFolder) -> tuple[list[Batch], list[ProbeBatch]]:
    """Batches with a run that is not finished. A batch is redone whole, because its composition is part of the plan."""

    def missing(items: Sequence[Run] | Sequence[Probe]) -> bool:
        return any(folder.identity(item.path) != item.identity for item in items)

    return (
        [batch for batch in plan.batches if missing(batch.runs)],
        [batch for batch in plan.probe_batches if missing(batch.probes)],
    )


def _write_before(prepared: Prepared, plan: Plan, folder: ResultsFolder, command: str, *, resumable: bool) -> None:
    """Protocol and provenance are on disk before the first step."""
    folder.write_bytes("protocol.yaml", resolved(prepared))
    if not resumable and folder.exists("provenance.json"):
        return
    sessions = folder.read_json("provenance.json").get("sessions", []) if folder.exists("provenance.json") else []
    facts = collect_provenance(prepared.protocol, prepared.base)
    facts |= {"command": command, "plugins": list(prepared.registry.origins()), "warnings": list(plan.warnings)}
    folder.write_json("provenance.json", facts | {"sessions": sessions})


def _write_after(folder: ResultsFolder, seconds: float, executed: int) -> None:
    facts = folder.read_json("provenance.json")
    session = {"wall_seconds": round(seconds, 1), "runs_executed": executed}
    folder.write_json("provenance.json", facts | {"sessions": [*facts["sessions"], session]})


def _simulate(
    prepared: Prepared,
    folder: ResultsFolder,
    batches: Sequence[Batch],
    probes: Sequence[ProbeBatch],
    on_event: EventHandler,
) -> None:
    """Probes first and alone, so that nothing competes with what they time; then all batches on all workers."""
    if not batches and not probes:
        return
    from mdprotocol.engine import worker  # imports torch: only where something is computed

    setup = functools.partial(worker.prepare_worker, prepared.registry.sources)
    serial = executor_named(prepared.registry, "serial")
    chosen = prepared.protocol.executor or executor_named(prepared.registry, "processes")
    stages: tuple[tuple[Executor, Any, Sequence[Any]], ...] = (
        (serial, worker.probe_task, probes),
        (chosen, worker.batch_task, batches),
    )
    for executor, work, tasks in stages:
        if tasks:
            jobs = [(task, folder.root) for task in tasks]
            for result in executor.execute(work, jobs, on_event, setup):
                if isinstance(result, BaseException):
                    on_event(TaskFailed.of(result))


def executor_named(registry: Registry, name: str) -> Executor:
    component = registry.entries["executors"][name].component()  # type: ignore[call-arg]
    assert isinstance(component, Executor)
    return component
