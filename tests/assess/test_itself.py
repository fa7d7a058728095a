"""The reference as a model under test: judged by what needs no reference, and the verdict says what was left out."""

from __future__ import annotations

import pytest

from mdprotocol.plan.itself import ITSELF
from mdprotocol.verdicts import Decision

LOW = {"low": {"level": "must", "metric": "level.mean", "max": 1}}
CLOSE = {"close": {"level": "must", "metric": "difference.signed", "min": -1, "max": 1}}
USES = {
    "least_length_ps": 0,
    "recommendations": [{"use": "production MD", "requires": ["must"]}, {"use": "both", "requires": ["low", "close"]}],
}


def test_criteria_on_a_comparison_with_itself_do_not_apply(world, spread) -> None:
    nice = {"close": CLOSE["close"] | {"level": "nice"}}
    verdict = world(LOW | nice, reference="student", extra=USES).fill(spread(0.5, 0.01)).judge()
    assert verdict.decision is Decision.APPROVED
    assert verdict.dropped == ()
    assert [result.name for result in verdict.criteria] == ["low"]
    assert verdict.notes[0] == f"{ITSELF}; not applied: close"
    assert [use.granted for use in verdict.recommendations] == [True, True]


def test_a_must_criterion_that_does_not_apply_leaves_it_undecided(world, spread) -> None:
    verdict = world(LOW | CLOSE, reference="student", extra=USES).fill(spread(0.5, 0.01)).judge()
    assert verdict.decision is Decision.UNDECIDED
    assert "close" in verdict.reasons[0]
    assert verdict.dropped == (f"close: {ITSELF}",)
    assert [(use.granted, use.blocked_by) for use in verdict.recommendations] == [(False, ("close",))] * 2


def test_nothing_but_comparisons_with_itself_leaves_it_undecided(world, spread) -> None:
    verdict = world(CLOSE, reference="student").fill(spread(0.5, 0.01)).judge()
    assert verdict.decision is Decision.UNDECIDED
    assert "not applied: close" in verdict.notes[0]


def test_it_is_rejected_by_what_applies(world, spread) -> None:
    assert world(LOW | CLOSE, reference="student").fill(spread(5.0, 0.01)).judge().decision is Decision.REJECTED


@pytest.mark.parametrize(("flavour", "reason"), [("student", ITSELF), ("teacher", "")])
def test_a_comparison_with_itself_is_not_measured(world, spread, flavour: str, reason: str) -> None:
    made = world(LOW | CLOSE, reference=flavour).fill(spread(0.5, 0.01))
    reading = made.measure().reading("difference.signed", made.runs[0].id)
    assert reading.reason == reason
    assert bool(reading.values) is not bool(reason)


def test_any_other_model_is_compared(world, spread) -> None:
    verdict = world(LOW | CLOSE, reference="teacher").fill(spread(0.5, 0.01)).judge()
    assert [result.name for result in verdict.criteria] == ["low", "close"]
    assert not any(ITSELF in note for note in verdict.notes)
