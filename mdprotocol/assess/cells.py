"""How measured places fall into cells, and the pooled measurement of each cell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mdprotocol.assess.measurements import Measurements
from mdprotocol.assess.places import Coordinate, Extra, Place, Reading
from mdprotocol.assess.statistics import Estimate, pool
from mdprotocol.components import Quantity
from mdprotocol.errors import NotMeasurable
from mdprotocol.protocol.schema import DIMS
from mdprotocol.verdicts import Measurement


@dataclass(frozen=True)
class Cell:
    """Places that are pooled into one number, at one point of the metric's own dims.

    Attributes:
        where: coordinates of the cell.
        readings: (place, value or None, reason) for every planned place.
    """

    where: Mapping[str, Coordinate]
    readings: tuple[tuple[Place, float | None, str], ...]

    @property
    def samples(self) -> tuple[float, ...]:
        return tuple(value for _, value, _ in self.readings if value is not None)

    @property
    def reason(self) -> str:
        """Why the cell is not measured; empty where every planned run has a value."""
        absent = [(place, why) for place, value, why in self.readings if value is None]
        if not absent:
            return ""
        place, why = absent[0]
        return f"{len(absent)} of {len(self.readings)} runs have no value; {place.id or 'first'}: {why}"

    @property
    def conditions(self) -> int:
        """Number of different systems, simulations and temperatures that are pooled here."""
        return len({(p.model, p.system, p.simulation, p.temperature) for p, _, _ in self.readings})


def cells(quantity: str, places: Sequence[Place], per: Sequence[str], measurements: Measurements) -> list[Cell]:
    """Group places by the dims in `per`, then by the metric's own dims."""
    groups: dict[tuple[tuple[str, Coordinate], ...], list[Place]] = {}
    for place in places:
        groups.setdefault(tuple(place.where(tuple(per)).items()), []).append(place)
    found: list[Cell] = []
    for where, members in groups.items():
        readings = {
            place: Reading({}, place.unplanned) if place.unplanned else measurements.reading(quantity, place)
            for place in members
        }
        found += [_cell(dict(where), extra, readings) for extra in _extras(readings)]
    return found


def _extras(readings: Mapping[Place, Reading]) -> list[Extra]:
    """Points in the metric's own dims that any of the readings has; the plain one where nothing was measured."""
    return list(dict.fromkeys(extra for reading in readings.values() for extra in reading.values)) or [()]


def _cell(where: dict[str, Coordinate], extra: Extra, readings: Mapping[Place, Reading]) -> Cell:
    # An element that no run of a system has is none of that system's business; one that only some have is missing.
    known = {_condition(place) for place, reading in readings.items() if extra in reading.values}
    members = []
    for place, reading in readings.items():
        value = reading.values.get(extra)
        if value is None and not reading.reason and _condition(place) not in known:
            continue
        point = ", ".join(f"{dim} {value}" for dim, value in extra)
        members.append((place, value, reading.reason or f"no value at {point}" if value is None else ""))
    return Cell(where | dict(extra), tuple(members))


def _condition(place: Place) -> tuple[str, str | None, float | None]:
    return place.system, place.simulation, place.temperature


@dataclass(frozen=True)
class Pooled:
    """A cell's measurement, and its estimate at any other confidence."""

    cell: Cell
    quantity: Quantity
    measurement: Measurement
    _known: dict[float, Estimate] = field(default_factory=dict, repr=False, compare=False)

    def at(self, confidence: float) -> Estimate:
        """The estimate with an interval of another confidence; only where it was measured."""
        if confidence not in self._known:
            self._known[confidence] = pool(
                self.cell.samples, self.quantity.pool, confidence, positive=self.quantity.positive
            )
        return self._known[confidence]


def pooled(name: str, quantity: Quantity, cell: Cell, confidence: float) -> Pooled:
    """The measurement of a cell; its `reason` is given where any planned run has no value."""
    reason, nan = cell.reason, math.nan
    estimate = Estimate(nan, nan, nan, nan)
    if not reason:
        try:
            estimate = pool(cell.samples, quantity.pool, confidence, positive=quantity.positive)
        except NotMeasurable as error:
            reason = str(error)
    ids = tuple(place.id for place, value, _ in cell.readings if value is not None and place.id)
    e = estimate
    measurement = Measurement(
        name,
        quantity.units,
        e.value,
        e.standard_error,
        e.low,
        e.high,
        confidence,
        cell.samples,
        cell.where,
        ids,
        reason,
    )
    return Pooled(cell, quantity, measurement)


def default_per(places: Sequence[Place]) -> tuple[str, ...]:
    """All dims of a criterion that these places have."""
    return tuple(dim for dim in DIMS if any(getattr(place, dim) is not None for place in places))
