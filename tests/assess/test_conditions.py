"""A mean over conditions hides none that lies clearly beyond the bound by itself."""

from __future__ import annotations

import numpy as np
import pytest

from mdprotocol.assess.conditions import hidden
from mdprotocol.assess.familywise import ConditionTest
from mdprotocol.assess.pooling import MeasuredCondition, Pooled, pooled
from mdprotocol.contracts import Quantity
from mdprotocol.plan import Run
from mdprotocol.protocol.schema import Criterion
from mdprotocol.verdicts import Decision, Level, Outcome

CONDITIONS = [(system, kelvin) for system in ("water", "methane", "alanine") for kelvin in (100.0, 300.0, 500.0)]
TRIALS = 300


def judged_condition(values, how="mean", most=1.0, least=None, positive=False) -> ConditionTest:
    """A condition of (condition, replica) values, against its bounds."""
    readings = tuple(
        (Run("m", system, "nve", kelvin, replica, replica, settings=None, identity=""), float(x), "")
        for (system, kelvin), row in zip(CONDITIONS, values, strict=False)
        for replica, x in enumerate(row)
    )
    found: Pooled = pooled(
        "q.q", Quantity("eV", "q", how, positive=positive), MeasuredCondition({"model": "m"}, readings), 0.95
    )
    return ConditionTest(Criterion(level=Level.MUST, metric="q.q", max=most, min=least, per=[]), found, 0.95)


def scattered(rng, means, replicas=4, share=0.3):
    return [mean * (1 + share * rng.standard_normal(replicas)) for mean in means]


@pytest.mark.parametrize("how", ["mean", "rms"])
@pytest.mark.parametrize("others", [0.1, 0.5, 0.8])
def test_one_of_nine_at_twice_the_bound_is_caught_in_at_least_95_percent(how, others):
    rng = np.random.default_rng(11)
    caught = sum(bool(hidden(judged_condition(scattered(rng, [others] * 8 + [2.0]), how))) for _ in range(TRIALS))
    assert caught >= 0.95 * TRIALS


@pytest.mark.parametrize("how", ["mean", "rms"])
@pytest.mark.parametrize("means", [[0.8] * 9, [0.8] + [0.2] * 8, np.linspace(0.1, 0.8, 9)])
def test_sound_conditions_are_hardly_ever_held_up(how, means):
    rng = np.random.default_rng(12)
    blocked = sum(bool(hidden(judged_condition(scattered(rng, means), how))) for _ in range(TRIALS))
    assert blocked <= 0.03 * TRIALS


def test_the_cell_would_have_passed(world):
    """The mean of +10 and -10 is zero, with an interval inside the bound of 8."""
    signs = {"water": 1, "methane": -1}
    noise = (-0.3, 0.3, -0.15, 0.15)
    criteria = {"low": {"level": "must", "metric": "level.mean", "min": -8, "max": 8, "per": []}}
    made = world(criteria).fill(lambda run: 10 * signs[run.system] + noise[run.replica])
    verdict = made.judge()
    condition = verdict.criteria[0].worst
    assert condition.measurement.value == pytest.approx(0)
    assert -8 < condition.measurement.low < condition.measurement.high < 8
    assert (verdict.decision, condition.outcome) == (Decision.UNDECIDED, Outcome.INCONCLUSIVE)
    assert (
        "4 of 4 conditions lie clearly beyond the bound by themselves: water, 100 K: 10.00 ± 0.14 eV"
        in condition.advice
    )
    assert condition.more_replicas is None


def test_the_condition_and_its_value_are_named(world, spread):
    criteria = {"low": {"level": "must", "metric": "level.mean", "max": 1, "per": []}}
    small, large = spread(0.0, 0.1), spread(2.0, 0.1)
    made = world(criteria).fill(lambda run: (large if _hot_methane(run) else small)(run))
    condition = made.judge().criteria[0].worst
    assert condition.measurement.high < 1
    assert condition.advice == "methane, 300 K lies clearly beyond the bound by itself: 2.000 ± 0.046 eV"
    assert condition.outcome is Outcome.INCONCLUSIVE


