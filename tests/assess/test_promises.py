"""What `where` names and nobody planned is NOT MEASURED, and so is what would count one run twice; a failure stays one."""

from __future__ import annotations

from typing import Any

import pytest

from mdprotocol.assess import judge_models
from mdprotocol.verdicts import Decision, Outcome


def low(**options: Any) -> dict[str, Any]:
    return {"low": {"level": "must", "metric": "level.mean", "max": 1, **options}}


@pytest.fixture
def made(world, spread):
    """A world of water and methane at 100 and 300 K, everything well inside its bound, judged by one criterion."""
    return lambda value=0.5, **options: world(low(**options)).fill(spread(value, 0.01)).judge()


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ({"system": ["water", "gold"]}, "gold"),
        ({"system": ["water", "methane"], "temperature": [300, 500]}, "at 500 K"),
        ({"temperature": [100, 700]}, "700 K"),
        ({"simulation": ["nve", "nvt"], "system": "water"}, "water in nvt"),
    ],
)
@pytest.mark.parametrize("per", [["system", "simulation", "temperature"], ["system"], []])
def test_what_is_named_and_not_planned_is_not_measured(made, where, words, per) -> None:
    verdict = made(where=where, per=per)
    (result,) = verdict.criteria
    assert result.outcome is Outcome.NOT_MEASURED
    assert words in result.worst.measurement.reason
    assert "named by `where`" in result.worst.measurement.reason
    assert verdict.decision is Decision.UNDECIDED


def test_a_failure_of_what_was_planned_still_rejects(made) -> None:
    verdict = made(5.0, where={"system": ["water", "gold"]})
    assert verdict.decision is Decision.REJECTED
    assert {condition.outcome for condition in verdict.criteria[0].conditions} == {Outcome.FAIL, Outcome.NOT_MEASURED}
    pooled = made(5.0, where={"system": ["water", "gold"]}, per=[])  # gold belongs to the same number
    assert pooled.decision is Decision.UNDECIDED


def test_all_that_is_named_and_planned_passes(made) -> None:
    assert made(where={"system": ["water", "methane"], "temperature": [100, 300.0]}).decision is Decision.APPROVED


def test_a_probe_that_nobody_planned_is_not_measured(world) -> None:
    made = world(
        {"found": {"level": "must", "metric": "examined.found", "max": 1, "where": {"system": ["water", "gold"]}}}
    )
    for probe in made.probes:
        made.write_probe(probe, 0.5)
    (result,) = made.judge().criteria
    assert result.outcome is Outcome.NOT_MEASURED
    assert "gold" in result.worst.measurement.reason


def test_a_model_that_its_simulation_leaves_out_is_not_measured(world, spread) -> None:
    plain = world().protocol
    nve, student = plain.simulations["nve"], plain.models["student"]
    extra = {
        "simulations": {"nve": nve, "more": nve.model_copy(update={"models": ["student"]})},
        "models": {"student": student, "other": student.model_copy(update={"flavour": "other"})},
    }
    made = world(low(where={"simulation": ["nve", "more"]}), extra=extra).fill(spread(0.5, 0.01))
    found = {v.model: v for v in judge_models(made.study, made.measure())}
    assert found["student"].decision is Decision.APPROVED
    assert found["other"].decision is Decision.UNDECIDED
    assert "simulation more" in found["other"].criteria[0].worst.measurement.reason


def test_one_trajectory_of_two_lengths_is_not_pooled(world, spread) -> None:
    seeded = world().protocol.simulations["nve"].model_copy(update={"seeds": [1, 2, 3, 4]})
    extra = {"simulations": {"short": seeded, "long": seeded.model_copy(update={"duration_ps": 2.0})}}
    apart = world(low(), extra=extra).fill(spread(0.5, 0.01)).judge()
    assert apart.decision is Decision.APPROVED
    together = world(low(per=["system"]), extra=extra).judge()
    assert together.criteria[0].outcome is Outcome.NOT_MEASURED
    assert "are the same trajectory" in together.criteria[0].reason
    largest = {"low": low(per=[])["low"] | {"metric": "level.max"}}  # no larger for being there twice
    assert world(largest, extra=extra).judge().criteria[0].outcome is Outcome.PASS
