"""Guards on states made by hand: every cause, its limit, its sentence; periodic images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase.build import bulk, molecule

from mdprotocol.contracts import MDState, Structure
from mdprotocol.engine.contacts import SKIN_A, Strangers, bonds
from mdprotocol.engine.guards import Failure, Watch
from mdprotocol.engine.loop import initial_state
from mdprotocol.protocol.schema import Guards
from mdprotocol.testing.structures import from_atoms, make_structure, molecule_structure, rattled


def state_of(*structures: Structure) -> MDState:
    state = initial_state(structures, [300.0] * len(structures))
    state.dof = torch.tensor([3.0 * len(s) for s in structures], dtype=torch.float64)
    return state


def look(watch: Watch, state: MDState, alive: list[bool] | None = None) -> dict[int, Failure]:
    return watch.failures(state, np.array(alive or [True] * state.copies))


WATER = molecule_structure("H2O")


@pytest.mark.parametrize("name", ["H2O", "CH4", "CH3CH2OH", "C6H6", "CO2"])
def test_a_molecule_at_rest_and_a_little_rattled_is_sound(name: str) -> None:
    structure = molecule_structure(name)
    watch = Watch(Guards(), [structure])
    assert look(watch, state_of(structure)) == {}
    assert look(watch, state_of(rattled(structure, 0.08, seed=1))) == {}


def test_bonds_are_those_of_chemistry() -> None:
    ethanol = from_atoms(molecule("CH3CH2OH"))
    assert len(bonds([ethanol], np.array([0, 9]), 1.8).i) == 8
    assert len(bonds([WATER, ethanol], np.array([0, 3, 12]), 1.8).i) == 10


@pytest.mark.parametrize("part", ["energy", "forces", "positions", "velocities"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_not_finite(part: str, value: float) -> None:
    state = state_of(WATER, WATER, WATER)
    getattr(state, part)[1 if part == "energy" else 4] = value
    found = look(Watch(Guards(), [WATER] * 3), state)
    assert list(found) == [1]
    assert found[1].kind == "nan"
    assert {"energy": "the energy", "forces": "a force", "positions": "a position", "velocities": "a velocity"}[
        part
    ] in found[1].detail


def test_runaway_temperature_counts_from_its_limit() -> None:
    state = state_of(WATER, WATER)
    guards = Guards(max_temperature_factor=20.0, max_temperature_offset_K=0.0)
    for copy, temperature in enumerate([5990.0, 6010.0]):
        state.velocities[3 * copy, 0] = (temperature * 9 * 8.617330e-5 / float(state.masses[3 * copy])) ** 0.5
    found = look(Watch(guards, [WATER] * 2), state)
    assert list(found) == [1]
    assert found[1].kind == "runaway_temperature"
    assert "6010 K, beyond 6000 K (target 300 K)" in found[1].detail


def test_broken_bond_counts_from_its_limit() -> None:
    state = state_of(WATER, WATER)
    watch = Watch(Guards(bond_stretch=1.8), [WATER] * 2)
    for copy, stretch in enumerate([1.79, 1.81]):
        o, h = state.positions[3 * copy], state.positions[3 * copy + 1]
        state.positions[3 * copy + 1] = o + stretch * (h - o)
    found = look(watch, state)
    assert list(found) == [1]
    assert found[1].kind == "broken_bond"
    assert "O0-H1" in found[1].detail


def test_new_bond_counts_from_its_limit() -> None:
    state = state_of(WATER, WATER)
    watch = Watch(Guards(bond_stretch=None, new_bond=0.85), [WATER] * 2)
    for copy, distance in enumerate([0.54, 0.51]):  # twice 0.31 Å, times 0.85, is 0.527 Å
        a, b = 3 * copy + 1, 3 * copy + 2
        direction = state.positions[b] - state.positions[a]
        state.positions[b] = state.positions[a] + distance * direction / direction.norm()
    found = look(watch, state)
    assert list(found) == [1]
    assert found[1].kind == "new_bond"
    assert "H1-H2" in found[1].detail


def test_guards_can_be_switched_off() -> None:
    state = state_of(WATER)
    state.positions *= 3.0
    assert look(Watch(Guards(bond_stretch=None), [WATER]), state) == {}
    state.positions *= 0.01
    assert look(Watch(Guards(new_bond=None), [WATER]), state) == {}


def test_a_copy_that_has_left_is_not_looked_at() -> None:
    state = state_of(WATER, WATER)
    state.positions[0] = float("nan")
    state.positions[3] += 5.0
    assert list(look(Watch(Guards(), [WATER] * 2), state, [False, True])) == [1]


def test_the_first_cause_is_kept() -> None:
    state = state_of(WATER)
    state.positions[0] += 5.0
    state.velocities += 10.0
    assert look(Watch(Guards(), [WATER]), state)[0].kind == "runaway_temperature"
    state.energy[0] = float("nan")
    assert look(Watch(Guards(), [WATER]), state)[0].kind == "nan"


def test_bonds_across_the_cell_wall() -> None:
    """A water molecule cut by the wall of its cell is whole, and breaks like any other."""
    x = WATER.positions - WATER.positions[0]
    wrapped = make_structure(WATER.numbers, np.mod(x, 6.0), cell=[6.0, 6.0, 6.0])
    assert np.ptp(wrapped.positions) > 3.0
    assert len(bonds([wrapped], np.array([0, 3]), 1.8).i) == 2
    watch, state = Watch(Guards(), [wrapped]), state_of(wrapped)
    assert look(watch, state) == {}
    state.positions[1] += 1.0 * torch.sign(torch.from_numpy(x[1]))
    assert look(watch, state)[0].kind == "broken_bond"


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_new_bond_with_an_image_after_a_long_way(axis: int) -> None:
    """Two atoms approach each other through the wall; the list of pairs is found anew on the way."""
    pair = make_structure([6, 6], [[1.0] * 3, [6.0] * 3], cell=[[10, 0, 0], [1, 10, 0], [0, 2, 10]])
    watch, state = Watch(Guards(), [pair]), state_of(pair)
    home = pair.positions[0] + pair.cell[axis]
    for share in np.linspace(0.0, 1.0, 60):
        target = pair.positions[1] + share * (home - pair.positions[1])
        state.positions[1] = torch.from_numpy(target)
        found = look(watch, state)
        distance = np.linalg.norm(home - target)
        assert bool(found) == (distance < 0.85 * 2 * 0.76), distance
    assert found[0].kind == "new_bond"


def test_large_open_structures_use_a_list_that_follows() -> None:
    spacing = np.arange(70) * 3.0
    chain = make_structure([6] * 70, np.column_stack([spacing, 0 * spacing, 0 * spacing]))
    strangers = Strangers([chain], np.array([0, 70]), 0.85)
    near = strangers.pairs(chain.positions, np.array([True]))
    assert len(near.i) == 69
    moved = chain.positions.copy()
    moved[0] = moved[50] + [0.0, 1.0, 0.0]
    again = strangers.pairs(moved, np.array([True]))
    hit = again.distances(moved) < again.limit
    assert [(int(i), int(j)) for i, j in zip(again.i[hit], again.j[hit], strict=True)] == [(0, 50)]
    assert SKIN_A > 0


def test_bulk_metal_is_bonded_to_its_images() -> None:
    copper = from_atoms(bulk("Cu", cubic=True) * (2, 2, 2))
    assert len(bonds([copper], np.array([0, 32]), 1.8).i) == 32 * 12 / 2
    assert look(Watch(Guards(), [copper]), state_of(rattled(copper, 0.1))) == {}


def test_slab_and_its_vacuum() -> None:
    slab = make_structure([29, 29], [[0, 0, 5.0], [1.8, 1.8, 5.0]], cell=[3.6, 3.6, 0.0], pbc=[True, True, False])
    assert look(Watch(Guards(), [slab]), state_of(slab)) == {}
