"""The conditions that a criterion is judged in: what it pools into one number, planned or only named by it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mdprotocol.plan.select import SYSTEM_ONLY, Combination, in_words, select, unselected
from mdprotocol.plan.types import Condition, Coordinate, Probe, Run
from mdprotocol.protocol.schema import DIMS, Criterion


@dataclass(frozen=True)
class Unplanned:
    """What a criterion's `where` names, and nothing was planned for: it is judged as NOT MEASURED.

    Attributes:
        id: the combination in words.
        condition: without a system where the combination names none.
    """

    id: str
    model: str
    condition: Condition

    @classmethod
    def of(cls, model: str, combination: Combination) -> Unplanned:
        """A combination of the values in `where`, for one model."""
        kelvin = float(combination["temperature"]) if "temperature" in combination else None
        simulation = str(combination["simulation"]) if "simulation" in combination else None
        condition = Condition(str(combination.get("system", "")), simulation, kelvin)
        return cls(in_words(combination), model, condition)

    @property
    def coordinates(self) -> dict[str, Coordinate]:
        """Coordinates by dim name, the model in front; those that the combination names."""
        return {"model": self.model, **self.condition.coordinates}


Member = Run | Probe | Unplanned


@dataclass(frozen=True)
class CriterionCondition:
    """What a criterion pools into one number; into one for each point of the metric's own dims (element, ...).

    Attributes:
        where: model, then the coordinates by which the criterion is judged apart (`per`).
        members: in the order of the plan, what was not planned at the end.
    """

    where: Mapping[str, Coordinate]
    members: tuple[Member, ...]


def conditions(members: Iterable[Member], per: Sequence[str]) -> tuple[CriterionCondition, ...]:
    """Group runs, probes and what was not planned by model and by their coordinates in the dims of `per`."""
    grouped: dict[tuple[tuple[str, Coordinate], ...], list[Member]] = {}
    for member in members:
        where = tuple((dim, at) for dim, at in member.coordinates.items() if dim == "model" or dim in per)
        grouped.setdefault(where, []).append(member)
    return tuple(CriterionCondition(dict(where), tuple(found)) for where, found in grouped.items())


def members_of(items: Sequence[Run | Probe], criterion: Criterion) -> list[Member]:
    """What a criterion keeps of one model's runs (or probes), then what it names and was not planned.

    None where it keeps nothing at all.
    """
    kept = select(items, criterion)
    dims = SYSTEM_ONLY if kept and isinstance(kept[0], Probe) else DIMS
    missing = unselected(items, criterion, dims) if kept else []
    return [*kept, *(Unplanned.of(kept[0].model, combination) for combination in missing)]
