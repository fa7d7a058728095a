"""A copy that fails leaves with its step, cause and frames; the others go on bitwise as without it."""

from __future__ import annotations

import numpy as np
import pytest
from engine_kit import (
    OFF,
    Raising,
    Sabotaged,
    equilibration,
    run_loop,
    settings,
    springs,
    triangle,
)  # fmt: skip

from mdprotocol.contracts import ForceField
from mdprotocol.engine.loop import Loop
from mdprotocol.errors import PluginError
from mdprotocol.protocol.schema import Guards
from mdprotocol_plugins.integrators.bussi import Bussi
from mdprotocol_plugins.integrators.langevin import Langevin
from mdprotocol_plugins.integrators.nose_hoover import NoseHoover
from mdprotocol_plugins.integrators.velocity_verlet import VelocityVerlet

INTEGRATORS = [VelocityVerlet(), Langevin(), Bussi(), NoseHoover()]
STRICT = Guards(max_temperature_factor=3.0, max_temperature_offset_K=0.0, bond_stretch=1.5, new_bond=0.85)
BONDS = Guards(max_temperature_factor=1e6, bond_stretch=1.5, new_bond=0.85)


def same(one: Loop, two: Loop, copies: tuple[int, ...]) -> None:
    for b in copies:
        (time_1, frames_1), (time_2, frames_2) = one.recorder.series(b), two.recorder.series(b)
        np.testing.assert_array_equal(time_1, time_2)
        for name, values in frames_1.items():
            np.testing.assert_array_equal(values, frames_2[name])


@pytest.mark.parametrize("integrator", INTEGRATORS, ids=lambda i: i.type)
@pytest.mark.parametrize("how", ["nan energy", "infinite force", "error", "push"])
def test_the_others_go_on_bitwise_unchanged(integrator, how: str) -> None:
    run = settings(integrator, 60, 0.5, guard_every=7, record_every=10, guards=STRICT)
    sound = run_loop(springs(), triangle(), run, 3)
    hurt = run_loop(Sabotaged(springs(), 1, 20, how), triangle(), run, 3)
    assert [ending.failure is None for ending in hurt.endings] == [True, False, True]
    same(sound, hurt, (0, 2))
    # Up to the failure, in the twentieth evaluation, the failed copy is unchanged too.
    time, frames = hurt.recorder.series(1)
    np.testing.assert_array_equal(frames["position"][:2], sound.recorder.series(1)[1]["position"][:2])
    assert 5.0 <= time[-1] <= hurt.endings[1].time_fs


@pytest.mark.parametrize(
    ("how", "guards", "kind"),
    [
        ("nan energy", OFF, "nan"),
        ("infinite force", OFF, "nan"),
        ("error", OFF, "model_error"),
        ("push", STRICT, "runaway_temperature"),
        ("push", BONDS, "broken_bond"),
    ],
)
def test_every_guard_names_its_cause(how: str, guards: Guards, kind: str) -> None:
    run = settings(VelocityVerlet(), 100, guards=guards)
    ending = run_loop(Sabotaged(springs(), 0, 10, how), triangle(), run, 2).endings[0]
    assert ending.failure is not None
    assert ending.failure.kind == kind
    assert ending.failure.detail
    assert ending.step >= 10
    assert ending.time_fs == ending.step * 0.5


def test_the_step_is_that_of_the_first_bad_number() -> None:
    """Evaluation 0 is the start and k belongs to step k: the twelfth call is the first that is spoilt."""
    run = settings(VelocityVerlet(), 40, guard_every=1)
    assert run_loop(Sabotaged(springs(), 0, 12, "nan energy"), triangle(), run, 2).endings[0].step == 12
    # An error of the model is known at once; NaN at the next look.
    run = settings(VelocityVerlet(), 40, guard_every=8, record_every=40)
    assert run_loop(Sabotaged(springs(), 0, 12, "error"), triangle(), run, 2).endings[0].step == 12
    assert run_loop(Sabotaged(springs(), 0, 12, "nan energy"), triangle(), run, 2).endings[0].step == 16


def test_a_frame_is_never_recorded_unwatched() -> None:
    run = settings(VelocityVerlet(), 40, guard_every=1000, record_every=5)
    loop = run_loop(Sabotaged(springs(), 0, 12, "nan energy"), triangle(), run, 2)
    assert loop.endings[0].step == 15
    time, frames = loop.recorder.series(0)
    np.testing.assert_array_equal(time, [0.0, 2.5, 5.0])
    assert all(np.isfinite(values).all() for values in frames.values())


def test_a_finite_failing_frame_is_kept_at_its_own_time() -> None:
    run = settings(VelocityVerlet(), 400, guard_every=2, record_every=50, guards=BONDS)
    loop = run_loop(Sabotaged(springs(), 0, 10, "push"), triangle(), run, 2)
    time, frames = loop.recorder.series(0)
    assert time[-1] == loop.endings[0].time_fs
    assert time[-1] % 25.0 != 0.0
    sides = [np.linalg.norm(frames["position"][-1, a] - frames["position"][-1, b]) for a, b in ((0, 1), (0, 2), (1, 2))]
    assert max(sides) > 1.5
    assert np.abs(frames["velocity"][-1]).max() > 0


