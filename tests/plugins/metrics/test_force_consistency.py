"""Forces that are the energy's gradient pass; scaled, curled, noisy, remembered and half-precise ones are measured."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from force_field_kit import COPPER, ETHANOL, METHANE, WATER, Atomistic, Faulty, emt, gfn2, measured, on_answer, painn

from mdprotocol.api import NotMeasurable, StructureError
from mdprotocol.testing import make_structure
from mdprotocol.testing.analytic import HarmonicTrap
from mdprotocol_plugins.metrics.force_consistency import ForceConsistency, _ellipse, _turn

METRIC = ForceConsistency()
SMALL = ForceConsistency(geometries=2, directions=6, loops=2, points=32)


def test_a_sound_force_field_passes() -> None:
    values = measured(METRIC, Atomistic(), ETHANOL)
    assert values["rmse"] < 1e-6
    assert values["max"] < 1e-6
    assert values["relative"] < 1e-6
    assert values["scale"] == pytest.approx(1, abs=1e-6)
    assert values["loop_work"] < 1e-6
    assert values["repeatability"] < 1e-9
    assert values["energy_repeatability"] < 1e-9


@pytest.mark.parametrize("percent", [0.2, 1.0, 10.0])
def test_scaled_forces_show_their_factor(percent: float) -> None:
    factor = 1 + percent / 100
    fault = on_answer(lambda found, x, t: dataclasses.replace(found, forces=factor * found.forces))
    values = measured(SMALL, Faulty(Atomistic(), fault), ETHANOL)
    assert values["relative"] == pytest.approx(percent / 100, rel=1e-3)
    assert values["scale"] == pytest.approx(factor, rel=1e-5)


def test_a_curl_does_the_work_that_stokes_gives() -> None:
    """F = c z × x around the z axis: the work of a whole turn is 2 pi c sum r², that of a random one its projection."""
    c = 0.01

    def curl(found, x, topology):
        return dataclasses.replace(found, forces=found.forces + c * torch.stack([-x[:, 1], x[:, 0], 0 * x[:, 0]], 1))

    values = measured(SMALL, Faulty(Atomistic(), on_answer(curl)), WATER)
    centred = WATER.positions - WATER.positions.mean(axis=0)
    assert 0.5 < values["loop_work"] < 1000 * 2 * np.pi * c * (centred**2).sum()
    assert values["rmse"] > 1e-4


def test_the_paths_are_closed_and_have_their_tangents() -> None:
    """The circle's area: ∮ c z × x · dx = 2 c A."""
    x = np.array([[1.0, 0.5, 0.2], [-1.0, -0.5, -0.2]])
    angles = 2 * np.pi * np.arange(32) / 32
    for path in (_ellipse, _turn):
        points, tangents = path(x, angles, np.random.default_rng(5))
        back = np.stack(
            [np.interp(2 * np.pi, angles, points[:, k, a], period=2 * np.pi) for k in (0, 1) for a in range(3)]
        )
        assert np.allclose(back, points[0].ravel())
        spectral = np.fft.irfft(1j * np.arange(17)[:, None, None] * np.fft.rfft(points, axis=0), axis=0)
        assert np.allclose(spectral, tangents, atol=1e-12)
    points, _ = _turn(x, angles, np.random.default_rng(5))
    assert np.allclose(np.linalg.norm(points[:, 0] - points[:, 1], axis=1), np.linalg.norm(x[0] - x[1]))


def test_noise_shows_as_an_answer_that_is_not_repeated() -> None:
    random = torch.Generator().manual_seed(0)
    noise = on_answer(
        lambda found, x, t: dataclasses.replace(
            found, forces=found.forces + 0.01 * torch.randn(x.shape, generator=random, dtype=x.dtype)
        )
    )
    values = measured(SMALL, Faulty(Atomistic(), noise), WATER)
    assert values["repeatability"] > 0.01
    assert values["rmse"] == pytest.approx(0.01, rel=0.7)


