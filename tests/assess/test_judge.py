"""Outcomes of criteria, decisions on models: every rule at the head of `mdprotocol.assess.judge`."""

from __future__ import annotations

import math

import pytest

from mdprotocol.contracts import Quantity
from mdprotocol.verdicts import Decision, Outcome

MUST_BELOW_1 = {"low": {"level": "must", "metric": "level.mean", "max": 1}}
LONG_ENOUGH = {"least_length_ps": 0}
"""The runs of these tests take 1 ps; a use may be recommended all the same."""


def test_a_model_well_inside_its_bound_is_approved(world, spread):
    verdict = world().fill(spread(0.5, 0.01)).judge()
    assert verdict.decision is Decision.APPROVED
    assert [condition.outcome for condition in verdict.criteria[0].conditions] == [Outcome.PASS] * 4
    assert (verdict.runs_planned, verdict.runs_completed, verdict.runs_failed, verdict.runs_missing) == (16, 16, 0, 0)


def test_a_model_well_outside_its_bound_is_rejected(world, spread):
    verdict = world().fill(spread(1.5, 0.01)).judge()
    assert verdict.decision is Decision.REJECTED
    assert "low" in verdict.reasons[0]


def test_a_bound_within_the_interval_is_inconclusive_and_says_what_would_decide(world, spread):
    verdict = world().fill(spread(0.9, 0.2)).judge()
    condition = verdict.criteria[0].worst
    assert condition.outcome is Outcome.INCONCLUSIVE
    assert verdict.decision is Decision.UNDECIDED
    # s = 0.2 sqrt(2.5/3); 0.9 exp(h/0.9) < 1 asks for a half width h = t(n-1) s/sqrt(n) < 0.0948: first at n = 17.
    assert "about 13 more replicas (17 in all)" in condition.advice
    assert condition.more_replicas == 13


@pytest.mark.parametrize(("replicas", "outcome"), [(16, Outcome.INCONCLUSIVE), (17, Outcome.PASS)])
def test_the_replicas_that_the_advice_asks_for_do_decide(world, replicas, outcome):
    samples = [0.9 + 0.2 * math.sqrt(2.5 / 3) * x for x in _standard(replicas)]
    verdict = world(replicas=replicas).fill(lambda run: samples[run.replica]).judge()
    assert verdict.criteria[0].outcome is outcome


def _standard(count: int) -> list[float]:
    """Numbers with mean 0 and sample standard deviation 1."""
    raw = [k - (count - 1) / 2 for k in range(count)]
    scale = math.sqrt(sum(x * x for x in raw) / (count - 1))
    return [x / scale for x in raw]


def test_one_replica_decides_nothing_but_an_exact_quantity(world):
    criteria = MUST_BELOW_1 | {"count": {"level": "must", "metric": "level.total", "max": 1}}
    verdict = world(criteria, replicas=1).fill(lambda run: 0.0).judge()
    mean, count = verdict.criteria
    assert mean.outcome is Outcome.INCONCLUSIVE
    assert "one replica" in mean.worst.advice
    assert mean.worst.measurement.high == math.inf
    assert count.outcome is Outcome.PASS
    assert verdict.decision is Decision.UNDECIDED


@pytest.mark.parametrize("value", [98, 99, None])
def test_one_unmeasured_run_among_many_keeps_the_cell_from_passing(world, value):
    made = world()
    bad = made.runs[3]
    verdict = made.fill(lambda run: value if run == bad else 0.5).judge()
    worst = verdict.criteria[0].worst
    assert worst.outcome is Outcome.NOT_MEASURED
    assert bad.id in worst.measurement.reason
    assert verdict.decision is Decision.UNDECIDED


def test_a_failure_outweighs_a_missing_run(world, spread):
    made = world()
    five = spread(5.0, 0.01)
    verdict = made.fill(lambda run: None if run.system == "water" else five(run)).judge()
    assert [condition.outcome for condition in verdict.criteria[0].conditions] == [Outcome.FAIL] * 2 + [
        Outcome.NOT_MEASURED
    ] * 2
    assert verdict.decision is Decision.REJECTED
    assert verdict.runs_missing == 8


def test_the_deciding_cell_comes_first(world):
    verdict = world().fill(lambda run: run.temperature_K / 1000 + (run.system == "methane") / 100).judge()
    values = [condition.measurement.value for condition in verdict.criteria[0].conditions]
    assert values == sorted(values, reverse=True)
    assert verdict.criteria[0].worst.measurement.where["system"] == "methane"


