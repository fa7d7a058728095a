"""Where a number was measured: one run, or one probe, by its coordinates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mdprotocol.plan.select import SYSTEM_ONLY, Combination, in_words, select, unselected
from mdprotocol.plan.types import Probe, Run
from mdprotocol.protocol.schema import DIMS, Criterion

RUN_DIMS = ("model", "system", "simulation", "temperature", "replica")
PROBE_DIMS = ("model", "system")

Coordinate = str | float
Extra = tuple[tuple[str, Coordinate], ...]
"""Coordinates in a metric's own dims (element, time bin, ...); empty for a plain number."""


@dataclass(frozen=True)
class Place:
    """One run (all coordinates), or one probe (no simulation, temperature, replica).

    Attributes:
        id: id of the run or probe; the condition in words where there is none.
        system: empty where there is none and the criterion names no system.
        unplanned: why there is none, where a criterion names a condition for which nothing was planned.
    """

    id: str
    model: str
    system: str
    simulation: str | None = None
    temperature: float | None = None
    replica: int | None = None
    unplanned: str = ""

    @classmethod
    def of(cls, item: Run | Probe) -> Place:
        """Place of a planned run or probe."""
        if isinstance(item, Probe):
            return cls(item.id, item.model, item.system)
        return cls(item.id, item.model, item.system, item.simulation, float(item.temperature_K), item.replica)

    @property
    def is_probe(self) -> bool:
        return self.simulation is None

    @property
    def coordinates(self) -> dict[str, Coordinate]:
        """Coordinates by dim, those of the independent unit (replica) included."""
        found = {dim: getattr(self, dim) for dim in RUN_DIMS}
        return {dim: value for dim, value in found.items() if value is not None and value != ""}

    @classmethod
    def absent(cls, model: str, combination: Combination) -> Place:
        """Place of a condition that a criterion names and nothing was planned for."""
        at = dict(combination)
        kelvin = float(at["temperature"]) if "temperature" in at else None
        simulation = str(at["simulation"]) if "simulation" in at else None
        name = in_words(combination)
        why = "named by `where`, but no run or probe of it was planned for this model"
        return cls(name, model, str(at.get("system", "")), simulation, kelvin, unplanned=why)

    def where(self, dims: tuple[str, ...] | list[str]) -> dict[str, Coordinate]:
        """The coordinates in these dims that this place has, the model in front."""
        return {dim: value for dim, value in self.coordinates.items() if dim == "model" or dim in dims}


@dataclass(frozen=True)
class Reading:
    """What a metric said at one place: values by extra coordinates, or the reason why there is none."""

    values: Mapping[Extra, float]
    reason: str = ""


def places_of(items: Sequence[Run | Probe], criterion: Criterion) -> list[Place]:
    """Places of the runs (or probes) of one model that a criterion keeps, then those that it names and that are not planned.

    None where it keeps nothing at all.
    """
    kept = select(items, criterion)
    dims = SYSTEM_ONLY if kept and isinstance(kept[0], Probe) else DIMS
    missing = unselected(items, criterion, dims) if kept else []
    return [*map(Place.of, kept), *(Place.absent(kept[0].model, combination) for combination in missing)]
