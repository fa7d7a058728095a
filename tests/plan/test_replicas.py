"""Replicas of a condition with the additions that concern it."""

from __future__ import annotations

import pytest

from mdprotocol.plan.replicas import replicas_of
from mdprotocol.protocol.schema import Addition

ADDITIONS = [
    Addition(replicas=3, models=["m"], systems=["water"], temperatures_K=[300], timesteps_fs=[0.5]),
    Addition(replicas=5, look=2),
    Addition(replicas=4, look=3),
]


@pytest.mark.parametrize(
    ("place", "stages"),
    [
        (("m", "water", 300.0, 0.5), [0, 0, 1, 2, 2]),
        (("reference", "water", 300.0, 0.5), [0, 0, 1, 2, 2]),  # it runs where a model does
        (("other", "water", 300.0, 0.5), [0, 0, 2, 2, 2]),
        (("m", "methane", 300.0, 0.5), [0, 0, 2, 2, 2]),
        (("m", "water", 500.0, 0.5), [0, 0, 2, 2, 2]),
        (("m", "water", 300.0, 1.0), [0, 0, 2, 2, 2]),
    ],
)
def test_each_replica_has_the_stage_that_brought_it(place: tuple[str, str, float, float], stages: list[int]) -> None:
    assert list(replicas_of(2, ADDITIONS, *place)) == list(enumerate(stages))


def test_without_additions_all_are_planned() -> None:
    assert list(replicas_of(2, [], "m", "water", 300.0, 0.5)) == [(0, 0), (1, 0)]
