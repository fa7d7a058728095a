"""Where a number was measured: one run, or one probe, by its coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mdprotocol.plan.types import Coordinate, Probe, Run

RUN_DIMS = ("model", "system", "simulation", "temperature", "replica")
PROBE_DIMS = ("model", "system")

Extra = tuple[tuple[str, Coordinate], ...]
"""Coordinates in a metric's own dims (element, time bin, ...); empty for a plain number."""


@dataclass(frozen=True)
class Place:
    """One run (all coordinates), or one probe (no simulation, temperature, replica).

    Attributes:
        id: id of the run or probe.
    """

    id: str
    model: str
    system: str
    simulation: str | None = None
    temperature: float | None = None
    replica: int | None = None

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


@dataclass(frozen=True)
class Reading:
    """What a metric said at one place: values by extra coordinates, or the reason why there is none."""

    values: Mapping[Extra, float]
    reason: str = ""
