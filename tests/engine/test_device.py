"""On a GPU nothing may wait for it between two looks. Here that is shown without one: tensors that have no values.

Torch's fake tensors know shape and type only: whatever reads a number from one raises, as it would have to wait for a GPU.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from engine_kit import settings
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode

from mdprotocol.components import (
    Evaluation,
    Evaluator,
    ForceField,
    Integrator,
    MDState,
    RandomStreams,
    Structure,
    Topology,
)
from mdprotocol.engine.forces import Forces
from mdprotocol.engine.loop import Loop, initial_state
from mdprotocol.testing.structures import make_structure, molecule_structure
from mdprotocol_plugins.integrators import mdprotocol_integrators
from mdprotocol_plugins.integrators.velocity_verlet import VelocityVerlet
from mdprotocol_plugins.painn.model import PainnModel, without_broken
from mdprotocol_plugins.painn.neighbours import AllImages
from mdprotocol_plugins.painn.network import Architecture, PaiNN

SIZES = Architecture(hidden=8, blocks=2, radial=4, filter_width=6, cutoff_A=3.0, elements=(1, 8))
WATER = molecule_structure("H2O", rattle_A=0.05)
BOX = make_structure([8, 1, 1], WATER.positions, cell=(6.5, 6.5, 6.5), pbc=True)
READS = (DataDependentOutputException, DynamicOutputShapeException)


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


class Network(ForceField):
    """What a step on a GPU evaluates: the network, with all pairs left in, and all images."""

    def __init__(self, compact: bool) -> None:
        self._compact = compact

    def prepare(self, topology: Topology) -> Evaluator:
        network, neighbours = PaiNN(SIZES).requires_grad_(False), AllImages(topology, SIZES.cutoff_A)
        network.compact = self._compact
        numbers, owner = torch.from_numpy(topology.numbers), torch.from_numpy(topology.owner)

        def evaluate(positions: torch.Tensor) -> Evaluation:
            pairs, shifts = neighbours(positions)
            found = network.energy_and_forces(numbers, positions, pairs, owner, topology.copies, shifts)
            return Evaluation(*without_broken(positions, owner, *found))

        return evaluate


def step(integrator: Integrator, structure: Structure, compact: bool = False) -> None:
    """Some steps of a batch of which one copy has failed, where no number can be read."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        state, forces = initial_state([structure] * 3, [300.0] * 3), Forces(Network(compact), [structure] * 3)
        state.timestep = 0.5
        forces.park(1)
        forces.start(state)
        streams = NoNumbers(state)
        integrator.start(state, streams)
        for _ in range(2):
            integrator.step(state, lambda: forces.update(state), streams)
            forces.hold(state)


@pytest.mark.parametrize("structure", [WATER, BOX], ids=["open", "periodic"])
@pytest.mark.parametrize("integrator", [kind() for kind in mdprotocol_integrators()], ids=lambda i: i.type)
def test_a_step_reads_nothing(integrator: Integrator, structure: Structure) -> None:
    step(integrator, structure)


def test_what_reads_is_found() -> None:
    """Taking far pairs out needs their number: on a CPU that is worth it."""
    with pytest.raises(READS):
        step(VelocityVerlet(), BOX, compact=True)


def test_a_look_is_at_a_copy_on_the_host() -> None:
    state = initial_state([WATER], [300.0])
    assert state.on_host() is state
    elsewhere = initial_state([WATER], [300.0], "meta")
    tensors = [f.name for f in dataclasses.fields(MDState) if isinstance(getattr(elsewhere, f.name), torch.Tensor)]
    assert len(tensors) == 9
    assert {getattr(elsewhere, name).device.type for name in tensors} == {"meta"}


cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
ORIGINAL = Path(__file__).parents[2] / "checkpoints" / "original.safetensors"


def moved(device: str, structure: Structure, steps: int = 200) -> np.ndarray:
    """(copies, frames, atoms, 3) positions, Å, in double precision."""
    model = PainnModel(checkpoint=ORIGINAL.name, dtype="float64", device=device, kernel="torch").load(ORIGINAL.parent)
    loop = Loop(
        model, [structure] * 4, [300.0] * 4, [1, 2, 3, 4], settings(VelocityVerlet(), steps=steps, record_every=50)
    )
    loop.run()
    return np.array([loop.recorder.series(b)[1]["position"] for b in range(4)])


@cuda
@pytest.mark.parametrize("structure", [WATER, BOX], ids=["open", "periodic"])
def test_a_gpu_takes_the_same_way(structure: Structure) -> None:
    there = moved("cuda", structure)
    assert np.allclose(there, moved("cpu", structure), atol=1e-6)
    assert np.array_equal(there, moved("cuda", structure))


@cuda
def test_a_gpu_is_not_waited_for_between_looks() -> None:
    model = PainnModel(checkpoint=ORIGINAL.name, device="cuda").load(ORIGINAL.parent)
    state, forces = initial_state([WATER] * 3, [300.0] * 3, "cuda"), Forces(model, [WATER] * 3)
    state.timestep = 0.5
    forces.start(state)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(20):
            VelocityVerlet().step(state, lambda: forces.update(state), NoNumbers(state))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert model.notices == ()  # it was recorded as a graph
