"""Sums of far copies hold for sound force fields; coupled, normalised and crowded ones show."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from ase.build import bulk
from force_field_kit import (
    METHANE,
    WATER,
    Atomistic,
    Faulty,
    by_energy,
    emt,
    gfn2,
    measured,
    on_answer,
    painn,
    per_copy,
)

from mdprotocol.api import NotMeasurable
from mdprotocol.testing import from_atoms
from mdprotocol.testing.analytic import LennardJones
from mdprotocol.testing.subjects import make_subject
from mdprotocol_plugins.metrics.size_consistency import SizeConsistency

METRIC = SizeConsistency()
COPPER = from_atoms(bulk("Cu", cubic=True))


def test_a_sound_force_field_passes() -> None:
    assert max(measured(METRIC, Atomistic(), WATER).values()) < 1e-8


def test_an_interaction_at_the_given_gap_has_its_size() -> None:
    """One argon atom twice: the error is Lennard-Jones at the gap, over two atoms."""
    from mdprotocol.testing import make_structure

    argon = make_structure([18], [[0, 0, 0]])
    values = measured(SizeConsistency(gaps_A=(6.0,)), LennardJones(), argon)
    energy = 4 * 0.0103 * ((3.4 / 6) ** 12 - (3.4 / 6) ** 6)
    assert values["energy_error"] == pytest.approx(1000 * abs(energy) / 2, rel=1e-6)


def test_energy_that_is_not_additive_shows() -> None:
    """A constant a copy, whatever its size, as a network's total offset: E(A + B) lacks one of the two."""
    offset = on_answer(lambda found, x, topology: dataclasses.replace(found, energy=found.energy + 0.05))
    values = measured(METRIC, Faulty(Atomistic(), offset), WATER)
    assert values["energy_error"] == pytest.approx(50 / 6, rel=1e-6)
    assert values["batch_energy_error"] < 1e-8


def test_a_mean_over_all_atoms_shows_in_forces() -> None:
    """Normalisation by the number of atoms: forces of a copy halve when another is far away."""

    def normalised(x, topology):
        sizes = np.diff(topology.offsets)
        return per_copy(x[:, 0].sin(), topology) / x.new_tensor(sizes)

    values = measured(METRIC, Faulty(Atomistic(), by_energy(normalised)), WATER)
    assert values["force_error"] > 0.01


def test_a_batch_that_influences_its_copies_shows() -> None:
    crowded = on_answer(
        lambda found, x, t: dataclasses.replace(found, forces=found.forces * (1 + 0.01 * (t.copies > 3)))
    )
    values = measured(METRIC, Faulty(Atomistic(), crowded), WATER)
    assert values["batch_error"] > 0.001


def test_a_doubled_cell_has_twice_the_energy() -> None:
    values = measured(METRIC, emt(), COPPER)
    assert values["energy_error"] < 1e-6
    assert values["force_error"] < 1e-6


def test_a_minimum_image_in_a_small_cell_shows() -> None:
    """Only the nearest image of each neighbour, in a cell narrower than the cutoff: the doubled cell differs."""
    from ase.geometry import find_mic

    from mdprotocol.api import Evaluation

    def nearest_only(inner, topology):
        import torch

        def evaluate(positions, cells):
            x = positions.numpy()
            energy, bounds = [], zip(topology.offsets[:-1], topology.offsets[1:], strict=True)
            for b, (first, last) in enumerate(bounds):
                i, j = np.triu_indices(last - first, 1)
                d = find_mic(x[first:last][j] - x[first:last][i], topology.cells[b])[1]
                energy.append(float(np.exp(-d).sum()))
            return Evaluation(torch.tensor(energy, dtype=torch.float64), torch.zeros_like(positions))

        return evaluate

    assert measured(METRIC, Faulty(emt(), nearest_only), COPPER)["energy_error"] > 1


def test_a_charged_system_is_not_measured() -> None:
    ion = dataclasses.replace(WATER, charge=1)
    with pytest.raises(NotMeasurable, match="charge 1 e"):
        METRIC.measure(METRIC.probe(make_subject(Atomistic(), ion)))


def test_the_student_and_the_teacher_pass() -> None:
    student = measured(METRIC, painn("original"), METHANE)
    teacher = measured(SizeConsistency(pairs=1, batch=2), gfn2(), WATER)
    for values in (student, teacher):
        assert values["energy_error"] < 0.1
        assert values["force_error"] < 2e-3
        assert values["batch_energy_error"] < 0.1
        assert values["batch_error"] < 2e-3
