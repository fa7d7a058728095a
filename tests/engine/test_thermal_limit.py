"""A sound run of a small molecule is not taken for a runaway, a runaway is."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import gammaln

from mdprotocol.engine.guards import THERMAL_TAIL, thermal_limit


@pytest.mark.parametrize("dof", [3, 9, 33])
def test_the_tail_beyond_it_is_one_in_a_billion(dof: int) -> None:
    energy = float(thermal_limit(np.array([1.0]), np.array([dof]))[0]) * dof / 2
    tail, _ = quad(lambda e: np.exp((dof - 1) * np.log(e) - e - gammaln(dof)), energy, np.inf)
    assert tail == pytest.approx(THERMAL_TAIL, rel=1e-4)


def test_water_may_be_hot_for_a_moment_and_alanine_may_not() -> None:
    water, alanine = thermal_limit(np.array([300.0, 300.0]), np.array([3.0, 33.0]))
    assert 2102 < water < 6400
    assert alanine < 2000
