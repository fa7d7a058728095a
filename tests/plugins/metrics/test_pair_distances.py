"""h(r) and g(r): an ideal gas, a crystal, ASE's own minimum image, and models that differ from their reference."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import xarray as xr
from ase.build import bulk
from ase.geometry import find_mic

from mdprotocol.api import NotMeasurable, Structure
from mdprotocol.testing import check_metric, make_run, make_structure, molecule_structure
from mdprotocol.testing.structures import from_atoms
from mdprotocol_plugins.metrics import _pairs
from mdprotocol_plugins.metrics.distance_distribution import DistanceDistribution
from mdprotocol_plugins.metrics.rdf import RDF, radial

SKEW = np.array([[9.0, 0, 0], [3.0, 8.5, 0], [-2.0, 1.5, 8.0]])


def run_of(structure: Structure, position: np.ndarray) -> xr.Dataset:
    return make_run(structure, frames=len(position), reference_every=0, variables={"position": position})


def gas(seed: int, frames: int = 60, atoms: int = 40, numbers: int | list[int] = 18) -> xr.Dataset:
    """Atoms anywhere in a skew cell, and outside of it by whole cells."""
    random = np.random.default_rng(seed)
    x = random.uniform(-1, 2, (frames, atoms, 3)) @ SKEW
    return run_of(make_structure(np.broadcast_to(numbers, atoms), x[0], cell=SKEW), x)


def crystal(seed: int, width: float = 0.08, constant: float = 5.3, frames: int = 40) -> xr.Dataset:
    structure = from_atoms(bulk("Ar", "fcc", a=5.3, cubic=True).repeat(2))
    x = structure.positions * (constant / 5.3)
    noise = width * np.random.default_rng(seed).standard_normal((frames, *x.shape))
    return run_of(structure, x + noise)


def test_an_ideal_gas_has_no_structure() -> None:
    (r, g), *none = radial(gas(0, frames=400), 0.2).values()
    assert not none
    far = g[r > 1]
    assert far.mean() == pytest.approx(1, abs=0.01)
    assert np.abs(far - 1).max() < 0.15


def test_a_mixed_ideal_gas_has_none_in_any_pair_of_elements() -> None:
    found = radial(gas(0, frames=400, numbers=[18] * 30 + [10] * 10), 0.4)
    assert list(found) == ["Ne-Ne", "Ne-Ar", "Ar-Ar"]
    for r, g in found.values():
        assert g[r > 1].mean() == pytest.approx(1, abs=0.03)


def test_a_crystal_has_its_neighbours_at_their_distances() -> None:
    """Twelve at a/√2 and six at a; n = ρ ∫ g 4πr² dr with ρ of the other N - 1 atoms."""
    run = crystal(0, width=0.0)
    r, g = radial(run, 0.1)["Ar-Ar"]
    edges = np.arange(0, len(r) + 1) * 0.1
    neighbours = g * 4 * np.pi / 3 * np.diff(edges**3) * (run.sizes["atom"] - 1) / _pairs.volume(run)
    assert neighbours[np.abs(r - 5.3 / np.sqrt(2)) < 0.1].sum() == pytest.approx(12)
    assert neighbours[r < 5.0].sum() == pytest.approx(12)


def test_the_minimum_image_is_that_of_ase_up_to_half_the_box() -> None:
    run, edges = gas(3, frames=3), np.linspace(0, _pairs.half_box(gas(3, frames=3)), 30)
    i, j = np.triu_indices(40, 1)
    x = run["position"].values
    ours = _pairs.histogram(run, (i, j), edges)
    theirs = np.histogram(find_mic((x[:, j] - x[:, i]).reshape(-1, 3), SKEW, True)[1], edges)[0]
    np.testing.assert_array_equal(ours, theirs)
    heights = [1 / np.linalg.norm(row) for row in np.linalg.inv(SKEW).T]
    assert _pairs.half_box(run) == pytest.approx(min(heights) / 2)


@pytest.mark.parametrize(("metric", "make"), [(RDF(), gas), (RDF(), crystal), (DistanceDistribution(), crystal)])
def test_the_same_distribution_differs_as_the_replicas_do(metric, make) -> None:
    check_metric(metric, make(10), make(0))
    teachers = [make(k) for k in range(4)]
    found = [metric.compare_replicas(make(10 + k), teachers[k], teachers[:k] + teachers[k + 1 :]) for k in range(4)]
    assert np.mean([values["relative"] for values in found]) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("metric", [RDF(), DistanceDistribution()])
@pytest.mark.parametrize("other", [{"width": 0.3}, {"constant": 5.4}])
def test_a_molten_or_wider_crystal_differs_by_more(metric, other: dict[str, float]) -> None:
    same = metric.compare(crystal(10), crystal(0))["error"]
    found = metric.compare_replicas(crystal(10, **other), crystal(0), [crystal(1), crystal(2)])
    assert found["error"] > 2 * same
    assert found["relative"] > 2
    assert found["excess"] > 0


def test_each_pair_of_elements_is_compared_by_itself() -> None:
    """Ten of the twenty neons follow the other ten, at a distance of √3 Å."""
    numbers = [18] * 20 + [10] * 20
    one, other = gas(0, 200, numbers=numbers), gas(1, 200, numbers=numbers)
    x = one["position"].values.copy()
    x[:, 30:] = x[:, 20:30] + 1.0
    before = RDF().compare(one, other)["error_by_pair"]
    after = RDF().compare(one.assign(position=(("frame", "atom", "xyz"), x)), other)["error_by_pair"]
    assert float(after.sel(pair="Ar-Ar")) == float(before.sel(pair="Ar-Ar"))
    assert float(after.sel(pair="Ne-Ne")) > float(before.sel(pair="Ne-Ne")) + 0.1


# ------------------------------------------------------------------------------------------------------- molecules


def molecule(seed: int, scale: float = 1.0, formula: str = "CH4", width: float = 0.03) -> xr.Dataset:
    structure = molecule_structure(formula)
    noise = width * np.random.default_rng(seed).standard_normal((500, *structure.positions.shape))
    return run_of(structure, scale * structure.positions + noise)


def test_a_molecule_has_the_distances_that_it_has() -> None:
    """A pair without motion: h is one bin, and 2 apart from another bin's."""
    metric, nitrogen = DistanceDistribution(), molecule_structure("N2")
    near, far = (run_of(nitrogen, np.tile(s * nitrogen.positions, (20, 1, 1))) for s in (1.0, 1.3))
    assert metric.compare(far, near)["error"] == 2
    assert metric.compare(molecule(1), molecule(0))["error"] < 0.2


