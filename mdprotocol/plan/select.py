"""Which runs a criterion speaks about (`where`). Shared by planning and judging.

What `where` names is a promise: every combination of its values (system × simulation × temperature) is measured. A
combination that selects nothing is an error where a protocol is planned, and NOT MEASURED where it is judged.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from mdprotocol.plan.types import Probe, Run
from mdprotocol.protocol.schema import DIMS, REFERENCE, Criterion

Item = TypeVar("Item", bound=Run | Probe)
Value = str | float
Combination = Mapping[str, Value]
"""One value of each dim that `where` names."""

SYSTEM_ONLY = ("system",)
"""Dims of `where` that concern a probe."""


def select(items: Iterable[Item], criterion: Criterion) -> list[Item]:
    """Runs (or probes) that the criterion's `where` keeps, in their order; never the reference's own runs.

    A simulation is meant by its own name, or, where it has a list of time steps, by its name before or after expansion.
    Probes have a system only; other dims of `where` do not concern them.
    """
    return [item for item in items if item.model != REFERENCE and all(_keeps(item, criterion))]


def _keeps(item: Run | Probe, criterion: Criterion) -> Iterator[bool]:
    for dim in criterion.where:
        if isinstance(item, Run) or dim in SYSTEM_ONLY:
            yield any(_is(item, dim, value) for value in named(criterion, dim))


def named(criterion: Criterion, dim: str) -> list[Value]:
    """The values that `where` names in a dim, each once; none where it says nothing of the dim."""
    found = {str(key): value for key, value in criterion.where.items()}.get(dim, [])
    return list(dict.fromkeys(found if isinstance(found, list) else [found]))


def _is(item: Run | Probe, dim: str, value: Value) -> bool:
    if dim == "system":
        return item.system == value
    if not isinstance(item, Run):
        return False
    if dim == "temperature":
        return isinstance(value, int | float) and item.temperature_K == value
    return value in (item.simulation, item.base_simulation)


def unselected(items: Iterable[Run | Probe], criterion: Criterion, dims: Sequence[str] = DIMS) -> list[Combination]:
    """Combinations of the values in `where` that none of these runs (or probes) has.

    A simulation named before its time steps are expanded stands for all of them: a model runs all or none.

    Args:
        items: those of one model.
        dims: that concern them; `SYSTEM_ONLY` for probes.
    """
    wanted: list[str] = [dim for dim in DIMS if dim in criterion.where and dim in dims]
    distinct = list({item.condition: item for item in items if item.model != REFERENCE}.values())
    values = {dim: named(criterion, dim) for dim in wanted}
    having = {
        (dim, value): {index for index, item in enumerate(distinct) if _is(item, dim, value)}
        for dim in wanted
        for value in values[dim]
    }
    points = itertools.product(*(values[dim] for dim in wanted))
    combinations: Iterator[dict[str, Value]] = (dict(zip(wanted, point, strict=True)) for point in points)
    everything = set(range(len(distinct)))
    return [c for c in combinations if wanted and not everything.intersection(*(having[pair] for pair in c.items()))]


def in_words(combination: Combination) -> str:
    """`alanine at 500 K in nve`, `simulation nve at 500 K`, `500 K`."""
    at = f"{combination['temperature']:g} K" if "temperature" in combination else ""
    where = str(combination.get("simulation", ""))
    if "system" in combination:
        return f"{combination['system']}" + (f" at {at}" if at else "") + (f" in {where}" if where else "")
    return f"simulation {where}" + (f" at {at}" if at else "") if where else at


def covered(items: Sequence[Run | Probe], criterion: Criterion, dims: Sequence[str] = DIMS) -> Criterion | None:
    """The criterion with as much of its `where` as these runs (or probes) cover; None where that is nothing.

    What covers the smallest share of its combinations goes first, so that a system that is run nowhere takes no
    temperature with it. A value of a dim that does not concern the items stays.
    """
    where = {dim: named(criterion, dim) for dim in DIMS if dim in criterion.where}
    kept = criterion
    while missing := unselected(items, kept, dims):
        concerned = [dim for dim in where if dim in dims]
        share = {
            (dim, value): sum(c[dim] == value for c in missing) * len(where[dim])
            for dim in concerned
            for value in where[dim]
        }
        dim, value = max(share, key=lambda pair: share[pair])
        where[dim] = [other for other in where[dim] if other != value]
        if not where[dim]:
            return None
        kept = criterion.model_copy(update={"where": where})
    return kept