def test_a_value_on_the_bound_passes(world):
    criteria = {"low": MUST_BELOW_1["low"] | {"metric": "level.fixed"}}
    assert world(criteria).fill(lambda run: 1.0).judge().decision is Decision.APPROVED


@pytest.mark.parametrize(("value", "outcome"), [(0.0, Outcome.FAIL), (2.0, Outcome.PASS), (5.0, Outcome.FAIL)])
def test_both_bounds_count(world, spread, value, outcome):
    criteria = {"between": {"level": "must", "metric": "level.mean", "min": 1, "max": 3}}
    assert world(criteria).fill(spread(value, 0.01)).judge().criteria[0].outcome is outcome


def test_a_failure_over_many_cells_must_be_clearer_than_in_one(world, spread):
    """Outside at 95 % in each condition, but not at 1 - 0.05/4: over four conditions that is not yet a failure."""
    made = world().fill(spread(1.0, 0.1, (0.2, 1.5, 0.9, 1.4)))
    judged = made.judge().criteria[0]
    assert judged.worst.measurement.low > 1
    assert judged.outcome is Outcome.INCONCLUSIVE
    alone = {"low": MUST_BELOW_1["low"] | {"where": {"system": "water", "temperature": 300}}}
    assert world(alone).judge().criteria[0].outcome is Outcome.FAIL


def test_where_and_per_choose_and_pool(world):
    pooled = {"low": MUST_BELOW_1["low"] | {"where": {"system": ["water"]}, "per": []}}
    (condition,) = (
        world(pooled).fill(lambda run: run.temperature_K / 1000 + run.replica / 1e4).judge().criteria[0].conditions
    )
    assert len(condition.measurement.samples) == 8
    assert condition.measurement.where == {"model": "student"}
    assert all("/water/" in run for run in condition.measurement.runs)


def test_a_where_that_keeps_nothing_is_not_measured(world):
    nowhere = {"low": MUST_BELOW_1["low"] | {"where": {"system": "gold"}}}
    verdict = world(nowhere).fill(lambda run: 0.0).judge()
    assert verdict.criteria[0].outcome is Outcome.NOT_MEASURED
    assert verdict.criteria[0].reason
    assert verdict.decision is Decision.UNDECIDED


@pytest.mark.parametrize("metric", ["level.nothing", "nobody.mean"])
def test_an_unknown_quantity_is_not_measured(world, metric):
    verdict = world({"low": {"level": "must", "metric": metric, "max": 1}}).fill(lambda run: 0.0).judge()
    assert verdict.criteria[0].outcome is Outcome.NOT_MEASURED


def test_without_a_must_criterion_nobody_is_approved(world, spread):
    criteria = {"low": MUST_BELOW_1["low"] | {"level": "should"}}
    verdict = world(criteria).fill(spread(0.0, 0.01)).judge()
    assert verdict.criteria[0].outcome is Outcome.PASS
    assert verdict.decision is Decision.UNDECIDED


def test_should_and_nice_do_not_decide_but_limit_the_uses(world, spread):
    criteria = MUST_BELOW_1 | {
        "lower": {"level": "should", "metric": "level.mean", "max": 0.1},
        "lowest": {"level": "nice", "metric": "level.mean", "max": 0.01},
    }
    uses = [
        {"use": "all", "requires": ["must", "should"]},
        {"use": "some", "requires": ["low"]},
        {"use": "misspelt", "requires": ["lwo"]},
    ]
    verdict = world(criteria, extra=LONG_ENOUGH | {"recommendations": uses}).fill(spread(0.5, 0.01)).judge()
    assert verdict.decision is Decision.APPROVED
    assert [(r.use, r.granted, r.blocked_by) for r in verdict.recommendations] == [
        ("all", False, ("lower",)),
        ("some", True, ()),
        ("misspelt", False, ("lwo",)),
    ]


@pytest.mark.parametrize(("value", "warned"), [(0.5, ()), (2.0, ("low",))])
def test_a_warning_is_given_where_something_failed(world, spread, value, warned):
    uses = [{"use": "not for MD", "if_failed": ["must"]}, {"use": "MD", "requires": ["must"]}]
    made = world(MUST_BELOW_1, extra=LONG_ENOUGH | {"recommendations": uses})
    verdict = made.fill(spread(value, 0.01)).judge()
    warning, use = verdict.recommendations
    assert (warning.warning, warning.granted, warning.because) == (True, bool(warned), warned)
    assert use.granted is not warning.granted


