"""Flaws of models on analytic force fields: each does what it says, and those that claim a gradient have one."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from mdprotocol.api import HARTREE_EV, ModelFault
from mdprotocol.contracts import ForceField, Model, Structure, Topology
from mdprotocol.faults.wrapping import FaultyForceField, FaultyModel
from mdprotocol.testing.analytic import HarmonicBonds, LennardJones, Morse
from mdprotocol.testing.evaluating import in_own_cells
from mdprotocol.testing.structures import make_structure, molecule_structure, rattled
from mdprotocol_plugins.faults import answers, bonds, landscapes

METHANE = molecule_structure("CH4")
WATER = molecule_structure("H2O")
STIFF = 20.0


class Springs(Model):
    """Harmonic bonds of methane."""

    type: Literal["test_springs"] = "test_springs"

    def load(self, base: Path) -> ForceField:
        return HarmonicBonds(METHANE, STIFF)


def flawed(sound: ForceField, flaw: ModelFault) -> ForceField:
    return FaultyForceField(sound, flaw)


def numerical(field: ForceField, structure: Structure, step: float = 1e-4) -> np.ndarray:
    """-dE/dx by central differences, with one evaluator whose first call is at the structure itself."""
    evaluate = in_own_cells(field, Topology.of([structure]))
    x = torch.from_numpy(structure.positions.copy())
    evaluate(x)
    found = np.zeros(x.shape)
    for index in np.ndindex(*x.shape):
        ends = []
        for sign in (1, -1):
            moved = x.clone()
            moved[index] += sign * step
            ends.append(float(evaluate(moved).energy[0]))
        found[index] = (ends[1] - ends[0]) / (2 * step)
    return found


GRADIENTS = (
    landscapes.Kink(slope_eV_per_A=1.0, at_A=1.3),
    landscapes.SharpNorm(strength_eV=0.05),
    landscapes.MissingWall(depth_eV=50.0),
    landscapes.Oriented(strength_eV=0.05),
    bonds.ShiftedBond(shift_A=0.05),
    bonds.SofterAngle(stiffness_eV=2.0),
)


@pytest.mark.parametrize("flaw", GRADIENTS, ids=lambda flaw: type(flaw).__name__)
def test_a_conservative_flaw_has_forces_that_are_its_gradient(flaw: ModelFault) -> None:
    structure = rattled(METHANE, 0.05, seed=3)
    if isinstance(flaw, landscapes.MissingWall):
        structure = make_structure([1, 1, 6], [[0, 0, 0], [0.4, 0, 0], [0.2, 0.7, 0.1]])
        sound: ForceField = Morse()
    else:
        sound = HarmonicBonds(METHANE, STIFF)
    field = flawed(sound, flaw)
    _, forces = field.evaluate(structure)
    _, before = sound.evaluate(structure)
    assert np.abs(forces - before).max() > 1e-3
    np.testing.assert_allclose(forces, numerical(field, structure), atol=2e-6)


def test_a_sharp_norm_has_its_tip_where_the_surroundings_are_symmetric() -> None:
    """Methane's carbon: the force on it has the same size however little it is moved, and water has no such place."""
    sound = HarmonicBonds(METHANE, 1e-9)
    for step in (1e-3, 1e-2):
        moved = METHANE.positions.copy()
        moved[0] += [0, 0, step]
        _, forces = flawed(sound, landscapes.SharpNorm(strength_eV=0.05)).evaluate(
            make_structure(METHANE.numbers, moved)
        )
        assert 0.02 < -forces[0, 2] < 0.05
    _, forces = flawed(HarmonicBonds(METHANE, 1e-9), landscapes.SharpNorm(strength_eV=0.05)).evaluate(METHANE)
    assert abs(forces[0]).max() < 1e-6


def test_scaled_forces_leave_the_energy() -> None:
    structure = rattled(METHANE, 0.05)
    energy, forces = flawed(HarmonicBonds(METHANE), answers.Forces3Percent()).evaluate(structure)
    before, sound = HarmonicBonds(METHANE).evaluate(structure)
    assert energy == before
    np.testing.assert_allclose(forces, 1.03 * sound)


def test_noise_has_its_scatter_and_is_new_at_every_call() -> None:
    many = [METHANE] * 400
    evaluate = in_own_cells(
        flawed(HarmonicBonds(METHANE), answers.NoisyForces(scatter_eV_per_A=0.05)), Topology.of(many)
    )
    x = torch.from_numpy(np.concatenate([m.positions for m in many]))
    first, second = evaluate(x).forces, evaluate(x).forces  # at rest: there are no others
    assert float(first.std()) == pytest.approx(0.05, rel=0.05)
    assert float((first - second).std()) == pytest.approx(0.05 * 2**0.5, rel=0.05)


