"""Put a report together: everything a reporter may show, with the figures drawn once, when the first reporter asks."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mdprotocol.components import Figure, Report, RunRow
from mdprotocol.report.provenance import without_absolute_paths
from mdprotocol.verdicts import Measurement, ModelVerdict

if TYPE_CHECKING:
    import xarray as xr

    from mdprotocol.protocol.schema import Protocol


def build_report(
    protocol: Protocol,
    verdicts: Sequence[ModelVerdict],
    measurements: Sequence[Measurement],
    runs: Sequence[RunRow],
    provenance: Mapping[str, Any],
    open_run: Callable[[str], xr.Dataset],
    command: str = "",
) -> Report:
    """The content of all reports.

    Args:
        open_run: run id -> its dataset; it may raise, the figures then leave that run out.
        command: how to reproduce it; the provenance's `command` where empty.
    """
    facts = without_absolute_paths(dict(provenance))
    report = Report(
        name=protocol.name,
        description=protocol.description,
        verdicts=tuple(verdicts),
        measurements=tuple(measurements),
        runs=tuple(runs),
        protocol=protocol.plain(),
        provenance=facts,
        open_run=open_run,
        command=without_absolute_paths(command) or str(facts.get("command", "")),
    )
    return replace(report, figures=functools.cache(lambda: draw(report)))


def draw(report: Report) -> tuple[Figure, ...]:
    """All figures of a report; matplotlib is imported here and not before."""
    from mdprotocol.report.figures import draw_all

    return draw_all(report)
