"""Bonds, angles and dihedrals: against ASE, analytic shifts, the circle, and the yardstick of the replicas."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import xarray as xr
from ase import Atoms
from scipy.stats import wasserstein_distance

from mdprotocol.api import NotMeasurable
from mdprotocol.testing import check_metric, make_run, make_structure, molecule_structure
from mdprotocol_plugins.metrics import _topology as topology
from mdprotocol_plugins.metrics._wasserstein import circular, on_circle
from mdprotocol_plugins.metrics.angles import Angles
from mdprotocol_plugins.metrics.bond_lengths import BondLengths
from mdprotocol_plugins.metrics.dihedrals import Dihedrals

ETHANOL = molecule_structure("CH3CH2OH", 0.05)
METRICS = (BondLengths(), Angles(), Dihedrals())


def rigid(structure=ETHANOL, seed: int = 0, width: float = 0.02, frames: int = 400, **replaced: object) -> xr.Dataset:
    """Frames that scatter independently around a geometry: replicas of one distribution."""
    position = structure.positions + width * np.random.default_rng(seed).standard_normal(
        (frames, *structure.positions.shape)
    )
    return make_run(structure, frames=frames, seed=seed, reference_every=0, variables={"position": position} | replaced)


def test_ethanol_has_its_bonds_angles_and_dihedrals() -> None:
    run = rigid()
    pairs = topology.bonds(run)
    assert [len(found) for found in (pairs, topology.angles(pairs), topology.dihedrals(run, pairs))] == [8, 13, 12]


def test_values_are_those_of_ase() -> None:
    run = rigid(frames=3)
    pairs = topology.bonds(run)
    triples, chains = topology.angles(pairs), topology.dihedrals(run, pairs)
    for frame, x in enumerate(run["position"].values):
        atoms = Atoms(numbers=ETHANOL.numbers, positions=x)
        np.testing.assert_allclose(topology.length_values(run, pairs)[frame], [atoms.get_distance(*p) for p in pairs])
        np.testing.assert_allclose(topology.angle_values(run, triples)[frame], [atoms.get_angle(*t) for t in triples])
        turned = topology.dihedral_values(run, chains)[frame] - [atoms.get_dihedral(*c) for c in chains]
        np.testing.assert_allclose((turned + 180) % 360, 180, atol=1e-8)


def test_a_molecule_across_a_boundary_is_the_same_molecule() -> None:
    cell = np.array([[7.0, 0, 0], [1.0, 8.0, 0], [0, 0, 9.0]])
    whole = dataclasses.replace(ETHANOL, cell=cell, pbc=np.ones(3, dtype=bool))
    images = np.random.default_rng(0).integers(-1, 2, (len(whole), 3)) @ cell
    torn = dataclasses.replace(whole, positions=whole.positions + images)
    runs = [rigid(s, frames=20) for s in (whole, torn)]
    for metric in METRICS:
        np.testing.assert_allclose(*metric.samples(runs), atol=1e-9)
        np.testing.assert_allclose(metric.samples(runs[1:])[0], metric.samples(runs[:1])[0], atol=1e-9)


def test_straight_chains_have_no_dihedral() -> None:
    acetylene = molecule_structure("C2H2")
    with pytest.raises(NotMeasurable, match="no dihedral"):
        Dihedrals().compare(rigid(acetylene), rigid(acetylene, 1))
    with pytest.raises(NotMeasurable, match="no dihedral"):
        Dihedrals().compare(rigid(molecule_structure("H2O")), rigid(molecule_structure("H2O"), 1))
    with pytest.raises(NotMeasurable, match="no bonds"):
        BondLengths().compare(*(rigid(make_structure([18, 18], [[0, 0, 0], [6, 0, 0]]), k) for k in (0, 1)))


# ------------------------------------------------------------------------------------------------- on the circle


@pytest.mark.parametrize("seed", range(8))
def test_the_circle_against_every_way_to_match_samples(seed: int) -> None:
    """For equal numbers of points the best transport on a circle is one of the cyclic shifts of the sorted points."""
    random = np.random.default_rng(seed)
    a, b = np.sort(random.uniform(-180, 180, 7)), np.sort(random.normal(150, 60, 7) % 360)
    b = np.sort((b + 180) % 360 - 180)
    gaps = [np.abs((a - np.roll(b, k) + 180) % 360 - 180).mean() for k in range(7)]
    assert circular(a, b) == pytest.approx(min(gaps))


def test_the_circle_knows_that_its_ends_meet() -> None:
    around = np.random.default_rng(0).normal(180, 5, 500)
    wrapped = (around + 10 + 180) % 360 - 180
    assert circular(around, wrapped) == pytest.approx(10)
    assert wasserstein_distance((around + 180) % 360 - 180, wrapped) > 50
    assert circular(around - 180, wrapped) == pytest.approx(170, abs=5)


def test_the_circle_is_a_line_for_narrow_samples() -> None:
    random = np.random.default_rng(1)
    a, b = random.normal(10, 3, 50), random.normal(14, 2, 70)
    assert circular(a, b) == pytest.approx(wasserstein_distance(a, b))
    assert circular(a, a) == 0
    assert on_circle(np.stack([a, a], 1), np.stack([a, a + 1], 1)) == pytest.approx([0, 1])


# ---------------------------------------------------------------------------------------------------- the metrics


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.type)
def test_the_same_distribution_is_as_near_as_the_replicas_are(metric) -> None:
    check_metric(metric, rigid(seed=0), rigid(seed=1))
    found = [
        metric.compare_replicas(rigid(seed=10 + r), rigid(seed=r), [rigid(seed=s) for s in range(4) if s != r])
        for r in range(4)
    ]
    assert np.mean([values["relative"] for values in found]) == pytest.approx(1, abs=0.1)
    assert abs(np.mean([values["excess"] for values in found])) < 0.1 * found[0]["mean"]


@pytest.mark.parametrize(("metric", "least"), [(BondLengths(), 3), (Angles(), 2), (Dihedrals(), 2)])
def test_another_distribution_is_further_than_the_replicas_are(metric, least: float) -> None:
    wide = metric.compare_replicas(rigid(seed=10, width=0.03), rigid(), [rigid(seed=s) for s in (1, 2)])
    assert wide["relative"] > least
    assert wide["excess"] > 0


def test_a_longer_bond_shows_by_its_length() -> None:
    nitrogen = molecule_structure("N2")
    x = nitrogen.positions * (1 + 0.05 / np.linalg.norm(nitrogen.positions[1] - nitrogen.positions[0]))
    long = dataclasses.replace(nitrogen, positions=x)
    found = BondLengths().compare(rigid(long, width=0.001), rigid(nitrogen, 1, width=0.001))
    assert found["mean"] == pytest.approx(0.05, abs=0.001)
    assert found["worst"] == found["mean"]
    assert "relative" not in found


def test_a_wider_angle_shows_by_its_size() -> None:
    water = molecule_structure("H2O")
    x = water.positions.copy()
    turn = np.radians(4)
    first, second = x[1] - x[0], x[2] - x[0]
    axis = np.cross(first, second) / np.linalg.norm(np.cross(first, second))
    x[2] = x[0] + second * np.cos(turn) + np.cross(axis, second) * np.sin(turn)
    found = Angles().compare(rigid(dataclasses.replace(water, positions=x), width=1e-4), rigid(water, 1, width=1e-4))
    assert found["mean"] == pytest.approx(4, abs=0.02)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.type)
def test_one_and_the_same_trajectory_is_not_measured(metric) -> None:
    with pytest.raises(NotMeasurable, match="says nothing"):
        metric.compare(rigid(), rigid())
    with pytest.raises(NotMeasurable, match="other atoms"):
        metric.compare(rigid(), rigid(molecule_structure("CH3OH")))
    with pytest.raises(NotMeasurable, match="at least"):
        metric.compare(rigid(frames=4), rigid(seed=1, frames=4))
