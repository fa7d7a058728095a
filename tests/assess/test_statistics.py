"""Intervals: known values, coverage over many synthetic data sets, and how many replicas would decide."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from mdprotocol.assess.statistics import clopper_pearson, most_likely, pool, samples_to_decide, scatter_to_decide
from mdprotocol.errors import NotMeasurable

finite = st.floats(-1e6, 1e6)


def test_students_interval_of_a_textbook_sample():
    """Mean 1, s = sqrt(2.5), t(4, 0.975) = 2.776."""
    found = pool([-1, 0, 1, 2, 3], "mean", 0.95)
    assert found.value == 1
    assert found.standard_error == pytest.approx(math.sqrt(0.5))
    assert (found.low, found.high) == pytest.approx((1 - 1.9633, 1 + 1.9633), abs=1e-4)


def test_samples_of_one_sign_get_the_hull_with_the_interval_of_their_logarithm():
    """Mean 3, half width 1.9633: 3 exp(1.9633/3) = 5.772 lies above 4.963, 3 exp(-1.9633/3) = 1.559 within."""
    found = pool([1, 2, 3, 4, 5], "mean", 0.95)
    assert (found.low, found.high) == pytest.approx((3 - 1.9633, 5.7719), abs=1e-3)
    mirrored = pool([-1, -2, -3, -4, -5], "mean", 0.95)
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low))


def test_exact_binomial_interval_of_a_textbook_sample():
    """0 of 10: upper end 1 - 0.025**(1/10); 5 of 10: 0.1871 to 0.8129 (Clopper and Pearson's own table)."""
    assert clopper_pearson(0, 10, 0.95) == pytest.approx((0.0, 1 - 0.025**0.1))
    assert clopper_pearson(5, 10, 0.95) == pytest.approx((0.1871, 0.8129), abs=1e-4)
    assert clopper_pearson(10, 10, 0.95)[1] == 1.0


@pytest.mark.parametrize(("hits", "count"), [(0, 1), (1, 1), (1, 2), (3, 40), (1, 10_000), (9_999, 10_000), (36, 36)])
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.9999])
def test_the_exact_interval_is_that_of_the_beta_distribution(hits: int, count: int, confidence: float) -> None:
    tail = (1 - confidence) / 2
    low = beta.ppf(tail, hits, count - hits + 1) if hits else 0.0
    high = beta.ppf(1 - tail, hits + 1, count - hits) if hits < count else 1.0
    assert clopper_pearson(hits, count, confidence) == pytest.approx((low, high), abs=1e-11)
    one_sided = beta.ppf(confidence, hits + 1, count - hits) if hits < count else 1.0
    assert most_likely(hits, count, confidence) == pytest.approx(one_sided, abs=1e-11)


def test_root_mean_square():
    found = pool([3.0, 4.0], "rms", 0.95)
    assert found.value == pytest.approx(math.sqrt(12.5))
    # Squares 9 and 16: mean 12.5, half width 12.706 x 3.5; Student's interval ends below zero, so the other end holds.
    assert found.low == pytest.approx(math.sqrt(12.5 * math.exp(-12.7062 * 3.5 / 12.5) / 2), rel=1e-4)
    # se of the squares is 3.5; by the delta method se = 3.5/(2 rms).
    assert found.standard_error == pytest.approx(3.5 / (2 * math.sqrt(12.5)))


def test_counts_and_extremes_have_no_sampling_error():
    for how, value in (("total", 3.0), ("max", 2.0)):
        found = pool([1.0, 0.0, 2.0], how, 0.95)
        assert (found.value, found.low, found.high, found.standard_error) == (value, value, value, 0.0)


def test_the_same_number_must_be_the_same():
    assert pool([4.0, 4.0], "same", 0.95).value == 4.0
    with pytest.raises(NotMeasurable, match="between 4 and 5"):
        pool([4.0, 5.0], "same", 0.95)


def test_a_proportion_of_other_numbers_is_refused():
    with pytest.raises(NotMeasurable):
        pool([0.0, 0.5], "proportion", 0.95)


