"""Force fields that repel at short range pass; holes, softened walls and missing ones show."""

from __future__ import annotations

import numpy as np
import pytest
from force_field_kit import ETHANOL, METHANE, ROOT, WATER, Atomistic, Faulty, by_energy, gfn2, measured, pair_distances

from mdprotocol.testing import make_structure
from mdprotocol.testing.analytic import LennardJones, Morse
from mdprotocol.testing.subjects import make_subject
from mdprotocol_plugins.metrics.short_range_wall import ShortRangeWall, _collisions, _facing, _outward
from mdprotocol_plugins.models.ase.model import AseModel

METRIC = ShortRangeWall()
H2 = make_structure([1, 1], [[0, 0, 0], [0, 0, 0.74]])


def test_a_sound_force_field_passes() -> None:
    for structure in (WATER, METHANE, ETHANOL):
        values = measured(METRIC, Atomistic(), structure)
        assert values["least_push"] > 0
        assert values["lowest_energy_rise"] > 0.5
        assert values["holes"] == 0


def test_the_push_of_a_bond_is_the_slope_of_its_potential() -> None:
    """A Morse bond from 0.74 to 0.37 Å: the numbers in closed form."""
    morse = Morse()
    dataset = METRIC.probe(make_subject(morse, H2))
    bond = dataset.sel(scan="bond 0-1")
    lengths = 0.74 * np.linspace(1.0, 0.5, 11)
    decay = np.exp(-morse.width * (lengths - morse.length))
    assert np.allclose(bond.push, -2 * morse.depth * morse.width * decay * (1 - decay))
    assert np.allclose(bond.energy, morse.depth * (1 - decay) ** 2)
    squeezed = dataset.sel(scan="squeeze")
    assert np.allclose(squeezed.push, np.sqrt(2) * bond.push)  # both atoms move by 1/sqrt(2), along a unit vector


@pytest.mark.parametrize("centre", [0.65, 0.75])
def test_a_hole_in_the_wall_is_found(centre: float) -> None:
    """A Gaussian well of 30 eV between two atoms much nearer than a bond."""

    def hole(x, topology):
        d, copy, _ = pair_distances(x, topology)
        v = -30.0 * (-(((d - centre) / 0.08) ** 2)).exp()
        return v.new_zeros(topology.copies).index_add(0, copy, v)

    values = measured(METRIC, Faulty(Atomistic(), by_energy(hole)), WATER)
    assert values["holes"] >= 1
    assert values["least_push"] < 0


def test_a_wall_that_is_missing_is_found() -> None:
    """What a network without repulsion may do: energies that fall again under 0.8 Å."""

    def fall(x, topology):
        d, copy, _ = pair_distances(x, topology)
        v = -2000.0 * (1 - d / 0.9).clamp(min=0) ** 2
        return v.new_zeros(topology.copies).index_add(0, copy, v)

    values = measured(METRIC, Faulty(Atomistic(), by_energy(fall)), METHANE)
    assert values["holes"] > 1
    assert values["lowest_energy_rise"] == 0  # the end is the lowest point


def test_a_hole_that_no_thermal_motion_reaches_is_none() -> None:
    values = {limit: ShortRangeWall(reachable_eV=limit) for limit in (2.0, 200.0)}

    def hole(x, topology):
        d, copy, _ = pair_distances(x, topology)
        v = -200.0 * (-(((d - 0.4) / 0.01) ** 2)).exp()
        return v.new_zeros(topology.copies).index_add(0, copy, v)

    found = {limit: measured(metric, Faulty(Morse(), by_energy(hole)), H2) for limit, metric in values.items()}
    assert found[2.0]["holes"] == 0
    assert found[200.0]["holes"] > 0


def test_bodies_are_turned_away_where_two_copies_collide() -> None:
    """At the end the two heads are at half the sum of radii, and no other two atoms of the copies are nearer."""
    for structure in (WATER, METHANE, ETHANOL):
        n = len(structure)
        for path, s, _, name in _collisions(structure):
            i, j = (int(k) for k in name.removeprefix("unbonded ").split("-"))
            x = path.at(s[0]).positions
            d = np.linalg.norm(x[:n, None] - x[None, n:], axis=2)
            end = path.at(s[-1]).positions
            assert np.linalg.norm(end[i] - end[n + j]) == pytest.approx(np.linalg.norm(x[i] - x[n + j]) / 3)
            if structure.numbers[i] == structure.numbers[j] == 1:
                assert d[i, j] == pytest.approx(d.min())


def test_turning_brings_one_direction_into_the_other() -> None:
    random = np.random.default_rng(0)
    x = random.standard_normal((5, 3))
    for _ in range(5):
        old, new = (v / np.linalg.norm(v) for v in random.standard_normal((2, 3)))
        assert np.allclose(_facing(old[None], old, new), new)
        turned = _facing(x, old, new)
        assert np.allclose(turned @ turned.T, x @ x.T)
        assert np.allclose(_facing(old[None], old, -old), -old)
    assert np.allclose(np.linalg.norm(_outward(METHANE, 0)), 1)


def test_argon_in_a_cell_is_pressed_against_its_neighbours() -> None:
    from ase.build import bulk

    from mdprotocol.testing import from_atoms

    argon = from_atoms(bulk("Ar", cubic=True))
    lj = {"sigma": 3.4, "epsilon": 0.0103, "rc": 8.0}
    model = AseModel(calculator="ase.calculators.lj:LennardJones", arguments=lj).load(ROOT)
    values = measured(ShortRangeWall(bonds=2), model, argon)
    assert values["holes"] == 0
    assert values["least_push"] > 0
    upside_down = lj | {"epsilon": -0.0103}
    fallen = AseModel(calculator="ase.calculators.lj:LennardJones", arguments=upside_down).load(ROOT)
    assert measured(ShortRangeWall(bonds=2), fallen, argon)["holes"] > 0


def test_single_atoms_collide_too() -> None:
    values = measured(METRIC, LennardJones(), make_structure([18], [[0, 0, 0]]))
    assert values["holes"] == 0


def test_the_teacher_passes() -> None:
    values = measured(METRIC, gfn2(), WATER)
    assert values["holes"] == 0
    assert values["lowest_energy_rise"] > 1
