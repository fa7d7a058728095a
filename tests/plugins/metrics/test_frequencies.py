"""Harmonic frequencies: against the Morse oscillator, against ASE, and with known faults of a model."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import molecule
from ase.calculators.emt import EMT
from ase.optimize import BFGS
from ase.vibrations import Vibrations as ASEVibrations

from mdprotocol.api import AMU_EV_FS2_PER_A2, NotMeasurable, Structure
from mdprotocol.testing import check_metric, make_structure, molecule_structure
from mdprotocol.testing.analytic import HarmonicBonds, Morse
from mdprotocol.testing.subjects import make_subject
from mdprotocol_plugins.metrics._vibrations import LIGHT_CM_PER_FS, fitted, vibrations
from mdprotocol_plugins.metrics.frequencies import Frequencies
from mdprotocol_plugins.models.ase.model import AseModel

WATER = molecule_structure("H2O", 0.05)
OPTIONS = {"fmax": 1e-5, "steps": 500, "step_A": 0.002}


def examined(model, reference, structure: Structure, **options):
    metric = Frequencies(**options)
    return check_metric(metric, metric.probe(make_subject(model, structure, reference=reference)))


def test_a_morse_molecule_vibrates_as_the_formula_says() -> None:
    """ω = a √(2D/μ)."""
    field = Morse(depth=4.75, width=1.94, length=0.74)
    found = vibrations(field, make_structure([1, 1], [[0, 0, 0], [0.8, 0.1, 0.2]]), **OPTIONS)
    reduced = 1.008 / 2 * AMU_EV_FS2_PER_A2
    expected = 1.94 * np.sqrt(2 * 4.75 / reduced) / (2 * np.pi * LIGHT_CM_PER_FS)
    assert found.wavenumbers == pytest.approx([expected], rel=1e-4)
    assert np.linalg.norm(found.positions[1] - found.positions[0]) == pytest.approx(0.74, abs=1e-5)
    assert found.largest_force < 1e-5


def test_a_molecule_vibrates_as_ase_says(tmp_path: Path) -> None:
    atoms = molecule("CH3OH")
    atoms.calc = EMT()
    BFGS(atoms, logfile=None).run(fmax=1e-5, steps=500)
    theirs = ASEVibrations(atoms, name=str(tmp_path / "vibrations"), delta=0.002)
    theirs.run()
    energies = theirs.get_energies() / 1.239841984e-4  # eV per cm⁻¹; imaginary ones are imaginary numbers
    expected = np.sort(np.real(energies) - np.imag(energies))[-12:]
    field = AseModel(calculator="ase.calculators.emt:EMT").load(Path())
    found = vibrations(field, molecule_structure("CH3OH"), **OPTIONS)
    assert len(found.wavenumbers) == 12
    np.testing.assert_allclose(found.wavenumbers[2:], expected[2:], rtol=2e-3, atol=2)
    flat = found.modes.reshape(12, -1)
    np.testing.assert_allclose(flat @ flat.T, np.eye(12), atol=1e-10)


@pytest.mark.parametrize(("structure", "modes"), [(WATER, 3), (molecule_structure("CO2"), 4)])
def test_rigid_motion_is_no_vibration(structure: Structure, modes: int) -> None:
    assert len(vibrations(HarmonicBonds(structure), structure, **OPTIONS).wavenumbers) == modes


def test_a_sound_model_passes() -> None:
    found = examined(HarmonicBonds(WATER, 20.2), HarmonicBonds(WATER, 20.0), WATER)
    assert found["shift_percent"] == pytest.approx(100 * (np.sqrt(1.01) - 1), rel=0.01)
    assert found["worst"] < 0.006 * 4500
    assert found["mae"] <= found["worst"]
    assert (found["imaginary"], found["geometry_rmsd"]) == (0, pytest.approx(0, abs=1e-4))


def test_a_longer_bond_is_found_by_its_length() -> None:
    x = WATER.positions.copy()
    bond = x[1] - x[0]
    x[1] += 0.05 * bond / np.linalg.norm(bond)
    shifted = dataclasses.replace(WATER, positions=x)
    found = examined(HarmonicBonds(shifted), HarmonicBonds(WATER), WATER)
    assert found["bond"] == pytest.approx(0.05, abs=1e-4)
    assert found["geometry_rmsd"] > 0.01


def test_a_softened_angle_is_found_by_its_worst_mode() -> None:
    """Water of springs: without the one between the hydrogens (reach), the bend has no restoring force."""
    found = examined(HarmonicBonds(WATER, reach=1.3), HarmonicBonds(WATER), WATER)
    bend = vibrations(HarmonicBonds(WATER), WATER, **OPTIONS).wavenumbers[0]
    assert found["worst"] == pytest.approx(bend, rel=0.1)
    assert found["mae"] < found["worst"]


def test_a_model_whose_minimum_is_a_saddle_has_imaginary_frequencies() -> None:
    straight = make_structure([8, 6, 8], [[0, 0, -1.2], [0, 0, 0], [0, 0, 1.2]])
    bent = make_structure([8, 6, 8], [[0.5, 0, -1.1], [0, 0, 0], [0.5, 0, 1.1]])
    found = examined(HarmonicBonds(bent), HarmonicBonds(straight), straight)
    assert found["imaginary"] == 2
    with pytest.raises(NotMeasurable, match="no minimum"):
        examined(HarmonicBonds(straight), HarmonicBonds(bent), straight)


class Kinked(HarmonicBonds):
    """A tip in the energy where the first bond is that of the structure: forces jump by `push` eV/Å within `width` Å."""

    push, width = 0.02, 1e-4
    bond = torch.from_numpy(WATER.positions[1] - WATER.positions[0])

    def prepare(self, topology):  # type: ignore[no-untyped-def]
        smooth = super().prepare(topology)

        def evaluate(p, cells):  # type: ignore[no-untyped-def]
            result = smooth(p, cells)
            away = p[1] - p[0] - self.bond
            root = (away @ away + self.width**2).sqrt()
            forces = result.forces.clone()
            forces[1] -= self.push * away / root
            forces[0] += self.push * away / root
            return dataclasses.replace(result, energy=result.energy + self.push * root, forces=forces)

        return evaluate


def test_a_kink_at_the_minimum_is_found_by_its_step() -> None:
    """The curvature of the tip is 2 push/step: frequencies depend on it."""
    smooth, kinked = (
        examined(field(WATER, 20.2), HarmonicBonds(WATER, 20.0), WATER) for field in (HarmonicBonds, Kinked)
    )
    assert smooth["kink"] < 1.0
    assert kinked["kink"] > 50.0


def test_modes_are_matched_by_their_motion_and_not_by_their_order() -> None:
    """Two nitrogen-like dimers far apart: in the model the stiff one is the other one, so each is off by the gap."""
    x = [[0, 0, 0], [1.1, 0, 0], [0, 9, 0], [1.1, 9, 0]]
    pair = make_structure([7, 7, 8, 8], x)

    class Springs(HarmonicBonds):
        def prepare(self, topology):  # type: ignore[no-untyped-def]
            import torch

            from mdprotocol.api import Evaluation

            first, second = self.stiffness  # type: ignore[misc]

            def evaluate(p, cells):  # type: ignore[no-untyped-def]
                vectors = torch.stack([p[1] - p[0], p[3] - p[2]])
                stretch = vectors.norm(dim=1) - 1.1
                k = torch.tensor([first, second], dtype=torch.float64)
                pull = (k * stretch / vectors.norm(dim=1))[:, None] * vectors
                forces = torch.stack([pull[0], -pull[0], pull[1], -pull[1]])
                return Evaluation((k * stretch**2).sum()[None] / 2, forces)

            return evaluate

    found = examined(Springs(pair, (30.0, 60.0)), Springs(pair, (60.0, 30.0)), pair)  # type: ignore[arg-type]
    gap = [np.sqrt(2 / (m * AMU_EV_FS2_PER_A2)) * (60**0.5 - 30**0.5) for m in (14.007, 15.999)]
    assert found["worst"] == pytest.approx(gap[0] / (2 * np.pi * LIGHT_CM_PER_FS), rel=1e-3)


def test_what_has_no_frequencies_is_not_measured() -> None:
    box = dataclasses.replace(WATER, cell=9 * np.eye(3), pbc=np.ones(3, dtype=bool))
    with pytest.raises(NotMeasurable, match="molecule"):
        examined(Morse(), Morse(), box)
    with pytest.raises(NotMeasurable, match="no reference"):
        examined(Morse(), None, WATER)
    with pytest.raises(NotMeasurable, match="a force of"):
        examined(Morse(), Morse(depth=4), make_structure([1, 1], [[0, 0, 0], [1.2, 0, 0]]), steps=1)
    with pytest.raises(NotMeasurable, match="says nothing"):
        examined(HarmonicBonds(WATER), HarmonicBonds(WATER), WATER)


def test_the_fit_turns_a_molecule_back() -> None:
    turn, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    found, placed = fitted(WATER.positions @ turn.T + 3.0, WATER.positions)
    np.testing.assert_allclose(placed, WATER.positions, atol=1e-10)
    np.testing.assert_allclose(found, turn, atol=1e-10)