@pytest.mark.parametrize("how", ["mean", "rms"])
def test_one_sample_has_an_infinite_interval(how):
    found = pool([2.0], how, 0.95)
    assert found.value == 2.0
    assert found.high == math.inf
    assert found.low == (0.0 if how == "rms" else -math.inf)


@given(st.lists(finite, min_size=2, max_size=8), st.sampled_from(["mean", "rms"]))
def test_intervals_hold_their_value_and_grow_with_confidence(samples, how):
    narrow, wide = pool(samples, how, 0.9), pool(samples, how, 0.99)
    slack = 1e-9 * (1 + abs(narrow.value))
    assert narrow.low - slack <= narrow.value <= narrow.high + slack
    assert wide.low <= narrow.low + slack
    assert wide.high >= narrow.high - slack
    assert how != "rms" or narrow.low >= 0


@given(st.floats(0.1, 1e6), st.integers(2, 9))
def test_equal_samples_have_no_scatter_where_the_quantity_has_none(value, count):
    found = pool([value] * count, "mean", 0.95, deterministic=True)
    assert (found.value, found.low, found.high, found.standard_error) == (value, value, value, 0.0)


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=8), st.floats(0.1, 10))
def test_an_interval_scales_with_its_samples(samples, factor):
    before, after = pool(samples, "mean", 0.95), pool([x * factor for x in samples], "mean", 0.95)
    assert after.low == pytest.approx(before.low * factor, rel=1e-6, abs=1e-6)


def test_only_what_cannot_be_negative_ends_above_zero():
    """Three positive samples of a signed quantity prove nothing about its sign; of a size they do."""
    samples = [0.5, 2.0, 4.0]
    assert pool(samples, "mean", 0.99).low < 0
    assert pool(samples, "mean", 0.99, positive=True).low > 0


def test_the_advised_number_is_the_least_that_decides():
    """Mean 0, s = 1, bound 0.5: t(n-1)/sqrt(n) < 0.5 first at n = 18 (t(17) = 2.1098)."""
    samples = np.array([-1.0, 1.0, -1.0, 1.0]) * math.sqrt(3) / 2
    assert samples_to_decide(samples, "mean", 0.95, 0.5) == 18


def test_the_advised_number_of_trials_decides():
    needed = samples_to_decide([1.0] * 5, "proportion", 0.95, 0.9)
    assert clopper_pearson(needed, needed, 0.95)[0] >= 0.9 > clopper_pearson(needed - 1, needed - 1, 0.95)[0]


def test_a_value_on_the_bound_cannot_be_decided_by_more():
    assert samples_to_decide([1.0, 3.0], "mean", 0.95, 2.0) is None


def test_a_size_far_beyond_its_bound_is_outside_however_much_it_scatters():
    """Four replicas with a scatter of a third, at the confidence that forty conditions ask for: 30 is beyond 1."""
    samples, bound = [20.0, 30.0, 40.0, 30.0], 1.0
    assert pool(samples, "mean", 1 - 0.1 / 40, positive=True).low > bound
    assert scatter_to_decide([20.0, 30.0, 80.0, 30.0], "mean", 0.99, 10.0, positive=True) < 1


@pytest.mark.parametrize(("samples", "how", "bound"), [((-1.0, 2.0, 0.0), "mean", 1.0), ((1.0, 2.0, 1.5), "rms", 1.8)])
def test_the_advised_scatter_just_decides(samples, how, bound):
    """Shrinking the scatter around the value that decides brings the end of the interval onto the bound."""
    factor = scatter_to_decide(samples, how, 0.95, bound)
    x = np.array(samples) ** 2 if how == "rms" else np.array(samples)
    for slack, outside in ((0.99, True), (1.01, False)):
        shrunk = x.mean() + slack * factor * (x - x.mean())
        found = pool(shrunk, "mean", 0.95)
        target = bound**2 if how == "rms" else bound
        assert (not found.low <= target <= found.high) is outside
