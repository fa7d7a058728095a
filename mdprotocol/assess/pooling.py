"""What was measured in each condition of a criterion, pooled into one number."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from mdprotocol.assess.measurements import Extra, Measurements, Reading
from mdprotocol.assess.statistics import Estimate, extremes, pool, unknown, without_scatter
from mdprotocol.contracts import Pool, Quantity
from mdprotocol.errors import NotMeasurable
from mdprotocol.plan.conditions import CriterionCondition, Member, Unplanned
from mdprotocol.plan.types import Condition, Coordinate, Run
from mdprotocol.verdicts import Measurement

Kind = tuple[str, str, str | None]
"""Model, system and simulation."""
UNPLANNED = "named by `where`, but no run or probe of it was planned for this model"


@dataclass(frozen=True)
class MeasuredCondition:
    """A condition with its readings, which are pooled into one number, at one point of the metric's own dims.

    Attributes:
        where: coordinates of the condition.
        readings: (run or probe, value or None, reason) for every one, those included that were not planned.
        labels: the reference's labels behind the values, over all runs; None where the quantity needs none.
    """

    where: Mapping[str, Coordinate]
    readings: tuple[tuple[Member, float | None, str], ...]
    labels: int | None = None

    @property
    def samples(self) -> tuple[float, ...]:
        return tuple(value for _, value, _ in self.readings if value is not None)

    @property
    def starts(self) -> tuple[tuple[float, ...], ...]:
        """Samples by where they started from: runs with equal seeds share it, and the noise that they meet."""
        found: dict[int | str, list[float]] = {}
        for member, value, _ in self.readings:
            if value is not None:
                found.setdefault(member.seed if isinstance(member, Run) else member.id, []).append(value)
        return tuple(map(tuple, found.values()))

    @property
    def reason(self) -> str:
        """Why the condition is not measured; empty where every planned run has a value."""
        absent = [(member, why) for member, value, why in self.readings if value is None]
        if not absent:
            return ""
        first, why = absent[0]
        return f"{len(absent)} of {len(self.readings)} runs have no value; {first.id}: {why}"

    @property
    def pooled_from(self) -> int:
        """Number of different systems, simulations and temperatures that are pooled here."""
        return len({(member.model, member.condition) for member, _, _ in self.readings})

    @property
    def groups(self) -> dict[Condition, list[float]]:
        """Samples of each condition, one a replica."""
        found: dict[Condition, list[float]] = {}
        for member, value, _ in self.readings:
            if value is not None:
                found.setdefault(member.condition, []).append(value)
        return found


def measured_conditions(
    quantity: str, conditions: Sequence[CriterionCondition], measurements: Measurements
) -> list[MeasuredCondition]:
    """Conditions with what was measured in them, at each point of the metric's own dims (element, part of the run, ...).

    A point of the metric's own dims that no run of a system has in a simulation does not exist there: methane has no
    oxygen. One that some of them have, at another temperature perhaps, is missing in the others, and never passed over.
    """
    readings = [[(one, _reading(quantity, one, measurements)) for one in found.members] for found in conditions]
    known: dict[Extra, set[Kind]] = {}
    for member, reading in itertools.chain.from_iterable(readings):
        for extra in reading.values:
            known.setdefault(extra, set()).add(_kind(member))
    found: list[MeasuredCondition] = []
    for condition, members in zip(conditions, readings, strict=True):
        kinds = {_kind(member) for member, reading in members if not reading.reason}
        extras = [extra for extra, of in known.items() if kinds & of] or [()]
        for extra in extras:
            found.append(_measured(dict(condition.where), extra, members, known.get(extra, set())))
    return found


def _reading(quantity: str, member: Member, measurements: Measurements) -> Reading:
    if isinstance(member, Unplanned):
        return Reading({}, UNPLANNED)
    return measurements.reading(quantity, member.id)


def _kind(member: Member) -> Kind:
    """What decides which points of a metric's own dims a run has: its atoms, and how long it is."""
    return member.model, member.condition.system, member.condition.simulation


