"""Smooth force fields pass; truncated, kinked and rounded ones show the size of their jump."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from ase.build import bulk
from force_field_kit import (
    ETHANOL,
    METHANE,
    ROOT,
    WATER,
    Atomistic,
    Faulty,
    by_energy,
    distiller,
    emt,
    gfn2,
    measured,
    needs_shared,
    on_answer,
    painn,
    pair_distances,
)

from mdprotocol.testing import from_atoms, make_structure
from mdprotocol.testing.analytic import LennardJones
from mdprotocol_plugins.metrics.smoothness import Smoothness
from mdprotocol_plugins.models.ase.model import AseModel

METRIC = Smoothness()
SMALL = Smoothness(bonds=2, directions=1)
ARGON = make_structure([18], [[0, 0, 0]])


@dataclass
class Truncated(LennardJones):
    """Lennard-Jones that ends at a cutoff; with `shifted`, the energy is continuous there and the force is not."""

    cutoff: float = 6.5
    shifted: bool = False

    def pair(self, distance):
        energy, slope = super().pair(distance)
        if self.shifted:
            energy = energy - super().pair(torch.tensor(self.cutoff))[0]
        near = distance <= self.cutoff
        return energy * near, slope * near


def test_a_sound_force_field_passes() -> None:
    values = measured(METRIC, Atomistic(), ETHANOL)
    assert values["energy_jump"] < 1e-4
    assert values["force_jump"] < 1e-4


@pytest.mark.parametrize("cutoff", [4.0, 6.5, 9.0])
def test_a_truncated_pair_potential_jumps_by_its_value_there(cutoff: float) -> None:
    energy, slope = LennardJones().pair(torch.tensor(cutoff, dtype=torch.float64))
    values = measured(SMALL, Truncated(cutoff=cutoff), ARGON)
    assert values["energy_jump"] == pytest.approx(1000 * abs(float(energy)), rel=0.01)
    assert values["cutoff_jump"] == values["energy_jump"]
    assert values["force_jump"] == pytest.approx(abs(float(slope)), rel=0.01)


def test_a_shifted_potential_jumps_in_its_force_only() -> None:
    values = measured(SMALL, Truncated(cutoff=5.0, shifted=True), ARGON)
    _, slope = LennardJones().pair(torch.tensor(5.0, dtype=torch.float64))
    assert values["energy_jump"] < 1e-3
    assert values["force_jump"] == pytest.approx(abs(float(slope)), rel=0.01)


def test_a_kink_along_a_bond_shows() -> None:
    """|d - 1.05 r| for the O-H bonds: the force of each atom jumps by twice the slope."""

    def kink(x, topology):
        d, copy, (i, j) = pair_distances(x, topology)
        bonded = torch.from_numpy(topology.numbers[i] != topology.numbers[j]) & (d < 1.5)
        v = 0.02 * (d - 1.02).abs() * bonded
        return v.new_zeros(topology.copies).index_add(0, copy, v)

    values = measured(SMALL, Faulty(Atomistic(), by_energy(kink)), WATER)
    assert values["force_jump"] == pytest.approx(0.04, rel=0.05)


@pytest.mark.parametrize("size_eV", [0.001, 0.1])
def test_an_energy_jump_at_the_cutoff_shows_its_size(size_eV: float) -> None:
    def jump(found, x, topology):
        d, copy, _ = pair_distances(x, topology)
        near = (d < 5.0).double() * size_eV
        return dataclasses.replace(
            found, energy=found.energy + near.new_zeros(topology.copies).index_add(0, copy, near)
        )

    values = measured(SMALL, Faulty(Atomistic(), on_answer(jump)), METHANE)
    assert values["energy_jump"] == pytest.approx(1000 * size_eV, rel=0.01)


def test_a_jump_within_a_bond_is_none_at_a_cutoff() -> None:
    def jump(found, x, topology):
        d, copy, _ = pair_distances(x, topology)
        near = (d < 1.05).double() * 0.02
        return dataclasses.replace(
            found, energy=found.energy + near.new_zeros(topology.copies).index_add(0, copy, near)
        )

    values = measured(SMALL, Faulty(Atomistic(), on_answer(jump)), WATER)
    assert values["energy_jump"] == pytest.approx(20, rel=0.01)
    assert values["cutoff_jump"] < 0.01


def test_half_precision_shows_as_steps() -> None:
    """Numbers from 16 to 32 are 2⁻⁶ apart in float16."""
    half = on_answer(lambda found, x, t: dataclasses.replace(found, energy=(found.energy - 24).half().double()))
    assert measured(SMALL, Faulty(Atomistic(), half), WATER)["energy_jump"] == pytest.approx(15.625, rel=0.1)


def test_wrong_forces_alone_are_no_jump() -> None:
    """The forces' own fault is told apart: scaled forces do not explain the energy, but refinement removes the rest."""
    scaled = on_answer(lambda found, x, t: dataclasses.replace(found, forces=1.1 * found.forces))
    values = measured(SMALL, Faulty(Atomistic(), scaled), WATER)
    assert values["energy_jump"] < 0.05
    assert values["force_jump"] < 1e-3


def test_copper_in_a_cell_passes() -> None:
    values = measured(Smoothness(levels=6, directions=1), emt(), from_atoms(bulk("Cu", cubic=True)))
    assert values["energy_jump"] < 0.1
    assert values["force_jump"] < 0.01


def test_truncated_argon_in_a_cell_fails_and_smoothed_argon_passes() -> None:
    argon = from_atoms(bulk("Ar", cubic=True))
    lj = {"sigma": 3.4, "epsilon": 0.0103, "rc": 6.5}

    def model(smooth: bool):
        return AseModel(calculator="ase.calculators.lj:LennardJones", arguments=lj | {"smooth": smooth}).load(ROOT)

    smooth, cut = (measured(Smoothness(levels=6, directions=1), model(flag), argon) for flag in (True, False))
    assert smooth["force_jump"] < 1e-5
    assert cut["force_jump"] > 5e-4  # ASE shifts the energy at the cutoff, so that only the force jumps


@pytest.mark.parametrize("name", ["original", "tiny", "ultra_tiny"])
def test_the_students_are_smooth(name: str) -> None:
    values = measured(METRIC, painn(name), METHANE)
    assert values["energy_jump"] < 0.5
    assert values["force_jump"] < 0.05


def test_the_teacher_is_smooth() -> None:
    values = measured(SMALL, gfn2(), WATER)
    assert values["energy_jump"] < 0.01
    assert values["force_jump"] < 0.01


@needs_shared
def test_mlff_distillers_student_jumps_at_its_cutoff() -> None:
    """Known of it: 0.01 to 0.8 eV a pair."""
    values = measured(SMALL, distiller(), WATER)
    assert values["energy_jump"] > 10


def test_the_place_of_a_jump_is_recorded() -> None:
    from mdprotocol.testing.subjects import make_subject

    found = SMALL.probe(make_subject(Truncated(cutoff=6.5), ARGON))
    worst = int(np.argmax(found.energy_jump.values))
    assert float(found.energy_place[worst]) == pytest.approx(6.5 - 1.8, abs=0.01)
