"""Stored results once more: judge them, report on them, compare two of them. No simulation, no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mdprotocol.app.additions import adopted
from mdprotocol.app.concluding import Finished, conclude, resolved
from mdprotocol.app.sources import Source, existing, prepare
from mdprotocol.assess import Measurements, compare_results, measure
from mdprotocol.plan import expand_probes, expand_runs, metrics_of


def judge(results: Path, source: Source) -> Finished:
    """Judge stored data again; no simulation, no torch.

    Args:
        source: the stored protocol (`stored(results)`), or an edited one whose criteria replace the stored ones.
    """
    folder = existing(results)
    prepared = adopted(prepare(source), folder)
    metrics = metrics_of(prepared.protocol, prepared.registry)
    runs, probes = expand_runs(prepared.protocol), expand_probes(prepared.protocol, prepared.registry)
    measurements = measure(prepared.protocol, metrics, runs, probes, folder)
    folder.write_bytes("protocol.yaml", resolved(prepared, folder))
    folder.write_dataset("measurements.nc", measurements.dataset)
    return conclude(prepared.protocol, prepared.registry, runs, probes, measurements, folder, executed=0)


def report(results: Path, source: Source) -> Finished:
    """Write the reports again from the stored measurements (measured first where they are not there)."""
    folder = existing(results)
    if not folder.exists("measurements.nc"):
        return judge(results, source)
    prepared = adopted(prepare(source), folder)
    runs, probes = expand_runs(prepared.protocol), expand_probes(prepared.protocol, prepared.registry)
    measurements = Measurements.stored(folder.load("measurements.nc"))
    return conclude(prepared.protocol, prepared.registry, runs, probes, measurements, folder, executed=0)


def compare(first: Path, second: Path) -> list[Mapping[str, Any]]:
    """Criteria of two results folders side by side."""
    return compare_results(existing(first), existing(second))
