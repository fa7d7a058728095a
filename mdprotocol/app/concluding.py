"""From measurements to verdicts, reports and an exit code."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from mdprotocol.app.diagnosing import causes_of
from mdprotocol.app.planned import FILE as PLAN
from mdprotocol.app.planned import Planned, judged_by, measured_for, read_planned
from mdprotocol.app.since import changed_criteria, first_criteria, further_runs
from mdprotocol.app.sources import Prepared
from mdprotocol.app.stopping import excused, skipped
from mdprotocol.app.workers import Workers
from mdprotocol.assess import Measurements, tabulate, to_dataset
from mdprotocol.contracts import Metric, Report, Reporter, RunRow
from mdprotocol.errors import StoreError, asked_to_stop, told
from mdprotocol.plan import Run, Study
from mdprotocol.protocol import dump, moved
from mdprotocol.protocol.schema import Protocol
from mdprotocol.registry import Registry, is_local_path
from mdprotocol.report import build_report
from mdprotocol.report.provenance import PROVENANCE, read_provenance
from mdprotocol.store import ResultsFolder
from mdprotocol.surroundings import kept_folder
from mdprotocol.units import FS_PER_PS
from mdprotocol.verdicts import Decision, ModelVerdict

if TYPE_CHECKING:
    import xarray as xr

EVIDENCE = {
    (name,) for name in (
        "runs", "probes", "work", "diagnosis",
        "protocol.yaml", PLAN, PROVENANCE, "measurements.nc", "skipped.json", ".lock", ".lock.holder",
    )
}  # fmt: skip
"""What verdicts are told from: no reporter's to write."""
MEASURED_FOR = "measured_for"
"""Attribute of measurements.nc: digest of the files and metrics that it was measured from and with."""


VERDICT = "verdict.json"
"""The file that is the verdict: whatever a protocol's `reports:` are, it is written, and by the reporter `json` alone."""
VERDICT_REPORTER = "json"


@dataclass(frozen=True)
class Finished:
    """What a run or a judgement ends with."""

    folder: Path
    verdicts: tuple[ModelVerdict, ...]
    executed: int
    """Runs that were computed now; 0 when everything was there already."""
    problems: tuple[str, ...] = ()
    """Why a report could not be written; the others are."""
    written: Mapping[str, str] = field(default_factory=dict)
    """Reports that were written now, by their path in the folder, with the SHA-256 of each."""


def resolved(prepared: Prepared, folder: ResultsFolder) -> bytes:
    """The protocol with every default, as it has to stand in the results folder: its files are found from there."""
    plugins = [str((prepared.base / p).resolve()) if is_local_path(p) else p for p in prepared.protocol.plugins]
    protocol = moved(prepared.protocol, prepared.base, folder.root)
    return dump(protocol.model_copy(update={"plugins": plugins})).encode()


def keep_measurements(measurements: Measurements, study: Study, folder: ResultsFolder) -> None:
    """Write measurements.nc, with what it was measured from and with."""
    dataset = to_dataset(measurements, study).assign_attrs({MEASURED_FOR: measured_for(study)})
    folder.write_dataset("measurements.nc", dataset)


def conclude(
    study: Study,
    registry: Registry,
    measurements: Measurements,
    verdicts: Sequence[ModelVerdict],
    folder: ResultsFolder,
    executed: int,
    workers: Workers | None = None,
) -> Finished:
    """Complete the verdicts by what the folder knows beside the measurements, and write all reports."""
    protocol, runs = study.protocol, study.runs
    left_out, known = skipped(folder), read_planned(folder)
    further, changed = further_runs(known, runs, folder), changed_criteria(known, study)
    verdicts = [
        _completed(
            verdict,
            study.metrics,
            registry,
            folder,
            excused(study, verdict, left_out),
            further.get(verdict.model, ""),
            changed,
        )
        for verdict in verdicts
    ]
    _keep_criteria(study, known, changed, folder)
    content = build_report(
        protocol=protocol,
        verdicts=verdicts,
        measurements=tabulate(study, measurements),
        runs=run_rows(runs, folder),
        provenance=read_provenance(folder),
        open_run=functools.partial(_open_run, folder, {run.id: run.identity for run in runs}),
        spread=workers.map if workers is not None and workers.stay else None,
        metrics=study.metrics.values(),
    )
    written: dict[str, str] = {}
    found = [_written(reporter, content, folder, written) for reporter in reporters_of(protocol, registry)]
    return Finished(folder.root, tuple(verdicts), executed, tuple(filter(None, found)), written)


def _keep_criteria(study: Study, known: Planned | None, changed: Sequence[str], folder: ResultsFolder) -> None:
    """The provenance has what was to be judged when the data was made, and what is judged now where it differs."""
    facts = read_provenance(folder)
    criteria = {"when_the_data_was_made": first_criteria(known), "changed": list(changed)}
    if changed:
        criteria["now"] = judged_by(study)
    if facts and facts.get("criteria") != criteria:
        folder.write_json(PROVENANCE, {**facts, "criteria": criteria})


def _open_run(folder: ResultsFolder, identities: Mapping[str, str], run: str) -> xr.Dataset:
    if folder.identity(run + ".nc") != identities.get(run):
        raise StoreError(f"{run} is not the planned run")
    return folder.open(run + ".nc")


