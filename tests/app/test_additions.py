"""Which replicas an open verdict asks for: each condition once, with the largest number, within what is allowed."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mdprotocol.app.additions import extended, wanted, within
from mdprotocol.app.checking import check, plan_of
from mdprotocol.app.sources import Prepared, Source
from mdprotocol.plan import Plan, Run
from mdprotocol.verdicts import ConditionResult, CriterionResult, Decision, Level, Measurement, ModelVerdict, Outcome

PROTOCOL: dict[str, Any] = {
    "mdprotocol": 1,
    "name": "more",
    "models": {"m": {"type": "ase", "calculator": "ase.calculators.emt:EMT"}},
    "systems": {"copper": {"type": "bulk", "name": "Cu", "cubic": True}},
    "simulations": {
        "nve": {
            "integrator": {"type": "velocity_verlet"},
            "timestep_fs": [1, 2],
            "duration_ps": 0.1,
            "temperatures_K": [100, 300],
            "replicas": 2,
        }
    },
    "criteria": {"drift": {"level": "must", "metric": "energy_drift.per_atom", "max": 1000}},
}


@pytest.fixture
def planned(tmp_path: Path) -> tuple[Prepared, Plan]:
    path = tmp_path / "more.yaml"
    path.write_text(yaml.safe_dump(PROTOCOL))
    return check(Source(path))


@pytest.fixture
def runs(planned: tuple[Prepared, Plan]) -> Callable[[str, float], list[Run]]:
    _, plan = planned
    return lambda simulation, kelvin: [r for r in plan.runs if (r.simulation, r.temperature_K) == (simulation, kelvin)]


def open_verdict(*asks: tuple[list[Run], int], decision: Decision = Decision.UNDECIDED) -> ModelVerdict:
    """A verdict with an inconclusive condition of these runs for each number of replicas asked for."""

    def condition(runs: list[Run], more: int) -> ConditionResult:
        ids = tuple(run.id for run in runs)
        nan = math.nan
        found = Measurement("energy_drift.per_atom", "1", nan, nan, nan, nan, 0.95, (), {}, ids)
        return ConditionResult(found, Outcome.INCONCLUSIVE, more_replicas=more)

    conditions = tuple(condition(*ask) for ask in asks)
    quantity = ("", "energy_drift.per_atom", "1", None, 1.0)
    return ModelVerdict(
        "m", decision, (), (CriterionResult("drift", Level.MUST, *quantity, Outcome.INCONCLUSIVE, conditions),)
    )


def test_a_condition_gets_the_most_that_any_criterion_asks_for(planned, runs) -> None:
    _, plan = planned
    cold, warm = runs("nve_1fs", 100.0), runs("nve_2fs", 300.0)
    found = wanted(plan, [open_verdict((cold, 1), ([*cold, *warm], 3))], most=16)
    assert [(c.simulation, c.timestep_fs, c.temperature_K, c.have, c.replicas) for c in found] == [
        ("nve", 1.0, 100.0, 2, 5),
        ("nve", 2.0, 300.0, 2, 5),
    ]
    assert found[0].atom_steps == 4 * 100
    assert found[0].why == "drift is inconclusive"


def test_no_condition_gets_more_than_is_allowed_and_a_rejected_model_gets_none(planned, runs) -> None:
    _, plan = planned
    asked = open_verdict((runs("nve_1fs", 100.0), 30))
    assert [c.replicas for c in wanted(plan, [asked], most=8)] == [8]
    assert wanted(plan, [asked], most=2) == []
    assert wanted(plan, [dataclasses.replace(asked, decision=Decision.REJECTED)], most=8) == []


def test_what_is_added_is_planned_there_and_nowhere_else(planned, runs) -> None:
    prepared, plan = planned
    more = wanted(plan, [open_verdict((runs("nve_2fs", 300.0), 2))], most=8)
    again = plan_of(extended(prepared, more, look=1))
    new = [run for run in again.runs if run.id not in {old.id for old in plan.runs}]
    assert [(run.simulation, run.temperature_K, run.replica, run.stage) for run in new] == [
        ("nve_2fs", 300.0, 2, 1),
        ("nve_2fs", 300.0, 3, 1),
    ]
    assert within(more, seconds=1.5 * 4 * 50, seconds_per_atom_step=1.0) == [dataclasses.replace(more[0], replicas=3)]
