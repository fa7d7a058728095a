"""On a GPU nothing may wait for it between two frames. Here that is shown without one: tensors that have no values.

On torch's device "meta" they know shape and type only: whatever reads a number from one raises, as it would have to wait for
a GPU, and so does what mixes one with the CPU's.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from engine_kit import Sabotaged, equilibration, run_loop, settings, springs, triangle

from mdprotocol.boxes import Box
from mdprotocol.contracts import ForceField, Integrator, MDState, RandomStreams, Structure
from mdprotocol.engine.forces import Forces
from mdprotocol.engine.loop import Loop, Stage, initial_state
from mdprotocol.protocol.schema import Guards
from mdprotocol.testing.structures import make_structure, molecule_structure
from mdprotocol_plugins.integrators import mdprotocol_integrators
from mdprotocol_plugins.integrators.langevin import Langevin
from mdprotocol_plugins.integrators.velocity_verlet import VelocityVerlet
from mdprotocol_plugins.models.painn import neighbours
from mdprotocol_plugins.models.painn.model import PainnModel

ORIGINAL = Path(__file__).parents[2] / "checkpoints" / "original.safetensors"
WATER = molecule_structure("H2O", rattle_A=0.05)
BOX = make_structure([8, 1, 1], WATER.positions, cell=(6.5, 6.5, 6.5), pbc=True)
LARGE = make_structure([8] * 216, 3.0 * np.argwhere(np.ones((6, 6, 6))), cell=(18.0, 18.0, 18.0), pbc=True)
"""Large enough for its far pairs to be left out."""
HUGE = make_structure([8] * 8000, 3.0 * np.argwhere(np.ones((20, 20, 20))), cell=(60.0, 60.0, 60.0), pbc=True)


class NoNumbers(RandomStreams):
    """Random numbers that are not there either."""

    def __init__(self, state: MDState) -> None:
        self._state = state

    def normal_atoms(self) -> torch.Tensor:
        return torch.empty_like(self._state.positions)

    def normal(self, count: int) -> torch.Tensor:
        return self._state.energy.new_empty(self._state.copies, count)

    def gamma(self, shape: torch.Tensor) -> torch.Tensor:
        return torch.empty_like(shape)


def network() -> ForceField:
    """The students' network, loaded where no number can be read."""
    model = PainnModel(checkpoint=ORIGINAL.name, kernel="torch").load(ORIGINAL.parent)
    model.device = "meta"
    return model


@contextlib.contextmanager
def read_once(cells: torch.Tensor) -> Iterator[None]:
    """The cells are read at the first evaluation, and are those of the structures; no more after that."""
    follow = Box.follow

    def first(box: Box, given: torch.Tensor) -> bool:
        assert given is cells
        box._seen, box._version = given, given._version
        return follow(box, given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Box, "follow", first)
        yield


def step(integrator: Integrator, structure: Structure, model: ForceField) -> None:
    """Some steps of a batch of which one copy has failed, where no number can be read."""
    state = initial_state([structure] * 3, [300.0] * 3, "meta")
    forces = Forces(model, [structure] * 3)
    state.timestep = 0.5
    forces.park(1)
    with read_once(state.cells):
        forces.start(state)
    streams = NoNumbers(state)
    integrator.start(state, streams)
    for _ in range(2):
        integrator.step(state, lambda: forces.update(state), streams)
        forces.hold(state)
    assert state.positions.device.type == state.energy.device.type == "meta"


@pytest.mark.parametrize("structure", [WATER, BOX, LARGE, HUGE], ids=["open", "periodic", "large", "huge"])
@pytest.mark.parametrize("integrator", [kind() for kind in mdprotocol_integrators()], ids=lambda i: i.type)
def test_a_step_reads_nothing(integrator: Integrator, structure: Structure) -> None:
    step(integrator, structure, network())


def test_what_reads_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists that are made when atoms have moved need to know whether they have."""
    monkeypatch.setattr(neighbours, "neighbours_for", lambda t, c, device: neighbours.SkinList(t, c, device=device))
    with pytest.raises(NotImplementedError, match="meta tensor"):
        step(VelocityVerlet(), BOX, network())


class Blind(Loop):
    """Looks at nothing, and says when it would have."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.looked: list[list[int]] = []

    def _look(self, stage: Stage) -> None:
        self.looked.append([step for step, _ in self._looks])
        self._looks = []

    def _report(self, stage: Stage, step: int) -> None:
        pass

    def _keep_if_due(self) -> None:
        pass


def blind(integrator: Integrator, steps: int, guard_every: int) -> Blind:
    """A loop without numbers, about to make its first step."""
    run = settings(integrator, steps=steps, record_every=steps + 10, guard_every=guard_every)
    loop = Blind(network(), [WATER] * 3, [300.0] * 3, [1, 2, 3], run)
    loop._forces.start(loop._state)
    loop._enter(loop._stages[0])
    loop._step, loop._streams = 0, NoNumbers(loop._state)  # type: ignore[assignment]
    integrator.start(loop._state, loop._streams)
    return loop


@pytest.mark.parametrize("integrator", [kind() for kind in mdprotocol_integrators()], ids=lambda i: i.type)
def test_nothing_is_read_between_two_frames(integrator: Integrator) -> None:
    loop = blind(integrator, steps=30, guard_every=4)
    loop._advance(loop._stages[0])
    assert loop.looked == [[4, 8, 12, 16, 20, 24, 28, 30]]


class Due:
    """A journal that always wants a checkpoint: its time has come, or somebody has asked to stop."""

    def due(self) -> bool:
        return True


