"""Runs that start alike are one sample: one trajectory under several settings narrows no interval."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from mdprotocol.assess.pooling import MeasuredCondition, pooled
from mdprotocol.assess.statistics import pool
from mdprotocol.contracts import Quantity
from mdprotocol.plan import Run

SAMPLES = {1: (1.0, 1.1, 1.2), 2: (2.0, 2.2, 2.4), 3: (4.0, 4.1, 4.2)}
"""Samples by seed, one for each temperature."""


@pytest.fixture
def condition(world: Any) -> Any:
    def made(samples: dict[int, tuple[float, ...]] = SAMPLES) -> MeasuredCondition:
        (run, *_) = world({"low": {"level": "must", "metric": "level.mean", "max": 1}}).runs
        readings = []
        for seed, values in samples.items():
            for k, value in enumerate(values):
                own: Run = dataclasses.replace(run, seed=seed, replica=seed, temperature_K=300.0 + 7 * k)
                readings.append((own, value, ""))
        return MeasuredCondition({"model": "m"}, tuple(readings))

    return made


def test_the_interval_is_that_of_the_independent_starts(condition: Any) -> None:
    quantity = Quantity("eV", "signal")
    found = pooled("level.mean", quantity, condition(), 0.95).measurement
    assert found.samples == sum(SAMPLES.values(), ())
    alone = pool([1.1, 2.2, 4.1], "mean", 0.95)
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high))
    assert found.high - found.low > 2 * (pool(found.samples, "mean", 0.95).high - found.value)


def test_root_mean_squares_of_starts_keep_the_root_mean_square(condition: Any) -> None:
    found = pooled("level.rms", Quantity("eV", "signal", "rms"), condition(), 0.95).measurement
    assert found.value == pytest.approx(math.sqrt(sum(x * x for x in found.samples) / 9))
    assert found.high > pool(found.samples, "rms", 0.95).high


@pytest.mark.parametrize(
    ("hits", "low", "high"), [((1, 1, 1), (1, 1, 1), (1, 1, 1)), ((1, 1, 0), (1, 1, 0), (1, 1, 1))]
)
def test_a_share_of_dependent_runs_has_the_interval_of_their_starts(
    condition: Any, hits: Any, low: Any, high: Any
) -> None:
    found = condition({1: (1.0, 1.0, 1.0), 2: (1.0, 1.0, 1.0), 3: tuple(map(float, hits))})
    measured = pooled("level.proportion", Quantity("1", "share", "proportion"), found, 0.95).measurement
    assert measured.low == pytest.approx(pool(low, "proportion", 0.95).low)
    assert measured.high == pytest.approx(pool(high, "proportion", 0.95).high)
    assert measured.value == pytest.approx(sum(measured.samples) / 9)


def test_one_start_has_no_interval(condition: Any) -> None:
    found = pooled("level.mean", Quantity("eV", "signal"), condition({1: (1.0, 1.1, 1.2)}), 0.95).measurement
    assert found.high == math.inf


def test_runs_with_seeds_of_their_own_are_samples_of_their_own(condition: Any) -> None:
    values = {k: (0.1 * k + 0.3 * (k % 2),) for k in range(1, 8)}
    found = pooled("level.mean", Quantity("eV", "signal"), condition(values), 0.95).measurement
    same = pool([value for (value,) in values.values()], "mean", 0.95)
    assert (found.low, found.high) == (same.low, same.high)
