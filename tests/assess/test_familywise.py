"""Failures among many conditions: Holm's correction against its own definition, and its error rate over sound models."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mdprotocol.assess.familywise import ConditionTest, holm
from mdprotocol.assess.pooling import MeasuredCondition, Pooled, pooled
from mdprotocol.contracts import Quantity
from mdprotocol.plan import Run
from mdprotocol.protocol.schema import Criterion
from mdprotocol.verdicts import Decision, Outcome

CONFIDENCE = 0.95


def condition_test(samples, maximum=0.0, minimum=None, pool="mean") -> ConditionTest:
    bounds = {"max": maximum, "min": minimum}
    criterion = Criterion(level="must", metric="level.mean", confidence=CONFIDENCE, **bounds)
    runs = [Run("student", "water", "nve", 300.0, k, k, settings=None, identity="") for k in range(len(samples))]
    condition = MeasuredCondition({}, tuple((run, float(x), "") for run, x in zip(runs, samples, strict=True)))
    found: Pooled = pooled("level.mean", Quantity("eV", "level", pool), condition, CONFIDENCE)
    return ConditionTest(criterion, found, CONFIDENCE)


def textbook(p_values: list[float], alpha: float) -> list[bool]:
    """Holm's procedure as it is written down: the k-th smallest p against alpha/(m - k + 1), until one is too large."""
    rejected = [False] * len(p_values)
    for rank, index in enumerate(np.argsort(p_values)):
        if p_values[index] > alpha / (len(p_values) - rank):
            break
        rejected[index] = True
    return rejected


@pytest.mark.parametrize("seed", range(20))
def test_it_finds_what_the_textbook_procedure_finds(seed):
    """One-sided p values of Student's test; samples of both signs, so that the interval is Student's."""
    random = np.random.default_rng(seed)
    data = [np.append(random.normal(shift, 1.0, 11), -0.01) for shift in (0, 0, 0.7, 0.9, 1.2, 1.6)]
    p_values = [float(stats.ttest_1samp(x, 0.0, alternative="greater").pvalue) for x in data]
    expected = [
        r and p < (1 - CONFIDENCE) / 2 for r, p in zip(textbook(p_values, 1 - CONFIDENCE), p_values, strict=True)
    ]
    assert [level.failed for level in holm([condition_test(x) for x in data])] == expected


def test_of_many_sound_cells_hardly_ever_one_fails():
    """True values on the bound, the worst case: at most 5 % of 400 models of 12 conditions see a false failure."""
    random = np.random.default_rng(1)
    false = sum(
        any(level.failed for level in holm([condition_test(x) for x in random.normal(0, 1, (12, 4))]))
        for _ in range(400)
    )
    assert 0.01 <= false / 400 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 400)


def test_an_exact_count_is_no_test_by_chance():
    counted, measured = holm([condition_test([0, 1, 0], pool="total"), condition_test([-1, 1, 0.5])])
    assert counted.failed
    assert measured.tests == 1


def test_two_bounds_share_the_error():
    one, two = condition_test([-1, 1]), condition_test([-1, 1], minimum=-5)
    assert 1 - one.strict(4) == pytest.approx(2 * (1 - two.strict(4)))
    assert one.strict(1) == two.strict(1) == CONFIDENCE


def test_failures_are_corrected_over_all_must_criteria(world, spread):
    """Clear enough among four conditions, not among those of ten criteria; as `should`, each is judged by itself."""
    low = {"level": "must", "metric": "level.mean", "max": 1}
    fill = spread(1.0, 0.1, (0.6, 1.4, 0.9, 1.2))
    assert world({"low": low}).fill(fill).judge().decision is Decision.REJECTED
    easy = {f"easy{k}": low | {"max": 50} for k in range(9)}
    verdict = world({"low": low, **easy}).fill(fill).judge()
    assert verdict.criteria[0].worst.measurement.low > 1
    assert verdict.criteria[0].outcome is Outcome.INCONCLUSIVE
    assert "40 conditions" in verdict.criteria[0].worst.advice
    should = {"low": low | {"level": "should"}, **easy}
    assert world(should).fill(fill).judge().criteria[0].outcome is Outcome.FAIL


def test_a_rejection_says_how_it_was_corrected(world, spread):
    verdict = world().fill(spread(3.0, 0.01)).judge()
    assert verdict.decision is Decision.REJECTED
    assert any("over 4 conditions of all must criteria (Holm's correction)" in note for note in verdict.notes)


def test_the_chance_behind_a_count_is_told(world):
    criteria = {"none": {"level": "must", "metric": "level.total", "max": 0}}
    verdict = world(criteria, replicas=9).fill(lambda run: 0.0).judge()
    assert verdict.decision is Decision.APPROVED
    assert verdict.criteria[0].note == "0 of 36 total: at most 8 % with 95 % confidence"
    assert verdict.notes == ("none: 0 of 36 total: at most 8 % with 95 % confidence",)


def test_more_looks_ask_for_more_at_each(world, spread):
    """Inside at 95 %, not at 98.3 %: with three looks the first one leaves it open."""
    fill = spread(0.9, 0.05)
    assert world().fill(fill).judge().decision is Decision.APPROVED
    verdict = world(extra={"looks": 3}).fill(fill).judge()
    assert verdict.criteria[0].worst.measurement.confidence == pytest.approx(1 - 0.05 / 3)
    assert verdict.decision is Decision.UNDECIDED
    assert any("3 looks" in note for note in verdict.notes)
