"""Failed runs decide by themselves: no number of a criterion that draws on them can approve a model."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from mdprotocol.protocol.schema import FailedRuns
from mdprotocol.verdicts import Decision, Outcome

MUST = {"level": "must", "metric": "level.mean", "max": 1}
"""It never sees a failure: the signal of a run is what it was, however the run ended."""
TOLERANT = {"failed_runs": {"max": 2, "reason": "a known bad node"}}


def blown(made, spread, fails):
    """A world in which every run has a sound signal, and those that `fails` picks ended early."""
    sound = spread(0.5, 0.01)
    for run in made.runs:
        ended = {"outcome": "failed", "failure_kind": "runaway_temperature", "failure_time_fs": 16.0}
        made.write(run, sound(run), **(ended if fails(run) else {}))
    return made.judge()


def test_four_of_four_failed_runs_behind_a_sound_number_are_rejected(world, spread):
    verdict = blown(world({"momentum": MUST}), spread, lambda run: True)
    assert verdict.criteria[0].outcome is Outcome.PASS
    assert verdict.decision is Decision.REJECTED
    assert verdict.reasons[0].startswith("16 of 16 runs that must criteria draw on failed (the first is runs/student/")


def test_a_single_failed_run_is_enough(world, spread):
    verdict = blown(world({"momentum": MUST}), spread, lambda run: run.replica == 0 and run.temperature_K == 100)
    assert verdict.decision is Decision.REJECTED
    assert verdict.runs_failed == 2


@pytest.mark.parametrize(
    ("where", "decision"),
    [
        ({"temperature": 300}, Decision.APPROVED),
        ({"temperature": 100}, Decision.REJECTED),
        ({"system": "methane"}, Decision.APPROVED),
        ({"system": ["methane", "water"]}, Decision.REJECTED),
        ({"simulation": "nve"}, Decision.REJECTED),
    ],
)
def test_only_runs_that_the_criterion_draws_on_count(world, spread, where, decision):
    """The runs of water at 100 K fail."""
    made = world({"momentum": MUST | {"where": where}})
    verdict = blown(made, spread, lambda run: run.system == "water" and run.temperature_K == 100)
    assert verdict.decision is decision
    assert verdict.runs_failed == 4


def test_failed_runs_count_once_over_all_must_criteria(world, spread):
    criteria = {"one": MUST, "other": MUST | {"where": {"system": "water"}}}
    verdict = blown(world(criteria), spread, lambda run: run.replica == 0)
    assert "4 of 16 runs" in verdict.reasons[0]


def test_what_is_tolerated_is_the_first_sentence(world, spread):
    verdict = blown(world({"momentum": MUST}, extra=TOLERANT), spread, lambda run: _cold(run) and run.replica == 1)
    assert verdict.decision is Decision.APPROVED
    assert verdict.reasons == (
        "2 of 16 runs that must criteria draw on failed, tolerated by the protocol (at most 2: a known bad node)",
        "the must criterion passed",
    )


def test_one_more_than_is_tolerated_is_rejected(world, spread):
    verdict = blown(world({"momentum": MUST}, extra=TOLERANT), spread, lambda run: run.replica == 1)
    assert verdict.decision is Decision.REJECTED
    assert "the protocol tolerates 2: a known bad node" in verdict.reasons[0]


def test_tolerance_undoes_no_criterion(world, spread):
    count = {"count": {"level": "must", "metric": "level.total", "max": -1}}
    verdict = blown(world(count, extra=TOLERANT), spread, lambda run: False)
    assert verdict.decision is Decision.REJECTED


def test_a_use_that_rests_on_failed_runs_is_refused_and_its_warning_given(world, spread):
    criteria = {"cold": MUST | {"where": {"temperature": 100}}, "hot": MUST | {"level": "should"}}
    uses = [
        {"use": "hot MD", "requires": ["hot"]},
        {"use": "cold MD", "requires": ["must"]},
        {"use": "not for MD", "if_failed": ["hot"]},
    ]
    made = world(criteria, extra={"recommendations": uses, "least_length_ps": 0})
    verdict = blown(made, spread, lambda run: run.temperature_K == 300 and run.replica == 0)
    assert verdict.decision is Decision.APPROVED
    hot, cold, warning = verdict.recommendations
    assert (hot.granted, hot.blocked_by, hot.reason) == (False, ("hot",), "2 failed runs behind hot")
    assert cold.granted
    assert (warning.granted, warning.because) == (True, ("hot",))


def test_a_missing_run_is_no_failed_run(world, spread):
    made = world({"momentum": MUST})
    sound = spread(0.5, 0.01)
    verdict = made.fill(lambda run: None if run.replica == 0 else sound(run)).judge()
    assert verdict.decision is Decision.UNDECIDED
    assert (verdict.runs_failed, verdict.runs_missing) == (0, 4)


@pytest.mark.parametrize("given", [{"max": 0, "reason": "x"}, {"max": 1, "reason": " \n"}, {"max": 1}, {"reason": "x"}])
def test_a_tolerance_needs_a_number_and_a_reason(given):
    with pytest.raises(ValidationError):
        FailedRuns.model_validate(given)


def _cold(run) -> bool:
    return run.temperature_K == 100


def test_where_no_must_criterion_draws_on_runs_those_on_the_model_speak_for_all(world, spread):
    """A model at 500,000 K is not approved by its number of parameters."""
    probe = {"level": "must", "metric": "examined.found", "max": 10}
    seen = {"level": "should", "metric": "level.mean", "max": 1}
    made = world({"size": probe, "seen": seen})
    verdict = blown(made, spread, lambda run: True)
    assert verdict.decision is Decision.REJECTED
    assert verdict.reasons[0].startswith("16 of 16 runs")
    water = world({"size": probe | {"where": {"system": "water"}}, "seen": seen})
    assert blown(water, spread, lambda run: run.system == "methane").reasons[0].startswith("1 of 1 must criterion")


def test_not_most_of_a_condition_is_tolerated(world, spread):
    """Of four replicas two may fail where two are tolerated; three never, however many are."""
    many = {"failed_runs": {"max": 10000, "reason": "a known bad node"}}
    made = world({"momentum": MUST}, extra=many)
    assert blown(made, spread, lambda run: run.replica < 2).decision is Decision.APPROVED
    verdict = blown(made, spread, lambda run: _cold(run) and run.system == "water" and run.replica < 3)
    assert verdict.decision is Decision.REJECTED
    assert "more than half failed in water, nve, 100 K" in verdict.reasons[0]


def test_a_rejected_model_with_failed_runs_is_recommended_for_nothing(world, spread):
    uses = {"recommendations": [{"use": "screening", "requires": ["other"]}], "least_length_ps": 0}
    other = MUST | {"level": "should", "where": {"temperature": 300}}
    made = world({"momentum": MUST | {"where": {"temperature": 100}}, "other": other}, extra=uses)
    verdict = blown(made, spread, _cold)
    assert verdict.decision is Decision.REJECTED
    assert not verdict.recommendations[0].granted
    assert "the model is rejected" in verdict.recommendations[0].reason