def test_a_criterion_that_is_open_neither_grants_nor_warns(world):
    uses = [{"use": "not for MD", "if_failed": ["low"]}, {"use": "MD", "requires": ["low"]}]
    verdict = world(MUST_BELOW_1, extra={"recommendations": uses}).judge()
    assert [use.granted for use in verdict.recommendations] == [False, False]


def test_elements_become_cells_and_a_missing_one_is_noticed(world, spread):
    criteria = {"low": {"level": "must", "metric": "level.by_element", "max": 1}}
    made = world(criteria)
    below_zero = spread(-0.1, 0.01)
    made.fill(below_zero, elements="H O")
    for run in made.runs:
        if run.system == "methane":
            made.write(run, below_zero(run), elements="H C")
    conditions = made.judge().criteria[0].conditions
    found = {(c.measurement.where["system"], c.measurement.where["element"]) for c in conditions}
    assert found == {("water", "H"), ("water", "O"), ("methane", "H"), ("methane", "C")}
    assert {condition.outcome for condition in conditions} == {Outcome.PASS}
    made.write(made.runs[0], 0.0, elements="H")
    worst = made.judge().criteria[0].worst
    assert worst.outcome is Outcome.NOT_MEASURED
    assert "element O" in worst.measurement.reason


def test_the_references_own_runs_are_not_judged(world, spread):
    simulation = {"reference_trajectory": True}
    made = world({"close": {"level": "must", "metric": "difference.signed", "max": 1}})
    made.extra = _with_reference(made, simulation)
    offset = spread(40.5, 0.125)
    made.fill(lambda run: 40.0 if run.model == "reference" else offset(run))
    verdict = made.judge()
    assert verdict.runs_planned == 16
    assert verdict.criteria[0].worst.measurement.value == 0.5
    assert verdict.decision is Decision.APPROVED


def _with_reference(made, changes):
    plain = made.protocol
    nve = plain.simulations["nve"].model_copy(update=changes)
    teacher = plain.models["student"].model_copy(update={"flavour": "teacher"})
    return {"reference": teacher, "simulations": {"nve": nve}}


def test_probes_are_judged_by_system(world):
    made = world({"fast": {"level": "must", "metric": "examined.found", "max": 10}})
    for probe, value in zip(made.probes, (3.0, 7.0), strict=True):
        made.write_probe(probe, value)
    result = made.fill(lambda run: 0.0).judge().criteria[0]
    assert result.outcome is Outcome.PASS
    assert result.worst.measurement.where == {"model": "student", "system": "methane"}
    assert result.worst.measurement.value == 7.0


def test_a_quantity_that_should_be_the_same_everywhere_but_is_not_is_not_measured(world):
    criteria = {"size": {"level": "must", "metric": "level.same", "max": 9, "per": []}}
    made = world(criteria).fill(lambda run: 3.0)
    assert made.judge().decision is Decision.APPROVED
    made.write(made.runs[5], 4.0)
    worst = made.judge().criteria[0].worst
    assert worst.outcome is Outcome.NOT_MEASURED
    assert "between 3 and 4" in worst.measurement.reason


@pytest.mark.parametrize(("over_time", "power"), [("average", 0.5), ("slope", 1.5)])
def test_the_picoseconds_that_would_decide_follow_from_how_the_error_falls(
    world, spread, monkeypatch, over_time, power
):
    """Half width h now 0.1 sqrt(2.5/3) 3.182/2; 0.9 exp(h'/0.9) = 1 is reached at h' = 0.0948, after T' = (h/h')^(1/p)."""
    made = world()
    kind = type(made.metrics["level"])
    sharper = {**kind.quantities, "mean": Quantity("eV", "signal", over_time=over_time)}
    monkeypatch.setattr(kind, "quantities", sharper)
    advice = made.fill(spread(0.9, 0.1)).judge().criteria[0].worst.advice
    longer = (0.1 * math.sqrt(2.5 / 3) * 3.1824 / 2 / (0.9 * math.log(1 / 0.9))) ** (1 / power)
    assert f"runs of {math.ceil(longer * 10) / 10:g} ps instead of 1 would decide it" in advice
