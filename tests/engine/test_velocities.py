"""Velocities: temperature, momentum, angular momentum, degrees of freedom, the Maxwell-Boltzmann distribution."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mdprotocol.chemistry import degrees_of_freedom, is_linear
from mdprotocol.contracts import Structure
from mdprotocol.engine.velocities import maxwell_boltzmann, without_drift
from mdprotocol.testing.structures import make_structure, molecule_structure
from mdprotocol.units import AMU_EV_FS2_PER_A2, KB_EV_PER_K

BOX = make_structure([6, 8, 1], [[0, 0, 0], [1.2, 0, 0], [3, 3, 3]], cell=[8.0, 8.0, 8.0])
CASES = {
    "water": (molecule_structure("H2O"), 3),
    "methane": (molecule_structure("CH4"), 9),
    "carbon dioxide": (molecule_structure("CO2"), 4),
    "diatomic": (molecule_structure("N2"), 1),
    "tilted": (make_structure([6, 8, 16], np.outer([-1.2, 0, 1.6], [0.3, -0.5, 0.81])), 4),
    "atom": (make_structure([18], [[1.0, 2.0, 3.0]]), 3),
    "box": (BOX, 6),
}


@pytest.fixture(params=CASES, ids=list(CASES))
def case(request: pytest.FixtureRequest) -> tuple[Structure, int]:
    return CASES[request.param]


def drawn(structure: Structure, dof: int, seed: int = 0, temperature: float = 300.0) -> np.ndarray:
    return maxwell_boltzmann(
        structure, temperature, np.random.default_rng(seed).standard_normal((len(structure), 3)), dof
    )


def kinetic(structure: Structure, v: np.ndarray) -> float:
    return float(0.5 * AMU_EV_FS2_PER_A2 * (structure.masses[:, None] * v**2).sum())


def test_degrees_of_freedom(case: tuple[Structure, int]) -> None:
    structure, dof = case
    assert degrees_of_freedom(structure, conserves_momentum=True) == dof
    assert degrees_of_freedom(structure, conserves_momentum=False) == 3 * len(structure)


def test_exact_temperature(case: tuple[Structure, int]) -> None:
    structure, dof = case
    assert 2 * kinetic(structure, drawn(structure, dof)) / (dof * KB_EV_PER_K) == pytest.approx(300.0, rel=1e-12)


def test_no_momentum_and_no_angular_momentum(case: tuple[Structure, int]) -> None:
    structure, dof = case
    if len(structure) == 1:
        return
    p = structure.masses[:, None] * drawn(structure, dof)
    assert np.abs(p.sum(axis=0)).max() < 1e-13 * np.abs(p).sum()
    if not structure.periodic:
        assert np.abs(np.cross(structure.positions, p).sum(axis=0)).max() < 1e-12 * np.abs(p).sum()


def test_number_of_free_directions_is_the_degrees_of_freedom(case: tuple[Structure, int]) -> None:
    """The projection that takes out the drift keeps exactly as many directions as there are degrees of freedom."""
    structure, dof = case
    n = len(structure)
    columns = [without_drift(structure.positions, e.reshape(n, 3), structure).ravel() for e in np.eye(3 * n)]
    assert np.linalg.matrix_rank(np.array(columns), tol=1e-8) == dof


def test_taking_out_the_drift_twice_changes_nothing_and_only_cools(case: tuple[Structure, int]) -> None:
    structure, _ = case
    noise = np.random.default_rng(4).standard_normal((len(structure), 3))
    once = without_drift(structure.positions, noise, structure)
    np.testing.assert_allclose(without_drift(structure.positions, once, structure), once, atol=1e-13)
    assert kinetic(structure, once) <= kinetic(structure, noise)


def test_a_bent_linear_molecule_keeps_its_four_degrees() -> None:
    """Bent by its own vibration, CO2 still has 3N - 5: what turns about its axis is the bending itself."""
    structure = molecule_structure("CO2")
    bent = structure.positions + np.array([[0.1, 0, 0], [0, 0, 0], [0, 0, 0]])
    columns = [without_drift(bent, e.reshape(3, 3), structure).ravel() for e in np.eye(9)]
    assert np.linalg.matrix_rank(np.array(columns), tol=1e-8) == 4


def test_linear_is_seen_in_any_direction() -> None:
    tilted, water = CASES["tilted"][0], molecule_structure("H2O")
    assert is_linear(tilted.positions, tilted.masses)
    assert not is_linear(water.positions, water.masses)


def test_components_follow_the_maxwell_boltzmann_distribution() -> None:
    """In a large periodic system the constraints are weak, so that every component is normal with variance kB T/m."""
    n = 4000
    structure = make_structure([6, 1] * (n // 2), np.random.default_rng(0).uniform(0, 50, (n, 3)), cell=[50.0] * 3)
    v = drawn(structure, 3 * n - 3, seed=1)
    standard = v * np.sqrt(structure.masses[:, None] * AMU_EV_FS2_PER_A2 / (KB_EV_PER_K * 300.0))
    assert stats.kstest(standard.ravel(), "norm").pvalue > 1e-3
