"""Replicas added until a verdict is decided: which, how many, at which look; and those that a results folder has already.

How the error rate is kept: a protocol that may be looked at L times judges every look at 1 - (1 - c)/L (see assess/judge),
and at most `MOST_LOOKS` are made. The looks that were made stand in the resolved protocol, with the replicas that each
added, so that neither a run that was broken off nor a second one starts to count afresh. The first look has to know: asked
for after a verdict without looks, the chance of an error is up to (1 - c) for that one and (1 - c)(L - 1)/L for the rest.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from mdprotocol.app.sources import Prepared
from mdprotocol.assess import inconclusive
from mdprotocol.plan.types import Condition, Plan, Run
from mdprotocol.protocol.schema import MOST_LOOKS, Addition, Protocol
from mdprotocol.protocol.stored import stored_data
from mdprotocol.store import ResultsFolder
from mdprotocol.verdicts import CriterionResult, Decision, Level, ModelVerdict, Outcome

LEVELS = (Level.MUST, Level.SHOULD)
"""Criteria that replicas are added for: those that decide on a model or on its uses."""


@dataclass(frozen=True)
class UntilDecided:
    """What may be spent on a verdict that is open.

    Attributes:
        budget_minutes: no more replicas than fit into this wall time, first look included.
        max_replicas: of one condition (model, system, simulation, temperature), in all.
    """

    budget_minutes: float | None = None
    max_replicas: int = 64


@dataclass(frozen=True)
class Wanted:
    """One condition that needs more replicas."""

    simulation: str
    model: str
    system: str
    temperature_K: float
    timestep_fs: float
    have: int
    replicas: int
    atom_steps: int
    """Steps of one replica."""
    why: str


def with_looks(prepared: Prepared) -> Prepared:
    """The protocol as one that may be looked at several times."""
    return _with(prepared, {"looks": MOST_LOOKS})


def looks_made(protocol: Protocol) -> int:
    """Looks after which replicas were added."""
    return max((a.look for simulation in protocol.simulations.values() for a in simulation.additions), default=0)


def adopted(prepared: Prepared, folder: ResultsFolder) -> Prepared:
    """The protocol with the additions of an earlier run in this folder, where its simulations are still the same.

    They cannot be dropped by asking again: what was looked at was looked at.
    """
    stored = _stored(folder)
    found: dict[str, Any] = {}
    for name, simulation in prepared.protocol.simulations.items():
        additions = _same_but_for_additions(prepared.protocol, name, stored)
        if additions and not simulation.additions:
            found[name] = simulation.model_copy(update={"additions": additions})
    looks = stored.get("looks", 1) if found else 1
    if not found:
        return prepared
    simulations = dict(prepared.protocol.simulations) | found
    return _with(prepared, {"simulations": simulations, "looks": max(prepared.protocol.looks, int(looks))})


def _stored(folder: ResultsFolder) -> Mapping[str, Any]:
    return stored_data(folder.path("protocol.yaml"))


def _same_but_for_additions(protocol: Protocol, name: str, stored: Mapping[str, Any]) -> list[Addition]:
    sections = stored.get("simulations")
    section = sections.get(name) if isinstance(sections, dict) else None
    if not isinstance(section, dict) or not section.get("additions"):
        return []
    ours = protocol.plain()["simulations"][name]
    if {**section, "additions": []} != {**ours, "additions": []} or stored.get("seed") != protocol.seed:
        return []
    try:
        return [Addition.model_validate(item) for item in section["additions"]]
    except ValidationError:
        return []


def _with(prepared: Prepared, changes: Mapping[str, Any]) -> Prepared:
    return dataclasses.replace(prepared, protocol=prepared.protocol.model_copy(update=dict(changes)))


# ------------------------------------------------------------------------------------------------ what to add


def wanted(plan: Plan, verdicts: Sequence[ModelVerdict], most: int) -> list[Wanted]:
    """Conditions that need more replicas, each once with the largest number that any criterion asks for.

    Models that are rejected are left alone: no replica can change that.

    Args:
        most: largest number of replicas of a condition.
    """
    groups: dict[tuple[str, Condition], list[Run]] = {}
    for run in plan.runs:
        groups.setdefault((run.model, run.condition), []).append(run)
    asked: dict[tuple[str, Condition], tuple[int, str]] = {}
    for model, result, ids, more in _open(verdicts):
        for condition in dict.fromkeys(run.condition for run in plan.study.runs_of(model) if run.id in ids):
            place = model, condition
            allowed, (known, _) = min(more, most - len(groups[place])), asked.get(place, (0, ""))
            if allowed > known:
                asked[place] = allowed, f"{result.name} is inconclusive"
    return [_wanted(plan, groups[place], more, why) for place, (more, why) in asked.items()]


def _wanted(plan: Plan, runs: Sequence[Run], more: int, why: str) -> Wanted:
    """So many replicas more than these runs of one model and condition."""
    run, have = runs[0], len(runs)
    return Wanted(
        simulation=run.base_simulation,
        model=run.model,
        system=run.system,
        temperature_K=run.temperature_K,
        timestep_fs=run.settings.timestep_fs,
        have=have,
        replicas=have + more,
        atom_steps=len(plan.structures[run.system]) * run.settings.steps,
        why=why,
    )


def _open(verdicts: Sequence[ModelVerdict]) -> Iterator[tuple[str, CriterionResult, tuple[str, ...], int]]:
    """Model, criterion, runs and number of replicas that would decide it, of all that is open."""
    for verdict in verdicts:
        for result in verdict.criteria if verdict.decision is not Decision.REJECTED else ():
            if result.level in LEVELS and result.outcome is Outcome.INCONCLUSIVE:
                for condition in inconclusive(result):
                    yield verdict.model, result, condition.measurement.runs, int(condition.more_replicas or 0)


def within(conditions: Sequence[Wanted], seconds: float, seconds_per_atom_step: float) -> list[Wanted]:
    """The same with fewer replicas, so that they take no more than this time; those for which none is left fall away."""
    cost = sum((c.replicas - c.have) * c.atom_steps for c in conditions) * seconds_per_atom_step
    share = min(1.0, max(0.0, seconds) / cost) if cost > 0 else 1.0
    cut = [dataclasses.replace(c, replicas=c.have + math.floor((c.replicas - c.have) * share)) for c in conditions]
    return [condition for condition in cut if condition.replicas > condition.have]


def extended(prepared: Prepared, conditions: Sequence[Wanted], look: int) -> Prepared:
    """The protocol with these replicas added after this look."""
    simulations = dict(prepared.protocol.simulations)
    for c in conditions:
        simulation = simulations[c.simulation]
        addition = Addition(
            replicas=c.replicas, models=[c.model], systems=[c.system], temperatures_K=[c.temperature_K],
            timesteps_fs=[c.timestep_fs], look=look, why=c.why,
        )  # fmt: skip
        simulations[c.simulation] = simulation.model_copy(update={"additions": [*simulation.additions, addition]})
    return _with(prepared, {"simulations": simulations})