def test_an_answer_kept_while_atoms_move_little_shows() -> None:
    """The fault of a stale list or cache: the last answer is given again until an atom has moved by 0.02 Å."""

    def stale(inner, topology):
        kept = {}

        def evaluate(positions, cells):
            if not kept or (positions - kept["x"]).norm(dim=1).max() > 0.02:
                kept.update(x=positions.clone(), found=inner(positions, cells))
            return kept["found"]

        return evaluate

    values = measured(SMALL, Faulty(Atomistic(), stale), WATER)
    assert values["repeatability"] > 0.01
    assert values["energy_repeatability"] > 1
    assert values["rmse"] < 1e-6  # the differences use fresh evaluators


def test_pairs_that_never_change_show() -> None:
    """A neighbour list made once: what comes near later is not seen. Here, what has left is not forgotten."""

    def listed_once(inner, topology):
        calls = []

        def evaluate(positions, cells):
            calls.append(positions)
            found = inner(positions, cells)
            lost = (positions - calls[0]).norm(dim=1).max() > 3
            return dataclasses.replace(
                found, energy=found.energy + 0.002 * float(lost), forces=found.forces * (1 + lost)
            )

        return evaluate

    assert measured(SMALL, Faulty(Atomistic(), listed_once), WATER)["energy_repeatability"] == pytest.approx(2)


def test_an_energy_that_drifts_from_call_to_call_shows() -> None:
    def drifting(inner, topology):
        calls = []

        def evaluate(positions, cells):
            calls.append(1)
            found = inner(positions, cells)
            return dataclasses.replace(found, energy=found.energy + 1e-4 * len(calls))

        return evaluate

    assert measured(SMALL, Faulty(Atomistic(), drifting), WATER)["energy_repeatability"] > 1


def test_half_precision_shows() -> None:
    half = on_answer(
        lambda found, x, t: dataclasses.replace(
            found, energy=found.energy.half().double(), forces=found.forces.half().double()
        )
    )
    assert measured(SMALL, Faulty(Atomistic(), half), ETHANOL)["rmse"] > 0.01


def test_forces_in_other_units_show_in_the_scale() -> None:
    kcal = on_answer(lambda found, x, t: dataclasses.replace(found, forces=found.forces * 23.06))
    assert measured(SMALL, Faulty(Atomistic(), kcal), WATER)["scale"] == pytest.approx(23.06, rel=1e-4)


def test_a_system_without_forces_has_no_relative_error() -> None:
    single = make_structure([8], [[0, 0, 0]])
    values = measured(SMALL, Faulty(Atomistic(), lambda inner, topology: inner), single)
    assert "relative" not in values
    assert values["rmse"] == 0
    trap = measured(SMALL, HarmonicTrap(stiffness=20.0), make_structure([8], [[0.3, 0, 0]]))
    assert trap["relative"] < 1e-8


def test_a_model_that_gives_no_answer_is_not_measured_and_says_why() -> None:
    broken = on_answer(lambda found, x, t: dataclasses.replace(found, forces=found.forces * float("nan")))
    with pytest.raises(NotMeasurable, match="not finite"):
        measured(SMALL, Faulty(Atomistic(), broken), WATER)
    with pytest.raises(StructureError, match=r"unknown elements \[29\]"):
        measured(SMALL, Atomistic(), COPPER)


@pytest.mark.parametrize("name", ["original", "tiny", "ultra_tiny"])
def test_the_students_pass_in_float32_by_a_wide_margin(name: str) -> None:
    values = measured(METRIC, painn(name), METHANE)
    assert values["relative"] < 1e-3
    assert values["rmse"] < 2e-3
    assert values["loop_work"] < 1
    assert values["repeatability"] < 1e-4
    assert values["energy_repeatability"] < 0.1


def test_the_teacher_passes() -> None:
    values = measured(SMALL, gfn2(), WATER)
    assert values["relative"] < 1e-4
    assert values["loop_work"] < 0.1
    assert values["repeatability"] < 1e-6


def test_copper_in_a_cell_passes() -> None:
    values = measured(ForceConsistency(geometries=1, directions=3, loops=1, points=16), emt(), COPPER)
    assert values["relative"] < 1e-4
    assert values["loop_work"] < 0.01
    assert values["repeatability"] < 1e-9
