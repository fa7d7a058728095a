"""Which runs a criterion speaks about (`where`), and their cells (`per`). Shared by planning and judging."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from mdprotocol.plan.types import Probe, Run
from mdprotocol.protocol.checks import expanded_name
from mdprotocol.protocol.schema import REFERENCE, Criterion

Item = TypeVar("Item", Run, Probe)
Value = str | float


def select(items: Iterable[Item], criterion: Criterion) -> list[Item]:
    """Runs (or probes) that the criterion's `where` keeps, in their order; never the reference's own runs.

    A simulation is meant by its own name, or, where it has a list of time steps, by its name before or after expansion.
    Probes have a system only; other dims of `where` do not concern them.
    """
    return [item for item in items if item.model != REFERENCE and all(_keeps(item, criterion))]


def _keeps(item: Run | Probe, criterion: Criterion) -> Iterator[bool]:
    for dim, wanted in criterion.where.items():
        values = wanted if isinstance(wanted, list) else [wanted]
        if dim == "system":
            yield item.system in values
        elif isinstance(item, Run):
            yield any(_is(item, dim, value) for value in values)


def _is(run: Run, dim: str, value: Value) -> bool:
    if dim == "temperature":
        return isinstance(value, int | float) and run.temperature_K == value
    return value == run.simulation or expanded_name(str(value), run.settings.timestep_fs) == run.simulation


def coordinates(item: Run | Probe) -> dict[str, Value]:
    """The item's coordinates by dim name; `model` first."""
    found: dict[str, Value] = {"model": item.model, "system": item.system}
    if isinstance(item, Run):
        found |= {"simulation": item.simulation, "temperature": item.temperature_K}
    return found


def cells(items: Iterable[Item], criterion: Criterion) -> dict[tuple[tuple[str, Value], ...], list[Item]]:
    """The items grouped into the criterion's cells, each named by its coordinates: model, then the dims of `per`."""
    grouped: dict[tuple[tuple[str, Value], ...], list[Item]] = {}
    for item in items:
        where = coordinates(item)
        cell = tuple((dim, where[dim]) for dim in ("model", *criterion.per) if dim in where)
        grouped.setdefault(cell, []).append(item)
    return grouped
