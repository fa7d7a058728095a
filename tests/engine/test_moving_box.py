"""What the engine cannot follow yet it refuses: an integrator that moves the box."""

from __future__ import annotations

import pytest
import torch
from engine_kit import run_loop, settings, springs, triangle

from mdprotocol.contracts import ForceField, Structure, Topology
from mdprotocol.engine.loop import initial_state
from mdprotocol.errors import PluginError
from mdprotocol_plugins.integrators.velocity_verlet import VelocityVerlet


class Squeezing(VelocityVerlet):
    """Each step makes the cell a little smaller: in place, or as a new tensor."""

    in_place: bool = True

    def step(self, state, update_forces, streams) -> None:  # type: ignore[no-untyped-def]
        if self.in_place:
            state.cells.mul_(0.999)
        else:
            state.cells = 0.999 * state.cells
        super().step(state, update_forces, streams)


@pytest.mark.parametrize("in_place", [True, False])
def test_an_integrator_that_moves_the_box_is_refused(in_place: bool) -> None:
    with pytest.raises(PluginError, match="changed the cells"):
        run_loop(springs(), triangle(), settings(Squeezing(in_place=in_place), 20), 2)


def test_a_model_that_writes_into_the_cells_is_refused() -> None:
    class Careless(ForceField):
        def prepare(self, topology: Topology):  # type: ignore[no-untyped-def]
            evaluate = springs().prepare(topology)

            def careless(positions: torch.Tensor, cells: torch.Tensor):  # type: ignore[no-untyped-def]
                cells.zero_()
                return evaluate(positions, cells)

            return careless

    with pytest.raises(PluginError, match="changed the positions or cells"):
        run_loop(Careless(), triangle(), settings(VelocityVerlet(), 10), 2)


def test_the_state_starts_with_the_cells_of_its_structures() -> None:
    boxed: Structure = triangle()
    state = initial_state([boxed, boxed], [300.0, 300.0])
    assert tuple(state.cells.shape) == (2, 3, 3)
    assert state.cells.dtype == torch.float64
    assert state.copy().cells is state.cells  # nothing is copied that does not move
