"""The survival curve against a worked example and the plain binomial."""

from __future__ import annotations

import numpy as np
import pytest

from mdprotocol.assess.survival import kaplan_meier

# Remission of leukaemia under 6-mercaptopurine, weeks (Freireich et al. 1963), the textbook example: + is censored.
WEEKS = [6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
CAUSES = ["relapse"] * 9 + [""] * 12


def test_the_textbook_example() -> None:
    """Kalbfleisch and Prentice, table 1.2 and the curve of the treated: S and Greenwood's error."""
    curve = kaplan_meier(WEEKS, CAUSES)
    assert curve.time.tolist() == [6, 7, 10, 13, 16, 22, 23]
    assert curve.at_risk.tolist() == [21, 17, 15, 12, 11, 7, 6]
    np.testing.assert_allclose(curve.survival, [0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448], atol=5e-4)
    np.testing.assert_allclose(
        curve.standard_error, [0.0764, 0.0869, 0.0963, 0.1068, 0.1141, 0.1282, 0.1346], atol=5e-5
    )
    assert curve.first_cause == "relapse"
    assert ((curve.low < curve.survival) & (curve.survival < curve.high) & (curve.high < 1)).all()


def test_without_censoring_it_is_the_binomial() -> None:
    curve = kaplan_meier([1, 2, 2, 5], ["nan", "broken_bond", "nan", ""])
    np.testing.assert_allclose(curve.survival, [0.75, 0.25])
    np.testing.assert_allclose(curve.standard_error, np.sqrt([0.75 * 0.25 / 4, 0.25 * 0.75 / 4]))
    assert curve.first_cause == "nan"


def test_no_failure_is_a_flat_curve_and_all_failing_ends_at_zero() -> None:
    assert len(kaplan_meier([10, 10], ["", ""]).time) == 0
    dead = kaplan_meier([1.0, 1.0], ["nan", "nan"])
    assert (dead.survival[0], dead.low[0], dead.high[0]) == (0, 0, 1)


@pytest.mark.parametrize("times", [[], [np.nan], [-1.0], [1.0, 2.0]])
def test_bad_times_are_refused(times: list[float]) -> None:
    with pytest.raises(ValueError, match="survival curve"):
        kaplan_meier(times, [""] if times else [])


def test_many_random_curves_are_the_formulas_of_kaplan_meier_and_greenwood() -> None:
    rng = np.random.default_rng(7)
    for count in (1, 2, 5, 40):
        times, dead = rng.integers(0, 9, count).astype(float), rng.random(count) < 0.6
        curve = kaplan_meier(times.tolist(), ["nan" if one else "" for one in dead])
        share, relative = 1.0, 0.0
        for step, survival, error, low, high in zip(
            curve.time, curve.survival, curve.standard_error, curve.low, curve.high, strict=True
        ):
            n, d = int((times >= step).sum()), int((dead & (times == step)).sum())
            share *= 1 - d / n
            assert survival == pytest.approx(share, abs=1e-12)
            if n == d:
                assert (error, low, high) == (0, 0, 1)
                continue
            relative += d / (n * (n - d))
            spread = 1.959963984540054 * np.sqrt(relative) / abs(np.log(share))
            assert error == pytest.approx(share * np.sqrt(relative))
            assert (low, high) == pytest.approx((share ** np.exp(spread), share ** np.exp(-spread)))