def test_a_share_over_conditions_hides_none_that_never_survived(world):
    criteria = {"alive": {"level": "must", "metric": "level.proportion", "min": 0.5, "per": []}}
    verdict = world(criteria, replicas=8).fill(lambda run: float(not _hot_methane(run))).judge()
    assert verdict.criteria[0].outcome is Outcome.INCONCLUSIVE
    assert "methane, 300 K lies clearly" in verdict.criteria[0].worst.advice


def test_single_replicas_are_held_against_the_scatter_of_the_others():
    assert hidden(judged_condition([[x] for x in (0.5, 0.6, 0.4, 0.55, 0.45, 0.5, 0.6, 0.4, 2.0)]))
    assert not hidden(judged_condition([[x] for x in (0.5, 0.6, 0.4, 0.9, 0.45, 0.5, 0.6, 0.4, 1.05)]))


def test_both_bounds_are_looked_at():
    rows = [[0.1, 0.2, 0.15]] * 3
    assert "-3" in hidden(judged_condition([*rows, [-3.0, -3.1, -2.9]], most=1, least=-1))
    assert not hidden(judged_condition([*rows, [-0.8, -0.7, -0.9]], most=1, least=-1))


def test_a_cell_of_one_condition_is_left_to_its_interval():
    assert not hidden(judged_condition([[5.0, 5.1, 5.2]]))


def _hot_methane(run) -> bool:
    return run.system == "methane" and run.temperature_K == 300


# ------------------------------------------------------------------------------------------------------- extremes


@pytest.mark.parametrize(
    ("how", "bounds", "value", "outcome"),
    [
        ("max", {"min": 0}, -10.0, Outcome.FAIL),
        ("max", {"min": -20}, -10.0, Outcome.PASS),
        ("max", {"min": -5, "max": 5}, -10.0, Outcome.FAIL),
        ("max", {"max": 0.5}, 1.0, Outcome.FAIL),
        ("max", {"min": -20, "max": 5}, 1.0, Outcome.PASS),
        ("min", {"max": 0.5}, 1.0, Outcome.FAIL),
        ("min", {"min": -20, "max": 0.5}, 1.0, Outcome.FAIL),
        ("min", {"min": -5, "max": 20}, -10.0, Outcome.FAIL),
    ],
)
def test_every_sample_of_an_extreme_keeps_both_bounds(world, monkeypatch, how, bounds, value, outcome):
    """-10 does not hide beside +1; what is shown is the sample that broke the bound, or came nearest to it."""
    made = world({"size": {"level": "must", "metric": "level.max", "per": []} | bounds})
    kind = type(made.metrics["level"])
    monkeypatch.setattr(kind, "quantities", {**kind.quantities, "max": Quantity("eV", "signal", how)})
    result = made.fill(lambda run: -10.0 if run == made.runs[0] else 1.0).judge().criteria[0]
    assert result.outcome is outcome
    assert result.worst.measurement.value == value


def test_a_count_below_zero_is_none(world):
    made = world({"count": {"level": "must", "metric": "level.total", "max": 0, "per": []}})
    verdict = made.fill(lambda run: 10.0 if run.replica % 2 else -10.0).judge()
    assert verdict.criteria[0].outcome is Outcome.NOT_MEASURED
    assert "cannot be negative" in verdict.criteria[0].worst.measurement.reason


def test_one_beyond_beside_conditions_without_scatter_is_seen(world):
    """Nine systems measured once each, eight of them at zero: their mean hides the ninth."""
    made = world({"low": {"level": "must", "metric": "level.fixed", "max": 1, "per": []}}, replicas=1)
    first = made.runs[0]
    for run in made.runs:
        made.write(run, 1.9 if run is first or run == first else 0.0)
    (result,) = made.judge().criteria
    assert result.outcome is Outcome.INCONCLUSIVE
    assert "lies clearly beyond the bound by itself" in result.conditions[0].advice
