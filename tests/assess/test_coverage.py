"""Error bars are right: over 2,000 synthetic data sets with known truth, 95 % intervals cover 92 to 98 %.

Two thousand and not two hundred, because the share itself is then known to half a percent instead of one and a half.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom

from mdprotocol.assess.statistics import most_likely, pool

DATA_SETS = 2000
RNG_SEED = 20261124

SAMPLES = {
    "normal": (lambda random, n: random.normal(7.0, 2.0, n), 7.0),
    "signed slopes around zero": (lambda random, n: random.normal(0.0, 1.0, n), 0.0),
    "folded slopes": (lambda random, n: np.abs(random.normal(0.0, 1.0, n)), math.sqrt(2 / math.pi)),
    "exponential": (lambda random, n: random.exponential(1.0, n), 1.0),
    "lognormal": (lambda random, n: random.lognormal(0.0, 0.5, n), math.exp(0.125)),
}


def covered(how, draw, truth, data_sets=DATA_SETS) -> float:
    random = np.random.default_rng(RNG_SEED)
    intervals = [pool(draw(random), how, 0.95) for _ in range(data_sets)]
    return sum(found.low <= truth <= found.high for found in intervals) / data_sets


@pytest.mark.parametrize("replicas", [2, 4, 8, 16])
@pytest.mark.parametrize("kind", SAMPLES)
def test_the_interval_of_a_mean_covers_as_it_claims(kind, replicas):
    draw, truth = SAMPLES[kind]
    assert 0.92 <= covered("mean", lambda random: draw(random, replicas), truth) <= 0.98


@pytest.mark.parametrize("replicas", [2, 4, 8, 16])
def test_replicas_of_unequal_scatter_widen_the_interval_to_the_safe_side(replicas):
    """Half of them scatter four times as much as the others, as hot runs pooled with cold ones would."""
    scatter = np.where(np.arange(replicas) % 2, 0.1, 0.4)
    assert 0.95 <= covered("mean", lambda random: random.normal(1.0, scatter), 1.0) < 1.0


@pytest.mark.parametrize("replicas", [2, 4, 8, 16])
@pytest.mark.parametrize("scatter", [0.1, 0.5])
def test_the_interval_of_an_rms_covers_as_it_claims(replicas, scatter):
    """Force RMSEs of replicas around 1 eV/Å."""
    draw = lambda random: random.normal(1.0, scatter, replicas)  # noqa: E731
    assert 0.92 <= covered("rms", draw, math.hypot(1.0, scatter)) <= 0.98


@pytest.mark.parametrize("replicas", [2, 4, 16])
def test_the_interval_of_an_rms_of_numbers_around_zero_covers(replicas):
    """The hardest case: squares of normal numbers, whose logarithm has no lower end. Over 4,000 sets, not to be lucky."""
    assert 0.915 <= covered("rms", lambda random: random.normal(0.0, 1.0, replicas), 1.0, 4000) <= 0.98


SIZES = {
    "normal": (lambda random, shape: random.normal(1.0, 0.3, shape), 1.0),
    "folded": (lambda random, shape: np.abs(random.normal(0.0, 1.0, shape)), math.sqrt(2 / math.pi)),
    "exponential": (lambda random, shape: random.exponential(1.0, shape), 1.0),
    "lognormal": (lambda random, shape: random.lognormal(0.0, 1.0, shape), math.exp(0.5)),
}


@pytest.mark.parametrize("kind", SIZES)
@pytest.mark.parametrize("replicas", [2, 4, 8])
def test_the_near_end_of_a_size_is_as_safe_as_it_claims(kind, replicas):
    """What FAIL rests on: at 98 % the true mean lies below the interval in at most 1 % of 4,000 sets."""
    draw, truth = SIZES[kind]
    sets = draw(np.random.default_rng(RNG_SEED), (4000, replicas))
    wrong = np.mean([pool(samples, "mean", 0.98, positive=True).low > truth for samples in sets])
    assert wrong <= 0.01 + 2.5 * math.sqrt(0.01 * 0.99 / 4000)


@pytest.mark.parametrize("chance", [0.02, 0.3, 0.7])
def test_the_exact_interval_of_a_proportion_covers_at_least_as_it_claims(chance):
    """Clopper and Pearson never cover less; a discrete count makes them cover more."""
    assert covered("proportion", lambda random: (random.random(36) < chance).astype(float), chance) >= 0.95


@pytest.mark.parametrize("chance", [0.01, 0.05, 0.2])
def test_the_upper_bound_on_the_chance_behind_a_count_holds(chance):
    """Exactly, over all counts that can come up."""
    probability = sum(binom.pmf(k, 36, chance) for k in range(37) if most_likely(k, 36, 0.95) >= chance)
    assert probability >= 0.95


def test_no_crash_in_36_runs_leaves_8_percent():
    assert most_likely(0, 36, 0.95) == pytest.approx(1 - 0.05 ** (1 / 36))
    assert round(100 * most_likely(0, 36, 0.95)) == 8
    assert most_likely(36, 36, 0.95) == 1.0
