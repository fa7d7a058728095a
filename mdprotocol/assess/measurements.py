"""What the metrics say of every planned run and probe: what is judged. In a file they are a dataset (measurements_file.py)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mdprotocol.assess.labelled import LabelCount
from mdprotocol.contracts import Quantity
from mdprotocol.plan.types import Coordinate

Extra = tuple[tuple[str, Coordinate], ...]
"""Coordinates in a metric's own dims (element, time bin, ...); empty for a plain number."""


@dataclass(frozen=True)
class Reading:
    """What a metric says of one run or probe: values by coordinates in its own dims, or the reason why there is none.

    Attributes:
        labels: frames labelled by the reference behind the values; None where the metric needs none.
    """

    values: Mapping[Extra, float]
    reason: str = ""
    labels: int | None = None


@dataclass(frozen=True)
class Measurements:
    """Readings of all metrics.

    Attributes:
        quantities: by name, `metric.quantity`.
        readings: by quantity, then by id of the run or probe.
        outcomes: completed, failed or missing, by id of every planned run.
        labels: the reference's labels of each run, by its id.
    """

    quantities: Mapping[str, Quantity]
    readings: Mapping[str, Mapping[str, Reading]]
    outcomes: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, LabelCount] = field(default_factory=dict)

    def reading(self, quantity: str, item: str) -> Reading:
        """What was measured on a run or probe, by its id; where there is nothing, a reading with that as its reason."""
        if quantity not in self.readings:
            return Reading({}, f"{quantity} is not among the stored measurements; measure again")
        return self.readings[quantity].get(item) or Reading(
            {}, "the stored measurements do not cover it; measure again"
        )

    @classmethod
    def joined(cls, parts: Iterable[Measurements], order: Iterable[str]) -> Measurements:
        """Measurements of different runs and probes as one, whoever comes first.

        Args:
            order: ids of all runs and probes; quantities of which nothing was planned fall away.
        """
        found, ids = list(parts), list(order)
        quantities = {name: quantity for part in found for name, quantity in part.quantities.items()}
        readings: dict[str, dict[str, Reading]] = {name: {} for name in quantities}
        outcomes: dict[str, str] = {}
        labels: dict[str, LabelCount] = {}
        for part in found:
            outcomes |= part.outcomes
            labels |= part.labels
            for name, at in part.readings.items():
                readings[name] |= at
        ordered = {name: {item: at[item] for item in ids if item in at} for name, at in readings.items() if at}
        return cls(
            quantities={name: quantities[name] for name in ordered},
            readings=ordered,
            outcomes={item: outcomes[item] for item in ids if item in outcomes},
            labels=labels,
        )