def test_a_new_bond_is_a_failure() -> None:
    """Three atoms 2.5 Å apart are no molecule; pulled together they become one."""
    run = settings(VelocityVerlet(), 400, guards=BONDS)
    ending = run_loop(Sabotaged(springs(1.0, 2.5), 0, 5, "pull"), triangle(2.5), run, 2).endings[0]
    assert ending.failure is not None
    assert ending.failure.kind == "new_bond"


def test_all_copies_failed_ends_the_loop_early() -> None:
    calls = 0

    def curve(d):
        nonlocal calls
        calls += 1
        return d * (1.0 if calls < 20 else float("nan")), d * 0

    inner = springs()
    inner.curve = curve
    loop = run_loop(inner, triangle(), settings(VelocityVerlet(), 5000, guard_every=5, record_every=5), 2)
    assert [ending.failure.kind for ending in loop.endings if ending.failure] == ["nan", "nan"]
    assert calls < 30


@pytest.mark.parametrize("how", ["nan energy", "error"])
def test_failure_in_equilibration(how: str) -> None:
    """The step counts back from the start of production, and frame 0 is the state that the run started from."""
    run = settings(VelocityVerlet(), 20, 0.5, equilibration=equilibration(Langevin(), 50), guard_every=1)
    hurt = run_loop(Sabotaged(springs(), 0, 20, how), triangle(), run, 2)
    ending = hurt.endings[0]
    assert ending.failure is not None
    assert -50 <= ending.step < 0
    assert ending.time_fs == ending.step * 0.5
    time, frames = hurt.recorder.series(0)
    np.testing.assert_array_equal(time, [0.0])
    np.testing.assert_array_equal(frames["position"][0], triangle().positions)
    assert frames["temperature"][0] > 0
    same(run_loop(springs(), triangle(), run, 2), hurt, (1,))


def test_all_failed_in_equilibration_still_leaves_frame_0() -> None:
    run = settings(VelocityVerlet(), 20, 0.5, equilibration=equilibration(Langevin(), 50))
    loop = run_loop(Sabotaged(springs(), 0, 20, "nan energy"), triangle(), run, 1)
    assert len(loop.recorder.series(0)[0]) == 1


def test_a_model_without_an_answer_at_the_start_fails_at_step_0() -> None:
    loop = run_loop(Sabotaged(springs(), 0, 0, "error"), triangle(), settings(VelocityVerlet(), 20), 2)
    assert loop.endings[0].step == 0
    assert loop.endings[0].failure is not None
    assert loop.endings[1].failure is None
    assert len(loop.recorder.series(0)[0]) == 1


def test_a_model_that_raises_for_one_copy_spares_the_others() -> None:
    run = settings(VelocityVerlet(), 240, 0.5)
    hot = Loop(springs(), [triangle()] * 2, [300.0, 30000.0], [1, 2], run)
    hurt = Loop(Raising(springs(), 1.08), [triangle()] * 2, [300.0, 30000.0], [1, 2], run)
    hot.run()
    hurt.run()
    assert hurt.endings[0].failure is None
    assert hurt.endings[1].failure is not None
    assert hurt.endings[1].failure.kind == "model_error"
    assert "left the table" in hurt.endings[1].failure.detail
    same(hot, hurt, (0,))


def test_a_model_that_raises_for_no_single_copy_is_a_bug_and_ends_the_batch() -> None:
    class Broken(ForceField):
        def prepare(self, topology):
            inner = springs().prepare(topology)

            def evaluate(positions, cells):
                if topology.copies > 1:
                    raise RuntimeError("cannot do batches")
                return inner(positions, cells)

            return evaluate

    with pytest.raises(RuntimeError, match="cannot do batches"):
        run_loop(Broken(), triangle(), settings(VelocityVerlet(), 5), 2)


def test_wrong_shapes_are_the_plugin_s_fault() -> None:
    class Scalar(ForceField):
        def prepare(self, topology):
            inner = springs().prepare(topology)

            def evaluate(positions, cells):
                found = inner(positions, cells)
                found.energy = found.energy.sum()
                return found

            return evaluate

    with pytest.raises(PluginError, match="shape"):
        run_loop(Scalar(), triangle(), settings(VelocityVerlet(), 5), 2)


def test_failures_are_told_when_they_happen() -> None:
    told = []
    run = settings(VelocityVerlet(), 40)
    loop = Loop(
        Sabotaged(springs(), 1, 12, "nan energy"), [triangle()] * 2, [300.0] * 2, [1, 2], run,
        on_failure=lambda copy, ending: told.append((copy, ending)),
    )  # fmt: skip
    loop.run()
    assert told == [(1, loop.endings[1])]


@pytest.mark.parametrize("change", [lambda x: x.sub_(x.mean(dim=0)), lambda x: x.remainder_(5.0), lambda x: x.zero_()])
def test_a_model_that_changes_the_positions_is_refused(change) -> None:
    """Wrapped into a cell or centred by the model, the atoms would go on from there."""

    class Careless(ForceField):
        def prepare(self, topology):
            evaluate = springs().prepare(topology)

            def careless(positions, cells):
                found = evaluate(positions, cells)
                change(positions)
                return found

            return careless

    with pytest.raises(PluginError, match="changed the positions"):
        run_loop(Careless(), triangle(), settings(VelocityVerlet(), 10, 0.5), 2)