def test_the_swirl_pushes_nowhere_turns_with_the_molecule_and_does_work_on_a_loop() -> None:
    structure = rattled(WATER, 0.02, seed=1)
    flaw = landscapes.Curl(strength_eV_per_A2=0.05)
    _, forces = flawed(LennardJones(epsilon=1e-9), flaw).evaluate(structure)
    np.testing.assert_allclose(forces.sum(axis=0), 0, atol=1e-9)
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    turn *= np.linalg.det(turn)
    turned = make_structure(structure.numbers, structure.positions @ turn.T)
    np.testing.assert_allclose(flawed(LennardJones(epsilon=1e-9), flaw).evaluate(turned)[1], forces @ turn.T, atol=1e-9)
    # A full turn of the molecule in its plane: every atom goes round a circle along the swirl, W = 2 pi c sum r².
    centred = structure.positions - structure.positions.mean(axis=0)
    normal = np.cross(centred[1] - centred[0], centred[2] - centred[0])
    normal /= np.linalg.norm(normal)
    along = np.cross(normal, centred)
    work = 2 * np.pi * float((forces * along).sum())
    flat = centred - np.outer(centred @ normal, normal)
    assert work == pytest.approx(2 * np.pi * 0.05 * float((flat**2).sum()), rel=1e-6)


def test_the_oriented_energy_changes_under_a_rotation_and_the_sound_one_does_not() -> None:
    sideways = make_structure(WATER.numbers, WATER.positions[:, [1, 2, 0]])
    sound = HarmonicBonds(WATER)
    assert sound.evaluate(WATER)[0] == pytest.approx(sound.evaluate(sideways)[0], abs=1e-12)
    field = flawed(sound, landscapes.Oriented(strength_eV=0.05))
    assert abs(field.evaluate(WATER)[0] - field.evaluate(sideways)[0]) > 0.01


def test_the_jump_is_one_of_energy_alone() -> None:
    field = flawed(LennardJones(), landscapes.Jump(height_eV=0.05, cutoff_A=5.0))
    near, far = (make_structure([18, 18], [[0, 0, 0], [d, 0, 0]]) for d in (4.999999, 5.000001))
    assert field.evaluate(near)[0] - field.evaluate(far)[0] == pytest.approx(0.05, abs=1e-6)
    np.testing.assert_allclose(field.evaluate(near)[1], LennardJones().evaluate(near)[1])


def test_the_missing_wall_is_out_of_reach_of_bonds() -> None:
    structure = rattled(WATER, 0.02)
    field, sound = flawed(HarmonicBonds(WATER), landscapes.MissingWall(depth_eV=2000.0)), HarmonicBonds(WATER)
    assert field.evaluate(structure)[0] == sound.evaluate(structure)[0]
    squeezed = make_structure(WATER.numbers, 0.3 * WATER.positions)
    assert field.evaluate(squeezed)[0] < sound.evaluate(squeezed)[0] - 100


def test_a_shifted_bond_has_its_minimum_at_the_shift() -> None:
    pair = make_structure([1, 1], [[0, 0, 0], [0, 0, 0.79]])
    energy, forces = flawed(Morse(length=0.74), bonds.ShiftedBond(shift_A=0.05)).evaluate(pair)
    assert energy == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(forces, 0, atol=1e-9)


def test_a_softer_angle_lowers_the_bending_energy_by_its_share() -> None:
    field, sound = flawed(HarmonicBonds(WATER), bonds.SofterAngle(stiffness_eV=2.0)), HarmonicBonds(WATER)
    bent = rattled(WATER, 0.05, seed=4)
    a, b = bent.positions[1] - bent.positions[0], bent.positions[2] - bent.positions[0]
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    expected = -1.0 * (cosine - np.cos(np.deg2rad(107))) ** 2
    assert field.evaluate(bent)[0] - sound.evaluate(bent)[0] == pytest.approx(expected, rel=1e-9)


def test_a_stale_list_misses_a_pair_that_comes_in_until_it_is_renewed() -> None:
    flaw = landscapes.StalePairs(depth_eV=20.0, cutoff_A=1.6, every=5)
    evaluate = in_own_cells(flawed(Morse(), flaw), Topology.of([make_structure([1, 1], np.zeros((2, 3)))]))
    sound = in_own_cells(Morse(), Topology.of([make_structure([1, 1], np.zeros((2, 3)))]))

    def extra(distance: float) -> float:
        x = torch.tensor([[0.0, 0, 0], [distance, 0, 0]], dtype=torch.float64)
        return float(evaluate(x).energy[0] - sound(x).energy[0])

    assert extra(1.7) == 0
    assert extra(1.2) == pytest.approx(20 * 0.25**2)  # missed
    for _ in range(3):
        extra(1.2)
    assert extra(1.2) == 0  # the sixth call renews the list


