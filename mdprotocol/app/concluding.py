"""From measurements to verdicts, reports and an exit code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mdprotocol.app.sources import Prepared
from mdprotocol.assess import Measurements, judge_models, tabulate
from mdprotocol.components import Report, Reporter, RunRow
from mdprotocol.errors import StoreError
from mdprotocol.plan import metrics_of
from mdprotocol.plan.types import Probe, Run
from mdprotocol.protocol import dump
from mdprotocol.protocol.schema import Protocol
from mdprotocol.registry import Registry, is_local_path
from mdprotocol.report import build_report
from mdprotocol.store import ResultsFolder
from mdprotocol.verdicts import Decision, ModelVerdict


@dataclass(frozen=True)
class Finished:
    """What a run or a judgement ends with."""

    folder: Path
    verdicts: tuple[ModelVerdict, ...]
    executed: int
    """Runs that were computed now; 0 when everything was there already."""


def resolved(prepared: Prepared) -> bytes:
    """The protocol with every default; local plugins by absolute path, because the file moves to another folder."""
    plugins = [str((prepared.base / p).resolve()) if is_local_path(p) else p for p in prepared.protocol.plugins]
    return dump(prepared.protocol.model_copy(update={"plugins": plugins})).encode()


def conclude(
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