def _completed(
    verdict: ModelVerdict,
    metrics: Mapping[str, Metric],
    registry: Registry,
    folder: ResultsFolder,
    excused: Collection[str],
    further: str,
    changed: tuple[str, ...],
) -> ModelVerdict:
    """The verdict with the causes of its failures, and with what the results folder says beside the measurements."""
    count = len(excused)
    notes = [f"{count} runs were not run: the verdict could no longer change"] if count else []
    causes = causes_of(verdict, metrics, folder, registry)
    missing = verdict.runs_missing - count
    if missing > 0 and verdict.decision is Decision.APPROVED:
        reason = f"{missing} planned run{'s are' if missing > 1 else ' is'} missing"
        verdict = dataclasses.replace(verdict, decision=Decision.UNDECIDED, reasons=(reason, *verdict.reasons))
    return dataclasses.replace(
        verdict,
        notes=(*verdict.notes, *notes),
        diagnosis=tuple(causes),
        changed=changed,
        further_runs=further,
    )


def _written(reporter: Reporter, content: Report, folder: ResultsFolder, written: dict[str, str]) -> str:
    """Write what a reporter makes; why it could not, else empty: one that fails must not take the others with it.

    Args:
        written: digests of what this call has written so far, by path; what is written now is added.
    """
    try:
        with kept_folder():
            files = reporter.render(content)
        for name, made in files.items():
            path, data = PurePosixPath(name).as_posix(), bytes(memoryview(made))
            _check_name(path, reporter, written)
            folder.write_bytes(path, data)
            written[path] = hashlib.sha256(data).hexdigest()
    except StoreError as error:
        return f"reporter '{reporter.type}' failed: {error}"
    except BaseException as error:
        if asked_to_stop(error):
            raise
        blamed = "" if isinstance(error, Exception) else "; this is a bug in mdprotocol or in a plugin"
        return f"reporter '{reporter.type}' failed: {told(error)}{blamed}"
    return ""


def _check_name(path: str, reporter: Reporter, written: Mapping[str, str]) -> None:
    """Raises StoreError where a reporter must not write this file. (Some file systems tell no capitals apart.)"""
    if tuple(part.casefold() for part in PurePosixPath(path).parts[:1]) in EVIDENCE:
        raise StoreError(f"'{path}' is no name for a report")
    if path.casefold() == VERDICT and reporter.type != VERDICT_REPORTER:
        raise StoreError(f"'{path}' is written by the reporter '{VERDICT_REPORTER}' only")
    if path.casefold() in map(str.casefold, written):
        raise StoreError(f"'{path}' was written by another reporter")


def reporters_of(protocol: Protocol, registry: Registry) -> list[Reporter]:
    """The protocol's reporters, or every registered one with its defaults; the one of the verdict file always."""
    classes = {cls.type_name(): cls for cls in registry.classes("reporters")}
    if protocol.reports is None:
        return [cls() for cls in classes.values()]  # type: ignore[misc, call-arg]
    missing = all(reporter.type != VERDICT_REPORTER for reporter in protocol.reports)
    first = [classes[VERDICT_REPORTER]()] if missing else []  # type: ignore[call-arg]
    return [*first, *protocol.reports]  # type: ignore[list-item]


def run_rows(runs: Sequence[Run], folder: ResultsFolder) -> list[RunRow]:
    """Every planned run with what became of it."""
    left_out = skipped(folder)
    return [
        _row(run, _own(run, folder), left_out.get(run.id, ""), folder.problem(run.id, run.identity)) for run in runs
    ]


def _own(run: Run, folder: ResultsFolder) -> Mapping[str, Any] | None:
    """Attributes of the run's file; None where there is none, or one that another run has left."""
    attrs = folder.attributes(run.path)
    return attrs if attrs is not None and attrs["identity"] == run.identity else None


def _row(run: Run, attrs: Mapping[str, Any] | None, left_out: str, problem: str) -> RunRow:
    facts = attrs or {"outcome": "skipped" if left_out else "missing"}
    failure = "" if attrs else left_out or problem
    if facts["outcome"] == "failed":
        failure = f"{facts['failure_kind']} at {facts['failure_time_fs']:g} fs: {facts['failure_detail']}"
    place = (run.model, run.system, run.simulation, run.temperature_K, run.replica)
    return RunRow(run.id, *place, str(facts["outcome"]), failure, _time_ps(run, facts))


def _time_ps(run: Run, facts: Mapping[str, Any]) -> float:
    """How long a run lasted; NaN where there is none."""
    if facts["outcome"] == "failed":
        return float(facts["failure_time_fs"]) / FS_PER_PS
    return run.settings.steps * run.settings.timestep_fs / FS_PER_PS if facts["outcome"] == "completed" else math.nan


def exit_code(verdicts: Sequence[ModelVerdict], problems: Sequence[str] = ()) -> int:
    """1 some model REJECTED; 3 some model UNDECIDED; else 0, or 4 where a report could not be written."""
    decisions = {verdict.decision for verdict in verdicts}
    if Decision.REJECTED in decisions:
        return 1
    if decisions != {Decision.APPROVED}:
        return 3
    return 4 if problems else 0