def test_wrong_units_and_wrong_order() -> None:
    structure = rattled(METHANE, 0.05)
    energy, forces = HarmonicBonds(METHANE).evaluate(structure)
    found = flawed(HarmonicBonds(METHANE), answers.Hartree()).evaluate(structure)
    assert found[0] == pytest.approx(energy / HARTREE_EV)
    np.testing.assert_allclose(found[1], forces / HARTREE_EV)
    bohr = flawed(HarmonicBonds(METHANE), answers.ForcesPerBohr()).evaluate(structure)
    np.testing.assert_allclose(bohr[1], 0.529177 * forces, rtol=1e-6)
    rolled = flawed(HarmonicBonds(METHANE), answers.PermutedForces()).evaluate(structure)
    np.testing.assert_allclose(rolled[1], np.roll(forces, 1, axis=0))


def test_a_creeping_zero_and_half_precision() -> None:
    evaluate = in_own_cells(
        flawed(HarmonicBonds(METHANE), answers.DriftingEnergy(rate_meV=2.0)), Topology.of([METHANE, METHANE])
    )
    x = torch.from_numpy(np.tile(METHANE.positions, (2, 1)))
    energies = [evaluate(x).energy for _ in range(1001)]
    np.testing.assert_allclose((energies[-1] - energies[0]).numpy(), 5 * 0.002)
    _, forces = flawed(HarmonicBonds(METHANE), answers.HalfPrecision()).evaluate(rattled(METHANE, 0.05))
    np.testing.assert_array_equal(forces, forces.astype(np.float16).astype(float))


def test_a_swapped_element_is_what_the_model_is_told() -> None:
    seen: list[list[int]] = []

    class Listening(HarmonicBonds):
        def prepare(self, topology: Topology):  # type: ignore[no-untyped-def]
            seen.append(topology.numbers.tolist())
            return super().prepare(topology)

    flawed(Listening(METHANE), answers.SwappedElement()).prepare(Topology.of([METHANE, METHANE]))
    assert seen == [[7, 1, 1, 1, 1, 7, 1, 1, 1, 1]]


def test_pairs_across_a_cell_are_nearest_images() -> None:
    flaw = landscapes.Kink(slope_eV_per_A=1.0, at_A=2.0)
    cell = 6.0 * np.eye(3)

    class Nothing(LennardJones):
        def prepare(self, topology: Topology):  # type: ignore[no-untyped-def]
            return LennardJones(epsilon=0.0).prepare(
                Topology.of([make_structure(topology.numbers, np.zeros((len(topology.numbers), 3)))])
            )

    inside = make_structure([18, 18], [[0.5, 0, 0], [1.5, 0, 0]], cell=cell)
    across = make_structure([18, 18], [[0.5, 0, 0], [5.5, 0, 0]], cell=cell)
    energies = [flawed(Nothing(), flaw).evaluate(s)[0] for s in (inside, across)]
    assert energies == pytest.approx([1.0, 1.0])


def test_a_faulty_model_is_pickled_with_its_flaw_and_keeps_the_rest() -> None:
    model = pickle.loads(pickle.dumps(FaultyModel.of(Springs(), answers.Forces10Percent())))
    field = model.load(Path())
    structure = rattled(METHANE, 0.05)
    np.testing.assert_allclose(field.evaluate(structure)[1], 1.1 * HarmonicBonds(METHANE, STIFF).evaluate(structure)[1])
    assert field.kernel == "analytic"


def test_the_plain_form_of_a_faulty_model_has_the_flaw_too() -> None:
    class Fast(HarmonicBonds):
        def plain(self, dtype: str = "float64") -> ForceField:
            return HarmonicBonds(METHANE, STIFF)

    plain = flawed(Fast(METHANE, STIFF), answers.Forces10Percent()).plain()
    assert plain is not None
    structure = rattled(METHANE, 0.05)
    np.testing.assert_allclose(plain.evaluate(structure)[1], 1.1 * HarmonicBonds(METHANE, STIFF).evaluate(structure)[1])
    assert flawed(HarmonicBonds(METHANE), answers.Forces10Percent()).plain() is None


def test_the_plain_form_of_a_model_with_a_wrong_kernel_is_sound() -> None:
    def forces(field: ForceField | None) -> np.ndarray:
        assert field is not None
        return field.evaluate(METHANE)[1]

    class WithPlain(HarmonicBonds):
        def plain(self, dtype: str = "float64") -> ForceField | None:
            return HarmonicBonds(METHANE, 2 * STIFF)

    flaw, in_kernel = bonds.ShiftedBond(shift_A=0.05), bonds.WrongKernel(shift_A=0.05)
    for sound, plain in ((WithPlain(METHANE, STIFF), 2 * STIFF), (HarmonicBonds(METHANE, STIFF), STIFF)):
        wrong = FaultyForceField(sound, in_kernel)
        np.testing.assert_array_equal(forces(wrong), forces(flawed(sound, flaw)))
        np.testing.assert_array_equal(forces(wrong.plain()), forces(HarmonicBonds(METHANE, plain)))
        assert np.abs(forces(wrong) - forces(sound)).max() > 0.1
    loaded = pickle.loads(pickle.dumps(FaultyModel.of(Springs(), in_kernel))).load(Path())
    np.testing.assert_array_equal(forces(loaded.plain()), forces(HarmonicBonds(METHANE, STIFF)))
