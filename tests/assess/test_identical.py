"""Identical samples say nothing about their scatter: no certain verdict, no certain difference, no advice of thousands."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import pytest
import xarray as xr

from mdprotocol.assess.comparison import welch
from mdprotocol.assess.statistics import pool, samples_to_decide, scatter_to_decide
from mdprotocol.contracts import Metric, Quantity, Values
from mdprotocol.verdicts import Decision, Outcome

LOW = {"level": "must", "metric": "level.mean", "max": 1}
ROUNDED = [0.1 + 0.2, 0.3, 0.3, 0.1 + 0.2]
"""The same but for the last bit."""


@pytest.mark.parametrize("how", ["mean", "rms"])
@pytest.mark.parametrize("samples", [[3.0, 3.0], [10.0] * 4, [0.0] * 4, ROUNDED, [-2.5] * 3])
def test_the_interval_of_identical_samples_is_infinite(how, samples):
    found = pool(samples, how, 0.95)
    assert found.high == found.standard_error == math.inf
    assert found.low == (0 if how == "rms" else -math.inf)
    assert abs(found.value) == pytest.approx(abs(samples[0]))


@pytest.mark.parametrize("how", ["mean", "rms"])
def test_a_deterministic_quantity_is_known_and_its_rounding_too(how):
    found = pool(ROUNDED, how, 0.95, deterministic=True)
    assert (found.low, found.high, found.standard_error) == (found.value, found.value, 0)
    assert found.value == pytest.approx(0.3)


def test_a_little_scatter_is_scatter():
    assert pool([1.0, 1.0, 1.0 + 1e-9], "mean", 0.95).high < 1.001


@pytest.mark.parametrize("value", [0.5, 1.5])
def test_neither_pass_nor_fail_follows_from_identical_samples(world, value):
    verdict = world({"low": LOW}).fill(lambda run: value).judge()
    condition = verdict.criteria[0].worst
    assert verdict.decision is Decision.UNDECIDED
    assert condition.outcome is Outcome.INCONCLUSIVE
    assert "identical" in condition.advice
    assert condition.more_replicas is None  # --until-decided adds nothing for it


def test_differences_between_conditions_are_no_scatter_of_replicas(world):
    """Each run twice: two systems and temperatures with their own values, and not a replica that differs."""
    pooled = {"low": LOW | {"per": []}}
    verdict = world(pooled).fill(lambda run: 0.1 + run.temperature_K / 1e4 + (run.system == "water") / 50).judge()
    condition = verdict.criteria[0].worst
    assert condition.outcome is Outcome.INCONCLUSIVE
    assert "identical" in condition.advice
    assert condition.measurement.standard_error == math.inf


class Planned(Metric):
    """A number that follows from the plan alone."""

    type: Literal["planned"] = "planned"
    quantities: ClassVar = {"kelvin": Quantity("K", "target", deterministic=True)}

    def measure(self, run: xr.Dataset) -> Values:
        return {"kelvin": float(run.attrs["temperature_K"])}


@pytest.mark.parametrize(("most", "decision"), [(301, Decision.APPROVED), (299, Decision.REJECTED)])
def test_what_the_metric_declares_deterministic_is_decided_and_stored_so(world, most, decision):
    made = world({"low": {"level": "must", "metric": "planned.kelvin", "max": most}}, metrics={"planned": Planned()})
    found = made.fill(lambda run: 1.0).measure()
    assert made.judge(found).decision is decision
    assert found.quantities["planned.kelvin"].deterministic
    assert made.dataset(found)["planned.kelvin"].attrs["deterministic"] == 1


def test_more_replicas_are_no_advice_for_identical_samples():
    for how in ("mean", "rms"):
        assert samples_to_decide([2.0] * 4, how, 0.95, 2.0 + 1e-9) is None
        assert samples_to_decide(ROUNDED, how, 0.95, 0.3 + 1e-7) is None
        assert scatter_to_decide(ROUNDED, how, 0.95, 0.3 + 1e-7) is None


def test_a_difference_of_identical_samples_is_not_certain():
    assert math.isnan(welch([1, 1], [2, 2], "mean"))
    assert math.isnan(welch([1, 1, 1], [2, 2.1, 1.9], "mean"))
    assert math.isnan(welch([2, 2.1, 1.9], [1, -1, 1], "rms"))
    assert welch(ROUNDED, ROUNDED[::-1], "mean") == 1.0
    assert welch([1, 1], [2, 2], "rms", deterministic=True) == 0.0
