"""The use cases as plain functions: check, run, judge, report, compare. The command line only parses and prints."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mdprotocol.assess import Measurements, compare_results, judge_models, measure, tabulate
from mdprotocol.components import Executor, Report, Reporter, RunRow
from mdprotocol.engine.events import TaskFailed
from mdprotocol.errors import StoreError, UsageError
from mdprotocol.plan import Plan, expand_probes, expand_runs, make_plan, metrics_of
from mdprotocol.plan.types import Batch, Probe, ProbeBatch, Run
from mdprotocol.protocol import Document, dump, read_document, validate
from mdprotocol.protocol.schema import Protocol
from mdprotocol.registry import Registry, build_registry, is_local_path
from mdprotocol.report import build_report, collect_provenance
from mdprotocol.store import ResultsFolder
from mdprotocol.verdicts import Decision, ModelVerdict

EventHandler = Callable[[Any], None]


@dataclass(frozen=True)
class Source:
    """Where a protocol comes from, and what the caller allows it to load.

    Attributes:
        path: the YAML file.
        overrides: `--set` arguments, `path=value`.
        plugins: `--plugin` arguments (modules or paths), already allowed by the user who typed them.
        allow_local: decides on each local path in the protocol's own `plugins:` list, because a path is code.
    """

    path: Path
    overrides: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    allow_local: Callable[[str], bool] = lambda source: False


@dataclass(frozen=True)
class Prepared:
    """A protocol read and validated against the plugins it may use."""

    document: Document
    registry: Registry
    protocol: Protocol

    @property
    def base(self) -> Path:
        return self.document.base


@dataclass(frozen=True)
class Finished:
    """What a run or a judgement ends with."""

    folder: Path
    verdicts: tuple[ModelVerdict, ...]
    executed: int
    """Runs that were computed now; 0 when everything was there already."""


def prepare(source: Source, *, files: bool = False) -> Prepared:
    """Read a protocol: document, then plugins, then validation.

    Args:
        files: the models' files must exist too; judging needs none of them.

    Raises:
        ProtocolError: with every problem and its place.
        UsageError: the protocol wants local plugin code that the caller does not allow.
    """
    document = read_document(source.path, overrides=source.overrides)
    registry = build_registry([*source.plugins, *_allowed(document, source.allow_local)])
    return Prepared(document, registry, validate(document, registry, files=files))


def _allowed(document: Document, allow_local: Callable[[str], bool]) -> list[str]:
    for name in document.plugins:
        if is_local_path(name) and not allow_local(name):
            raise UsageError(
                f"the protocol loads plugin code from the local path '{name}'; look at it, then add --allow-local-plugins"
            )
    return [str(document.base / name) if is_local_path(name) else name for name in document.plugins]


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
    batches, probes = _pending(plan, folder)
    executed = sum(len(batch.runs) for batch in batches)
    started = time.time()
    _write_before(prepared, plan, folder, command, resumable=bool(batches or probes))
    _simulate(prepared, folder, batches, probes, on_event)
    if batches or probes:
        _write_after(folder, time.time() - started, executed)
    metrics = metrics_of(prepared.protocol, prepared.registry)
    measurements = measure(prepared.protocol, metrics, plan.runs, plan.probes, folder)
    folder.write_dataset("measurements.nc", measurements.dataset)
    return _conclude(prepared.protocol, prepared.registry, plan.runs, plan.probes, measurements, folder, executed)


def _pending(plan: Plan, folder: ResultsFolder) -> tuple[list[Batch], list[ProbeBatch]]:
    """Batches with a run that is not finished. A batch is redone whole, because its composition is part of the plan."""

    def missing(items: Sequence[Run] | Sequence[Probe]) -> bool:
        return any(folder.identity(item.path) != item.identity for item in items)

    return (
        [batch for batch in plan.batches if missing(batch.runs)],
        [batch for batch in plan.probe_batches if missing(batch.probes)],
    )


def _write_before(prepared: Prepared, plan: Plan, folder: ResultsFolder, command: str, *, resumable: bool) -> None:
    """Protocol and provenance are on disk before the first step."""
    folder.write_bytes("protocol.yaml", _resolved(prepared))
    if not resumable and folder.exists("provenance.json"):
        return
    sessions = folder.read_json("provenance.json").get("sessions", []) if folder.exists("provenance.json") else []
    facts = collect_provenance(prepared.protocol, prepared.base)
    facts |= {"command": command, "plugins": list(prepared.registry.origins()), "warnings": list(plan.warnings)}
    folder.write_json("provenance.json", facts | {"sessions": sessions})


def _resolved(prepared: Prepared) -> bytes:
    """The protocol with every default; local plugins by absolute path, because the file moves to another folder."""
    plugins = [str((prepared.base / p).resolve()) if is_local_path(p) else p for p in prepared.protocol.plugins]
    return dump(prepared.protocol.model_copy(update={"plugins": plugins})).encode()


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
    serial = _executor(prepared.registry, "serial")
    chosen = prepared.protocol.executor or _executor(prepared.registry, "processes")
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


def _executor(registry: Registry, name: str) -> Executor:
    component = registry.entries["executors"][name].component()  # type: ignore[call-arg]
    assert isinstance(component, Executor)
    return component


def stored(results: Path, overrides: tuple[str, ...] = (), plugins: tuple[str, ...] = ()) -> Source:
    """The protocol kept in a results folder; its local plugins are refused unless the caller replaces `allow_local`."""
    return Source(_existing(results).root / "protocol.yaml", overrides, plugins)


def judge(results: Path, source: Source) -> Finished:
    """Judge stored data again; no simulation, no torch.

    Args:
        source: the stored protocol (`stored(results)`), or an edited one whose criteria replace the stored ones.
    """
    folder = _existing(results)
    prepared = prepare(source)
    metrics = metrics_of(prepared.protocol, prepared.registry)
    runs, probes = expand_runs(prepared.protocol), expand_probes(prepared.protocol, prepared.registry)
    measurements = measure(prepared.protocol, metrics, runs, probes, folder)
    folder.write_bytes("protocol.yaml", _resolved(prepared))
    folder.write_dataset("measurements.nc", measurements.dataset)
    return _conclude(prepared.protocol, prepared.registry, runs, probes, measurements, folder, executed=0)


def report(results: Path, source: Source) -> Finished:
    """Write the reports again from the stored measurements (measured first where they are not there)."""
    folder = _existing(results)
    if not folder.exists("measurements.nc"):
        return judge(results, source)
    prepared = prepare(source)
    runs, probes = expand_runs(prepared.protocol), expand_probes(prepared.protocol, prepared.registry)
    measurements = Measurements(folder.open("measurements.nc").load())
    return _conclude(prepared.protocol, prepared.registry, runs, probes, measurements, folder, executed=0)


def compare(first: Path, second: Path) -> list[Mapping[str, Any]]:
    """Criteria of two results folders side by side."""
    return compare_results(_existing(first), _existing(second))


def _existing(results: Path) -> ResultsFolder:
    if not (results / "protocol.yaml").is_file():
        raise UsageError(f"{results} is not a results folder (it has no protocol.yaml)")
    return ResultsFolder(results)


def _conclude(
    protocol: Protocol,
    registry: Registry,
    runs: Sequence[Run],
    probes: Sequence[Probe],
    measurements: Measurements,
    folder: ResultsFolder,
    executed: int,
) -> Finished:
    metrics = metrics_of(protocol, registry)
    verdicts = judge_models(protocol, metrics, runs, probes, measurements)
    content = build_report(
        protocol=protocol,
        verdicts=verdicts,
        measurements=tabulate(protocol, metrics, measurements),
        runs=run_rows(runs, folder),
        provenance=folder.read_json("provenance.json") if folder.exists("provenance.json") else {},
        open_run=lambda run: folder.open(run + ".nc"),
    )
    for reporter in reporters_of(protocol, registry):
        for name, data in _render(reporter, content).items():
            folder.write_bytes(name, data)
    return Finished(folder.root, tuple(verdicts), executed)


def _render(reporter: Reporter, content: Report) -> Mapping[str, bytes]:
    try:
        return reporter.render(content)
    except Exception as error:
        raise StoreError(f"reporter '{reporter.type}' failed: {type(error).__name__}: {error}") from error


def reporters_of(protocol: Protocol, registry: Registry) -> list[Reporter]:
    """The protocol's reporters, or every registered one with its defaults."""
    if protocol.reports is not None:
        return list(protocol.reports)
    return [cls() for cls in registry.classes("reporters")]  # type: ignore[misc, call-arg]


def run_rows(runs: Sequence[Run], folder: ResultsFolder) -> list[RunRow]:
    """Every planned run with what became of it."""
    return [_row(run, folder.attributes(run.path)) for run in runs]


def _row(run: Run, attrs: Mapping[str, Any] | None) -> RunRow:
    facts = attrs or {"outcome": "missing"}
    failure = ""
    if facts["outcome"] == "failed":
        failure = f"{facts['failure_kind']} at {facts['failure_time_fs']:g} fs: {facts['failure_detail']}"
    return RunRow(
        run.id, run.model, run.system, run.simulation, run.temperature_K, run.replica, str(facts["outcome"]), failure
    )


def exit_code(verdicts: Sequence[ModelVerdict]) -> int:
    """0 every model APPROVED; 1 some model REJECTED; 3 otherwise."""
    decisions = {verdict.decision for verdict in verdicts}
    if Decision.REJECTED in decisions:
        return 1
    return 0 if decisions == {Decision.APPROVED} else 3
