"""Stored results once more: judge them, report on them, compare two of them. No simulation, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mdprotocol.app import disagreement, planned
from mdprotocol.app.additions import adopted
from mdprotocol.app.concluding import MEASURED_FOR, Finished, conclude, keep_measurements, resolved
from mdprotocol.app.planned import measured_for
from mdprotocol.app.sources import Prepared, Source, existing, prepare
from mdprotocol.assess import Measurements, compare_results, from_dataset, judge_models, measure
from mdprotocol.errors import UsageError
from mdprotocol.plan import Study, make_study
from mdprotocol.plan.findings import Findings
from mdprotocol.report.provenance import read_provenance
from mdprotocol.store import ResultsFolder


def judge(results: Path, source: Source) -> Finished:
    """Judge stored data again; no simulation, no torch.

    Args:
        source: the stored protocol (`stored(results)`), or an edited one whose criteria replace the stored ones.
    """
    return _judged(_stored(results, source))


def report(results: Path, source: Source) -> Finished:
    """Write the reports again from the stored measurements (measured first where they are not there)."""
    stored = _stored(results, source)
    if not stored.folder.exists("measurements.nc"):
        return _judged(stored)
    dataset = stored.folder.load("measurements.nc")
    if dataset.attrs.get(MEASURED_FOR) != measured_for(stored.study):  # of other data, or other metrics
        return _judged(stored)
    if any(
        stored.folder.identity(item.path) != item.identity for item in stored.study.items
    ):  # what was measured is not there
        return _judged(stored)
    return _concluded(stored, from_dataset(dataset))


@dataclass(frozen=True)
class _Stored:
    """A results folder with the study that it is judged by, whose runs and probes have the identities of the folder."""

    prepared: Prepared
    folder: ResultsFolder
    study: Study


def _stored(results: Path, source: Source) -> _Stored:
    """Raises UsageError where the protocol is about other data than the folder's."""
    folder = existing(results)
    prepared = adopted(prepare(source), folder)
    known = planned.read_planned(folder)
    other = disagreement.differences(known, prepared, folder) if known is not None else []
    if other:
        raise UsageError(
            f"{results} holds the data of another protocol, and judging can change nothing but what is judged; "
            f"differing: {disagreement.listed(other)}"
        )
    prepared = planned.as_known(prepared, known)
    study = make_study(prepared.protocol, prepared.registry, Findings(prepared.document))
    return _Stored(prepared, folder, planned.identified(known, prepared, study))


def _judged(stored: _Stored) -> Finished:
    folder = stored.folder
    measurements = measure(stored.study, folder)
    folder.write_bytes("protocol.yaml", resolved(stored.prepared, folder))
    keep_measurements(measurements, stored.study, folder)
    return _concluded(stored, measurements)


def _concluded(stored: _Stored, measurements: Measurements) -> Finished:
    verdicts = judge_models(stored.study, measurements)
    return conclude(stored.study, stored.prepared.registry, measurements, verdicts, stored.folder, executed=0)


def compare(first: Path, second: Path) -> list[Mapping[str, Any]]:
    """Criteria of two results folders side by side."""
    return compare_results(existing(first), existing(second))


def changed(results: Path) -> tuple[str, ...]:
    """Criteria of a results folder that differ from those that stood when its data was made, as its last verdict says."""
    return tuple(map(str, read_provenance(existing(results)).get("criteria", {}).get("changed", ())))