def test_a_checkpoint_that_is_due_does_not_wait_for_a_frame() -> None:
    loop = blind(VelocityVerlet(), steps=14, guard_every=4)
    loop._journal = Due()  # type: ignore[assignment]
    loop._advance(loop._stages[0])
    assert loop.looked == [[4], [8], [12], [14]]


def test_a_model_that_remembers_is_kept_at_its_fixed_steps_only() -> None:
    loop = blind(VelocityVerlet(), steps=20, guard_every=4)
    loop._journal, loop._remembers, loop._boundary = Due(), True, 12  # type: ignore[assignment]
    loop._advance(loop._stages[0])
    assert loop.looked == [[4, 8, 12], [16, 20]]


def test_what_is_put_aside_has_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mdprotocol.engine.loop.LOOKS_BYTES", 3 * 3 * (3 * 3 * 3 + 2) * 8 + 1)
    loop = blind(VelocityVerlet(), steps=10, guard_every=1)
    loop._advance(loop._stages[0])
    assert loop.looked == [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10]]


@pytest.mark.parametrize("integrator", [VelocityVerlet(), Langevin()], ids=lambda i: i.type)
@pytest.mark.parametrize("how", ["nan energy", "push", "error"])
def test_what_guards_look_at_later_ends_a_copy_at_the_same_step(
    integrator: Integrator, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Put aside until the next frame or not: endings and all frames are bitwise the same, also of the one that fails."""
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: self)  # there is no device that would read it
    before = equilibration(integrator, steps=10)
    run = settings(
        integrator, 60, guard_every=3, record_every=20, guards=Guards(bond_stretch=1.5), equilibration=before
    )
    here, there = (Sabotaged(springs(), 1, 36, how) for _ in range(2))
    there.device = "cpu:0"
    one, two = (run_loop(force_field, triangle(), run, 3) for force_field in (here, there))
    assert one.endings == two.endings
    assert [ending.failure is None for ending in one.endings] == [True, False, True]
    assert how == "error" or (one.endings[1].step % 3 == 0 and one.endings[1].step % 20 > 0)
    for b in range(3):
        (times, frames), (times_later, later) = one.recorder.series(b), two.recorder.series(b)
        assert np.array_equal(times, times_later)
        assert all(np.array_equal(values, later[name]) for name, values in frames.items())


def test_a_copy_of_the_state_shares_only_what_never_changes() -> None:
    state = initial_state([WATER] * 2, [300.0] * 2)
    state.extra = {"momentum": torch.zeros(2, 3, dtype=torch.float64)}
    copy = state.copy()
    before = {name: getattr(copy, name).clone() for name in MDState.MOVING} | {
        "momentum": copy.extra["momentum"].clone()
    }
    for name in MDState.MOVING:
        getattr(state, name).add_(1.0)
    state.extra["momentum"].add_(1.0)
    after = {name: getattr(copy, name) for name in MDState.MOVING} | copy.extra
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert copy.masses is state.masses


def test_a_look_is_at_a_copy_on_the_host() -> None:
    state = initial_state([WATER], [300.0])
    assert state.on_host() is state
    elsewhere = initial_state([WATER], [300.0], "meta")
    tensors = [f.name for f in dataclasses.fields(MDState) if isinstance(getattr(elsewhere, f.name), torch.Tensor)]
    assert len(tensors) == 10
    assert {getattr(elsewhere, name).device.type for name in tensors} == {"meta"}


cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def moved(device: str, structure: Structure, steps: int = 200) -> np.ndarray:
    """(copies, frames, atoms, 3) positions, Å, in double precision."""
    model = PainnModel(checkpoint=ORIGINAL.name, dtype="float64", device=device, kernel="torch").load(ORIGINAL.parent)
    loop = Loop(
        model, [structure] * 4, [300.0] * 4, [1, 2, 3, 4], settings(VelocityVerlet(), steps=steps, record_every=50)
    )
    loop.run()
    return np.array([loop.recorder.series(b)[1]["position"] for b in range(4)])


@pytest.fixture
def repeatable() -> Iterator[None]:
    """As in a worker: sums on a GPU have an order of their own unless they are told not to."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(before)


@cuda
@pytest.mark.usefixtures("repeatable")
@pytest.mark.parametrize("structure", [WATER, BOX, LARGE], ids=["open", "periodic", "large"])
def test_a_gpu_takes_the_same_way(structure: Structure) -> None:
    there = moved("cuda", structure)
    assert np.allclose(there, moved("cpu", structure), atol=1e-6)
    assert np.array_equal(there, moved("cuda", structure))


class NeverWaits(Langevin):
    """Raises where something in a step would wait for the GPU."""

    def step(self, state: MDState, update_forces: Callable[[], None], streams: RandomStreams) -> None:
        torch.cuda.set_sync_debug_mode("error")
        try:
            super().step(state, update_forces, streams)
        finally:
            torch.cuda.set_sync_debug_mode("default")


@cuda
@pytest.mark.usefixtures("repeatable")
@pytest.mark.parametrize("structure", [WATER, BOX, LARGE], ids=["open", "periodic", "large"])
def test_a_gpu_is_not_waited_for_in_a_step(structure: Structure) -> None:
    model = PainnModel(checkpoint=ORIGINAL.name, device="cuda").load(ORIGINAL.parent)
    loop = run_loop(model, structure, settings(NeverWaits(), steps=100, record_every=20), 3)
    assert [ending.failure for ending in loop.endings] == [None] * 3
    assert model.notices == ()  # it was recorded as a graph