def _measured(
    where: dict[str, Coordinate],
    extra: Extra,
    readings: Sequence[tuple[Member, Reading]],
    known: set[Kind],
) -> MeasuredCondition:
    members, labels = [], list[int]()
    for member, reading in readings:
        value = reading.values.get(extra)
        if value is None and not reading.reason and _kind(member) not in known:
            continue
        if value is not None and reading.labels is not None:
            labels.append(reading.labels)
        point = ", ".join(f"{dim} {value}" for dim, value in extra)
        members.append((member, value, reading.reason or f"no value at {point}" if value is None else ""))
    return MeasuredCondition(where | dict(extra), tuple(members), sum(labels) if labels else None)


@dataclass(frozen=True)
class Pooled:
    """A condition's measurement, and its estimate at any other confidence."""

    condition: MeasuredCondition
    quantity: Quantity
    measurement: Measurement
    _known: dict[float, Estimate] = field(default_factory=dict, repr=False, compare=False)

    def at(self, confidence: float) -> Estimate:
        """The estimate with an interval of another confidence; only where it was measured."""
        if confidence not in self._known:
            self._known[confidence] = _estimate(self.quantity, self.condition, confidence)
        return self._known[confidence]

    @property
    def independent(self) -> tuple[float, ...]:
        """Its independent samples."""
        return independent(self.quantity.pool, self.condition)

    @property
    def scatterless(self) -> bool:
        """Whether its replicas show no scatter, though the quantity is not declared to have none."""
        return _scatterless(self.quantity, self.condition)

    def facing(self, least: float, most: float) -> Pooled:
        """The same, of an extreme that is judged against the bound on its other side as well: its value is then the
        sample that lies furthest beyond (or nearest to) its bound.

        Args:
            least, most: the bounds; infinite where there is none.
        """
        if self.quantity.pool not in ("max", "min") or self.measurement.reason:
            return self
        low, high = extremes(self.condition.samples)
        own, other = (high - most, least - low) if self.quantity.pool == "max" else (least - low, high - most)
        if not (other > own and (other > 0 or math.isinf(own))):
            return self
        value = low if self.quantity.pool == "max" else high
        return replace(self, measurement=replace(self.measurement, value=value, low=value, high=value))


def _scatterless(quantity: Quantity, condition: MeasuredCondition) -> bool:
    if quantity.pool not in ("mean", "rms") or quantity.deterministic:
        return False
    squared = quantity.pool == "rms"
    return without_scatter([[x * x for x in group] if squared else group for group in condition.groups.values()])


def _estimate(quantity: Quantity, condition: MeasuredCondition, confidence: float) -> Estimate:
    """Its samples pooled; replicas without scatter leave the interval unknown, whatever the conditions' differences."""

    def pooled_from(samples: Sequence[float]) -> Estimate:
        return pool(
            samples, quantity.pool, confidence, positive=quantity.positive, deterministic=quantity.deterministic
        )

    if _scatterless(quantity, condition):
        return unknown(pooled_from(condition.samples).value)
    if quantity.pool == "proportion" and len(condition.starts) < len(condition.samples):
        low, high = (pooled_from([one(start) for start in condition.starts]) for one in (min, max))
        return replace(pooled_from(condition.samples), low=low.low, high=high.high)
    return pooled_from(independent(quantity.pool, condition))


def independent(how: Pool, condition: MeasuredCondition) -> tuple[float, ...]:
    """Samples that are independent of each other: runs from one start are one, by their mean (of squares, for `rms`)."""
    if how not in ("mean", "rms") or len(condition.starts) == len(condition.samples):
        return condition.samples
    power = 2 if how == "rms" else 1
    return tuple((math.fsum(x**power for x in start) / len(start)) ** (1 / power) for start in condition.starts)


def pooled(name: str, quantity: Quantity, condition: MeasuredCondition, confidence: float) -> Pooled:
    """The measurement of a condition; its `reason` is given where any planned run has no value."""
    reason, nan = condition.reason, math.nan
    estimate = Estimate(nan, nan, nan, nan)
    if not reason:
        try:
            estimate = _estimate(quantity, condition, confidence)
        except NotMeasurable as error:
            reason = str(error)
    ids = tuple(member.id for member, value, _ in condition.readings if value is not None)
    e = estimate
    measurement = Measurement(
        name,
        quantity.units,
        e.value,
        e.standard_error,
        e.low,
        e.high,
        confidence,
        condition.samples,
        condition.where,
        ids,
        reason,
        condition.labels,
    )
    return Pooled(condition, quantity, measurement)
