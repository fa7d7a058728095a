"""Must criteria never vanish: those that were dropped are listed, and no planned condition is passed over."""

from __future__ import annotations

import pytest

from mdprotocol.plan.itself import ITSELF
from mdprotocol.verdicts import Decision, Outcome

LOW = {"level": "must", "metric": "level.mean", "max": 1}
CLOSE = {"level": "must", "metric": "difference.signed", "min": -1, "max": 1}
BY_ELEMENT = {"level": "must", "metric": "level.by_element", "max": 5}


def test_dropped_by_self_reference_is_listed_and_undecided(world, spread):
    verdict = world({"low": LOW, "close": CLOSE}, reference="student").fill(spread(0.5, 0.01)).judge()
    assert verdict.decision is Decision.UNDECIDED
    assert verdict.reasons == ("1 must criterion does not apply to the reference itself: close",)
    assert verdict.dropped == (f"close: {ITSELF}",)


def test_a_failure_still_rejects_where_something_was_dropped(world, spread):
    verdict = world({"low": LOW, "close": CLOSE}, reference="student").fill(spread(5.0, 0.01)).judge()
    assert verdict.decision is Decision.REJECTED
    assert verdict.dropped == (f"close: {ITSELF}",)


def test_what_the_protocol_dropped_is_listed_and_does_not_decide(world, spread):
    dropped = {"forces": "null in child.yaml", "drift": "nice instead of must in child.yaml"}
    verdict = world({"low": LOW}, extra={"dropped": dropped}).fill(spread(0.5, 0.01)).judge()
    assert verdict.decision is Decision.APPROVED
    assert verdict.dropped == ("forces: null in child.yaml", "drift: nice instead of must in child.yaml")


def test_what_does_not_apply_is_noted_and_does_not_decide(world, spread):
    left_out = {"criteria.parameters": "no model here has trainable parameters", "simulations.box": "it is not there"}
    verdict = world({"low": LOW}, extra={"left_out": left_out}).fill(spread(0.5, 0.01)).judge()
    assert verdict.decision is Decision.APPROVED
    noted = [note for note in verdict.notes if note.startswith("left out: ")]
    assert noted == [f"left out: {place}: {why}" for place, why in left_out.items()]


@pytest.mark.parametrize("per", [["system", "simulation", "temperature"], ["system"], []])
def test_a_point_that_exists_at_another_temperature_is_missing_not_passed_over(world, spread, per):
    """Oxygen is measured in water at 100 K and in none of its runs at 300 K."""
    made = world({"low": BY_ELEMENT | {"per": per}})
    near = spread(-0.1, 0.01)
    for run in made.runs:
        cold = run.system == "methane" or run.temperature_K == 100
        made.write(run, near(run), elements={"water": "H O", "methane": "H C"}[run.system] if cold else "H")
    worst = made.judge().criteria[0].worst
    assert worst.outcome is Outcome.NOT_MEASURED
    assert worst.measurement.where["element"] == "O"
    assert "no value at element O" in worst.measurement.reason


def test_every_planned_condition_has_a_cell(world, spread):
    """Where one system has nothing at all of what the others have, it is not passed over either."""
    made = world({"low": BY_ELEMENT | {"per": []}})
    near = spread(-0.1, 0.01)
    for run in made.runs:
        made.write(run, near(run), elements="" if run.system == "methane" else "H O")
    result = made.judge().criteria[0]
    assert result.outcome is Outcome.NOT_MEASURED
    assert "8 of 16 runs have no value" in result.worst.measurement.reason