def test_a_swollen_molecule_differs_by_more_than_the_replicas() -> None:
    teachers = [molecule(k) for k in range(4)]
    found = {s: DistanceDistribution().compare_replicas(molecule(9, s), teachers[0], teachers[1:]) for s in (1.0, 1.04)}
    assert found[1.0]["relative"] == pytest.approx(1, abs=0.35)
    assert found[1.04]["relative"] > 4
    assert found[1.04]["error"] > 0.5


def test_what_has_no_distances_to_compare_is_not_measured() -> None:
    for metric in (RDF(), DistanceDistribution()):
        with pytest.raises(NotMeasurable, match="says nothing"):
            metric.compare(gas(0), gas(0))
        with pytest.raises(NotMeasurable, match="at least"):
            metric.compare(gas(0, 3), gas(1, 3))
    with pytest.raises(NotMeasurable, match="three dimensions"):
        RDF().compare(molecule(0), molecule(1))
    slab = dataclasses.replace(
        make_structure([18, 18], [[0, 0, 0], [3, 0, 0]], cell=SKEW), pbc=np.array([True, True, False])
    )
    x = np.random.default_rng(0).normal(size=(2, 20, 2, 3))
    with pytest.raises(NotMeasurable, match="three dimensions"):
        RDF().compare(run_of(slab, x[0]), run_of(slab, x[1]))
    with pytest.raises(NotMeasurable, match="different cells"):
        RDF().compare(gas(0), gas(1).assign(cell=(("vector", "xyz"), 1.1 * SKEW)))
    lone = make_structure([18], [[0, 0, 0]])
    with pytest.raises(NotMeasurable, match="no distance"):
        DistanceDistribution().compare(run_of(lone, x[0][:, :1]), run_of(lone, x[1][:, :1]))
