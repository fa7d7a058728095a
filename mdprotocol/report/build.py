"""Put a report together: everything a reporter may show, with the figures drawn once, when the first reporter asks."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mdprotocol.contracts import Figure, Metric, Report, Role, RunRow
from mdprotocol.errors import asked_to_stop, in_words
from mdprotocol.report.pictures import AFTER, BEFORE, HALVES, OF_A_MODEL, Picture
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
    spread: Spread | None = None,
    metrics: Iterable[Metric] = (),
) -> Report:
    """The content of all reports.

    Args:
        open_run: run id -> its dataset; it may raise, the figures then leave that run out.
        command: how to reproduce it; the provenance's `command` where empty.
        spread: draws the sheets, on several workers perhaps; one after the other here where None.
        metrics: those that were measured; their quantities are shown by their roles.
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
        roles=roles_of(metrics),
    )
    return replace(report, figures=functools.cache(lambda: draw(report, spread)))


def roles_of(metrics: Iterable[Metric]) -> dict[str, Role]:
    """`type.quantity` -> its role, of the quantities that have one."""
    named = ((f"{metric.type}.{name}", q.role) for metric in metrics for name, q in metric.quantities.items())
    return {name: role for name, role in named if role is not None}


@dataclass(frozen=True)
class Sheet:
    """Figures that are drawn together, in this order: of a model (its place in the report), or of all where it is None."""

    report: Report
    model: int | None
    names: tuple[Picture, ...]


Spread = Callable[[Callable[[Sheet], list[Figure]], Sequence[Sheet]], Sequence[list[Figure]]]


def draw(report: Report, spread: Spread | None = None) -> tuple[Figure, ...]:
    """All figures of a report; matplotlib is imported where they are drawn and not before.

    Where nothing can be drawn at all (matplotlib is broken), one that says so: the verdict does without.
    """
    try:
        return _drawn(report, spread)
    except BaseException as error:
        if asked_to_stop(error):
            raise
        return (Figure("figures", "Figures", "", missing=f"could not be drawn ({in_words(error)})"),)


def _drawn(report: Report, spread: Spread | None) -> tuple[Figure, ...]:
    parts = HALVES if spread else (OF_A_MODEL,)
    models = range(len(report.verdicts))
    sheets = [Sheet(report, model, names) for model in models for names in parts]
    sheets += [Sheet(report, None, BEFORE), Sheet(report, None, AFTER)]
    *each, before, after = spread(draw_sheet, sheets) if spread else map(draw_sheet, sheets)
    found = {
        (sheet.model, name): figure
        for sheet, figures in zip(sheets, each, strict=False)
        for name, figure in zip(sheet.names, figures, strict=True)
    }
    return (*before, *(found[model, name] for model in models for name in OF_A_MODEL), *after)


def draw_sheet(sheet: Sheet) -> list[Figure]:
    """The figures of one sheet."""
    from mdprotocol.report import figures

    return figures.draw(sheet.report, sheet.model, sheet.names)
