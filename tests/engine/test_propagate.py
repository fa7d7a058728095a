"""Short dynamics for probes: the same steps as the engine's own loop, and clear words where a model fails."""

from __future__ import annotations

import numpy as np
import pytest
from engine_kit import argon_cluster, lennard_jones, run_loop, settings, springs

from mdprotocol.contracts import Evaluation, ForceField, Subject
from mdprotocol.errors import NotMeasurable
from mdprotocol.testing.structures import make_structure
from mdprotocol.testing.subjects import make_subject
from mdprotocol.variables import RUN_VARIABLES
from mdprotocol_plugins.integrators.langevin import Langevin
from mdprotocol_plugins.integrators.velocity_verlet import VelocityVerlet


def test_it_takes_the_same_steps_as_a_run() -> None:
    cluster = argon_cluster()
    loop = run_loop(lennard_jones(), cluster, settings(VelocityVerlet(), 200, 4.0), temperature=20.0)
    _, frames = loop.recorder.series(0)
    subject = make_subject(lennard_jones(), cluster)
    moved = subject.propagate(VelocityVerlet(), 4.0, 200, velocities=frames["velocity"][0])
    np.testing.assert_allclose(moved["position"].values, frames["position"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(moved["total_energy"].values, frames["total_energy"], rtol=0, atol=1e-12)
    assert moved["time"].values[-1] == 800.0


def test_frames_are_sparse_where_asked_and_labelled_like_a_run() -> None:
    pair = make_structure([6, 8], [[0, 0, 0], [1.2, 0.1, 0]])
    moved = make_subject(springs(30.0, 1.1), pair).propagate(VelocityVerlet(), 0.5, 100, record_every=10)
    assert moved["position"].sizes == {"frame": 11, "atom": 2, "xyz": 3}
    assert set(moved.data_vars) <= set(RUN_VARIABLES)
    assert moved["total_energy"].attrs["units"] == "eV"
    assert moved["temperature"].values[0] == pytest.approx(300.0)


def test_seeds_decide_velocities_and_noise() -> None:
    propagate = make_subject(springs(), make_structure([6, 8, 1], np.eye(3))).propagate
    one, same, other = (propagate(Langevin(), 0.5, 20, seed=seed)["position"].values for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


class Mute(ForceField):
    """Answers with a reason, or with numbers that are none."""

    def __init__(self, errors: dict[int, str]) -> None:
        self.errors = errors

    def prepare(self, topology):  # type: ignore[no-untyped-def]
        return lambda x, cells: Evaluation(x.new_full((1,), float("nan")), x * float("nan"), self.errors)


@pytest.mark.parametrize(("errors", "said"), [({0: "the SCF diverged"}, "the SCF diverged"), ({}, "not finite")])
def test_a_model_without_an_answer_says_so(errors: dict[int, str], said: str) -> None:
    subject = make_subject(Mute(errors), make_structure([1, 1], [[0, 0, 0], [1, 0, 0]]))
    with pytest.raises(NotMeasurable, match=said):
        subject.propagate(VelocityVerlet(), 0.5, 5)


def test_a_subject_without_an_engine_says_so() -> None:
    subject = Subject(springs(), make_structure([1, 1], [[0, 0, 0], [1, 0, 0]]), seed=1)
    with pytest.raises(NotMeasurable, match="make_subject"):
        subject.propagate(VelocityVerlet(), 0.5, 5)
