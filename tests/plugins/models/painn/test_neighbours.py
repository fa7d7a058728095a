"""Lists of pairs: each pair once, the same as by brute force over images, renewed only when needed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule

from mdprotocol.api import Structure, Topology
from mdprotocol.testing import make_structure
from mdprotocol_plugins.models.painn.gpu.device_lists import AllImages, CellList
from mdprotocol_plugins.models.painn.neighbours import LARGEST_COMPLETE, SKIN_A, SkinList, neighbours_for
from mdprotocol_plugins.models.painn.network import Architecture, PaiNN

CUTOFF = 4.0


def gas(count: int, cell, pbc, seed: int = 0) -> Structure:
    """Atoms at random, also outside of the cell."""
    periodic = cell is not None and np.any(pbc)
    spread = 1.5 * np.abs(np.asarray(cell)).max() if periodic else 2.5
    x = np.random.default_rng(seed).uniform(-spread, spread, (count, 3))
    return make_structure([1] * count, x, cell=cell, pbc=pbc)


def brute_force(structure: Structure, reach: float) -> list[tuple[float, ...]]:
    """Sorted vectors (with their atoms) of every pair nearer than `reach`, over 13³ images, each direction once."""
    x, found = structure.positions, []
    images = np.array(list(itertools.product(*[range(-6, 7) if periodic else (0,) for periodic in structure.pbc])))
    later = np.array([tuple(image) > (0, 0, 0) for image in images])
    for i, j in itertools.product(range(len(x)), repeat=2):
        vectors = x[j] - x[i] + images @ structure.cell
        near = (np.linalg.norm(vectors, axis=1) < reach) & (later if i == j else i < j)
        found += [(i, j, *vector) for vector in np.round(vectors[near], 9) + 0.0]
    return sorted(found)


def listed(pairs, shifts, x: np.ndarray, reach: float) -> list[tuple[float, ...]]:
    """Sorted atoms and vectors of the pairs that are nearer than `reach`, from the earlier atom to the later."""
    i, j = pairs.numpy()
    vectors = x[j] - x[i] + (0 if shifts is None else shifts.numpy())
    i, j, vectors = np.minimum(i, j), np.maximum(i, j), np.where((i > j)[:, None], -vectors, vectors)
    near = np.linalg.norm(vectors, axis=1) < reach
    rows = zip(i[near], j[near], np.round(vectors[near], 9) + 0.0, strict=True)
    return sorted((int(a), int(b), *vector) for a, b, vector in rows)


@pytest.mark.parametrize("way", [SkinList, AllImages, CellList])
@pytest.mark.parametrize(
    ("cell", "pbc"),
    [
        ((9.0, 9.5, 10.0), True),
        ((3.0, 3.5, 5.0), True),
        ((3.0, 3.5, 5.0), (True, False, True)),
        ([[4.0, 0, 0], [2.0, 4.0, 0], [-1.0, 1.5, 4.0]], True),
        ((9.0, 9.0, 9.0), False),
        (None, None),
    ],
)
def test_equal_to_brute_force(cell, pbc, way) -> None:
    structure = gas(6, cell, pbc)
    pairs, shifts = way(Topology.of([structure]), CUTOFF)(torch.from_numpy(structure.positions))
    expected = brute_force(structure, CUTOFF)
    assert len(expected) > 3
    assert listed(pairs, shifts, structure.positions, CUTOFF) == expected


def test_all_images_need_no_more_than_one_in_a_wide_box() -> None:
    """Two cutoffs wide: an atom meets another once, wherever both have drifted to; nothing is made again."""
    structure = gas(7, (8.0, 8.0, 8.0), True)
    neighbours = AllImages(Topology.of([structure] * 2), CUTOFF)
    x = np.concatenate([structure.positions, structure.positions + 3.0])
    pairs, _ = neighbours(torch.from_numpy(x))
    assert pairs.shape[1] == 2 * 7 * 6 // 2
    drifted = make_structure(
        [1] * 7, structure.positions + 8.0 * (np.arange(7)[:, None] % 4), cell=(8.0,) * 3, pbc=True
    )
    both = np.concatenate([drifted.positions, x[7:]])
    again, shifts = neighbours(torch.from_numpy(both))
    mine = again[0] < 7
    assert listed(again[:, mine], shifts[mine], drifted.positions, CUTOFF) == brute_force(drifted, CUTOFF)


def test_a_device_has_lists_of_its_own_and_no_skin() -> None:
    few, many = gas(12, (8.0, 8.0, 8.0), True), gas(700, (30.0, 30.0, 30.0), True)
    large = gas(LARGEST_COMPLETE + 1, None, None)
    for structure, way in ((few, AllImages), (many, CellList), (large, CellList)):
        topology = Topology.of([structure] * 4)
        assert isinstance(neighbours_for(topology, CUTOFF, "meta"), way)
        assert isinstance(neighbours_for(topology, CUTOFF), SkinList)
        assert isinstance(neighbours_for(topology, CUTOFF, "cpu:0", skin=True), SkinList)


def filled(pairs: torch.Tensor, shifts: torch.Tensor) -> torch.Tensor:
    """Pairs of a cell list that are none: an atom and itself, two cutoffs apart."""
    return (pairs[0] == pairs[1]) & (shifts == torch.tensor([2 * CUTOFF, 0.0, 0.0])).all(dim=1)


@pytest.mark.parametrize("box", [16.0, None], ids=["periodic", "open"])
def test_a_device_keeps_the_pairs_within_the_cutoff(box: float | None) -> None:
    """As many as there is room for, whatever the positions; those within the cutoff are all there, and each once."""
    small = gas(6, (9.0,) * 3, True)
    x = np.random.default_rng(1).uniform(0.0, 16.0, (200, 3))
    large = make_structure([1] * 200, x, cell=box and (box,) * 3, pbc=bool(box))
    topology = Topology.of([small, large, small])
    find = CellList(topology, CUTOFF)
    moved = x + 16.0 * np.random.default_rng(2).integers(-2, 3, (200, 3))
    for now in (x, x - 1.5, moved) if box else (x, 0.9 * x):
        where = np.concatenate([small.positions, now, small.positions])
        pairs, shifts = find(torch.from_numpy(where))
        assert shifts is not None
        assert pairs.shape[1] == 15 + 6_432 + 15  # of 19,900
        exact, images = SkinList(topology, CUTOFF)(torch.from_numpy(where))
        assert images is not None or box is None
        found, expected = (listed(p, s, where, CUTOFF) for p, s in ((pairs, shifts), (exact, images)))
        assert len(expected) > 1000
        assert found == expected
        assert int((~filled(pairs, shifts)).sum()) == len(expected)


def test_a_copy_with_more_pairs_than_there_is_room_for_has_no_energy_and_the_others_have_theirs() -> None:
    x = 2.5 * np.argwhere(np.ones((6, 6, 6)))
    structure = make_structure([1] * len(x), x)
    topology = Topology.of([structure] * 3)
    find = CellList(topology, CUTOFF)
    network = PaiNN(Architecture(hidden=4, blocks=1, radial=4, filter_width=4, cutoff_A=CUTOFF, elements=(1,)))
    torch.nn.init.normal_(network.readout[-1].weight)
    numbers, owner = torch.from_numpy(topology.numbers), torch.from_numpy(topology.owner)

    def energies(positions: np.ndarray) -> torch.Tensor:
        where = torch.from_numpy(positions)
        pairs, shifts = find(where)
        return network.energy(numbers, where, pairs, owner, 3, shifts).detach()

    sound = energies(np.concatenate([x, x, x]))
    assert torch.isfinite(sound).all()
    for share in (0.4, 0.1, 0.0):  # too many within the cutoff; too many to look at; all in one point
        collapsed = energies(np.concatenate([x, share * x, x]))
        assert collapsed[1].isnan()
        assert torch.equal(collapsed[[0, 2]], sound[[0, 2]])
    for bad in (np.nan, np.inf, 1e300):
        broken = x.copy()
        broken[5] = bad
        assert torch.equal(energies(np.concatenate([x, broken, x]))[[0, 2]], sound[[0, 2]])


def test_a_crystal_denser_than_most_has_room_for_its_pairs() -> None:
    """0.5 atoms in a cubic ångström, compressed; with planes that fall between bins, and on them."""
    for side in (0.5 ** (-1 / 3), 2.0 * CUTOFF / 6, 0.99 * 2.0 * CUTOFF / 6):
        crystal = make_structure([1] * 512, side * np.argwhere(np.ones((8, 8, 8))), cell=(8 * side,) * 3, pbc=True)
        find = CellList(Topology.of([crystal]), CUTOFF)
        pairs, shifts = find(torch.from_numpy(crystal.positions))
        assert shifts is not None
        assert not shifts.isnan().any()
        assert pairs.shape[1] < 512 * 511 / 2


@pytest.mark.parametrize("name", ["diamond", "iron", "gold", "diamond, skewed", "rock salt", "water"])
def test_there_is_room_for_what_is_usual_and_for_its_vibrations(name: str) -> None:
    """Real densities, atoms shaken by a tenth of an ångström, and every place of the bins' planes against the crystal's."""
    atoms = {
        "diamond": lambda: bulk("C", cubic=True).repeat(4),
        "iron": lambda: bulk("Fe", cubic=True).repeat(6),
        "gold": lambda: bulk("Au", cubic=True).repeat(5),
        "diamond, skewed": lambda: bulk("C").repeat((10, 9, 8)),
        "rock salt": lambda: bulk("NaCl", "rocksalt", a=5.64, cubic=True).repeat(4),
        "water": lambda: water_box(12),
    }[name]()
    rng = np.random.default_rng(3)
    for cutoff in (2.6, 3.0, CUTOFF, 6.0):
        find = CellList(
            Topology.of([make_structure(atoms.numbers, atoms.positions, cell=atoms.cell[:], pbc=True)]), cutoff
        )
        for _ in range(3):
            x = atoms.positions + rng.uniform(0, 5, 3) + rng.normal(scale=0.1, size=atoms.positions.shape)
            _, shifts = find(torch.from_numpy(x))
            assert shifts is not None
            assert not shifts.isnan().any()


def water_box(side: int) -> Atoms:
    """Molecules on a grid at the density of ice."""
    one = molecule("H2O")
    one.set_cell([3.1] * 3)
    return one.repeat(side // 2)


def test_bins_of_an_open_system_begin_again_and_no_pair_is_met_twice() -> None:
    """Atoms a thousand bins apart have the same bin by number."""
    x = np.random.default_rng(8).uniform(0.0, 12.0, (80, 3))
    period = 1024 * CUTOFF / 2
    far = np.concatenate(
        [x + np.array(at) for at in ([0, 0, 0], [period, 0, 0], [0, -3 * period, -period], [0, 0, period - 1.0])]
    )
    structure = make_structure([1] * len(far), far)
    topology = Topology.of([structure])
    pairs, shifts = CellList(topology, CUTOFF)(torch.from_numpy(far))
    exact, images = SkinList(topology, CUTOFF)(torch.from_numpy(far))
    expected = listed(exact, images, far, CUTOFF)
    assert len(expected) > 1000
    assert listed(pairs, shifts, far, CUTOFF) == expected


def test_a_device_looks_at_a_number_of_pairs_in_proportion_to_the_atoms() -> None:
    looked_at = []
    for repeat in (4, 8):
        x = 2.5 * np.argwhere(np.ones((repeat,) * 3))
        crystal = make_structure([1] * len(x), x, cell=[2.5 * repeat] * 3, pbc=True)
        find = CellList(Topology.of([crystal]), CUTOFF)
        looked_at.append(int(find._candidates.sizes.sum()) / len(x))
    assert looked_at[0] == pytest.approx(looked_at[1], rel=0.02)
    assert looked_at[1] < 150  # of 256 pairs an atom has in the larger


def test_a_list_with_skin_holds_until_an_atom_has_moved_half_of_it() -> None:
    structure = gas(8, (7.0, 7.0, 7.0), True)
    neighbours = SkinList(Topology.of([structure]), CUTOFF)
    x = structure.positions.copy()
    first, _ = neighbours(torch.from_numpy(x))
    step = np.zeros_like(x)
    step[3, 0] = 0.49 * SKIN_A
    again, shifts = neighbours(torch.from_numpy(x + step))
    assert again is first
    moved = Structure(**{**structure.__dict__, "positions": x + step})
    assert listed(again, shifts, moved.positions, CUTOFF) == brute_force(moved, CUTOFF)
    step[3, 0] = 0.51 * SKIN_A
    assert neighbours(torch.from_numpy(x + step))[0] is not first


def test_copies_have_lists_of_their_own() -> None:
    one, two = gas(5, (6.0, 6.0, 6.0), True, 1), gas(7, (5.0, 5.0, 5.0), True, 2)
    x = np.concatenate([one.positions, two.positions])
    neighbours = SkinList(Topology.of([one, two]), CUTOFF)
    pairs, _ = neighbours(torch.from_numpy(x))
    assert ((pairs[0] < 5) == (pairs[1] < 5)).all()
    before = pairs[:, pairs[0] < 5].clone()
    x[7] += 1.0
    after, _ = neighbours(torch.from_numpy(x))
    assert torch.equal(after[:, after[0] < 5], before)


def test_a_broken_copy_is_left_out_and_comes_back() -> None:
    structure = gas(5, (6.0, 6.0, 6.0), True)
    neighbours = SkinList(Topology.of([structure]), CUTOFF)
    x = torch.from_numpy(structure.positions.copy())
    sound = neighbours(x)[0].clone()
    broken = x.clone()
    broken[0, 0] = torch.inf
    assert neighbours(broken)[0].shape == (2, 0)
    assert torch.equal(neighbours(x)[0], sound)


def test_small_open_molecules_keep_all_their_pairs() -> None:
    small = gas(5, None, None)
    neighbours = neighbours_for(Topology.of([small, small]), CUTOFF)
    pairs, shifts = neighbours(torch.from_numpy(np.tile(small.positions, (2, 1))))
    assert pairs.shape == (2, 20)
    assert shifts is None
    large = gas(LARGEST_COMPLETE + 1, None, None)
    assert isinstance(neighbours_for(Topology.of([large]), CUTOFF), SkinList)


def random_crystal(seed: int) -> Structure:
    """A few atoms, also outside, in a random cell: skewed, narrower than the cutoff, periodic in any directions."""
    rng = np.random.default_rng(seed)
    cell = np.diag(rng.uniform(2.0, 9.0, 3)) + np.tril(rng.normal(scale=1.5, size=(3, 3)), -1)
    pbc = rng.integers(0, 2, 3).astype(bool)
    pbc[rng.integers(3)] = True
    x = rng.uniform(-1.5, 2.5, (int(rng.integers(1, 6)), 3)) @ cell
    return make_structure([1] * len(x), x, cell=cell, pbc=pbc)


@pytest.mark.parametrize("way", [SkinList, CellList])
@pytest.mark.parametrize("seed", range(12))
def test_no_neighbour_is_missed_in_any_cell(seed, way) -> None:
    structure = random_crystal(seed)
    pairs, shifts = way(Topology.of([structure]), CUTOFF)(torch.from_numpy(structure.positions))
    assert listed(pairs, shifts, structure.positions, CUTOFF) == brute_force(structure, CUTOFF)


def test_no_neighbour_is_missed_while_atoms_move() -> None:
    """Atoms on their way for 40 steps: the list is made anew when it must be, and complete at every step."""
    structure, rng = gas(6, (5.0, 6.0, 7.0), True, 4), np.random.default_rng(5)
    neighbours, x = SkinList(Topology.of([structure]), CUTOFF), structure.positions.copy()
    made, walk = set(), rng.normal(scale=0.04, size=x.shape)
    for _ in range(40):
        x = x + walk
        pairs, shifts = neighbours(torch.from_numpy(x))
        made.add(id(pairs))
        moved = Structure(**{**structure.__dict__, "positions": x})
        assert listed(pairs, shifts, moved.positions, CUTOFF) == brute_force(moved, CUTOFF)
    assert 1 < len(made) < 40


def test_work_grows_in_proportion_to_the_atoms() -> None:
    """At equal density an atom has as many pairs in a box of 2,000 as in one of 250."""
    each = []
    for repeat in (1, 2):
        one = gas(250, (13.0, 13.0, 13.0), True, 6)
        shifts = np.array(list(itertools.product(range(repeat), repeat=3))) * 13.0
        x = (shifts[:, None] + one.positions[None]).reshape(-1, 3)
        many = make_structure([1] * len(x), x, cell=[13.0 * repeat] * 3, pbc=True)
        pairs, _ = SkinList(Topology.of([many]), CUTOFF)(torch.from_numpy(many.positions))
        each.append(pairs.shape[1] / len(x))
    assert each[0] == each[1]
    assert 10 < each[0] < 100


def test_coordinates_far_apart_need_no_memory_in_proportion() -> None:
    """An exploding molecule of more atoms than are kept complete: bins over all the room between would fill memory."""
    large = gas(LARGEST_COMPLETE + 1, None, None)
    x = large.positions.copy()
    x[0] += 1e8
    pairs, _ = SkinList(Topology.of([large]), CUTOFF)(torch.from_numpy(x))
    assert 0 not in pairs
    assert pairs.shape[1] > 100
