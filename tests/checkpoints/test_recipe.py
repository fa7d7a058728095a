"""The recipe in small: the teacher's labels, the sampling, seeds, and the command from nothing to a checkpoint."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import distil
import numpy as np
import pytest
from recipe import dataset, training
from recipe.batches import Data
from recipe.labels import LabelError, Teacher
from recipe.molecules import HELD_OUT, TARGETS, start, training_names
from recipe.sampling import Sampler

from mdprotocol_plugins.models.painn.checkpoint import load_checkpoint

TINY_AMOUNT = dataset.Amount({300.0: (1, 3)}, modes=4, per_bond=3, squeezed=3, every=2, warmup=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of water, methane and one molecule that is held out."""
    where = tmp_path_factory.mktemp("data")
    for file, names in (("train", ("water", "methane")), ("test", ("water",)), ("held_out", ("NH3",))):
        samples, dropped = [], dataset.Counter()
        for name in names:
            new, lost = dataset.draw(name, TINY_AMOUNT, seed=1, purpose=file)
            samples, dropped = samples + new, dropped + lost
        dataset.save(where / f"{file}.npz", samples, dropped)
    return where


def test_no_molecule_is_both_learnt_and_held_out():
    assert not set(training_names()) & set(HELD_OUT)
    assert len(set(training_names()) - set(TARGETS)) >= 25


@pytest.mark.parametrize("name", [*training_names(), *HELD_OUT])
def test_every_molecule_has_a_geometry_of_known_elements(name):
    atoms = start(name).atoms
    assert set(atoms.numbers.tolist()) <= set(training.ELEMENTS)
    assert len(start(name).bonds()) >= 1


def test_teacher_is_relaxed_at_the_stored_geometries():
    for name in TARGETS:
        atoms = start(name).atoms
        _, forces = Teacher(atoms.numbers)(atoms.positions)
        assert np.abs(forces).max() < 1e-3


def test_teacher_forces_are_the_gradient_of_its_energy():
    atoms = start("water").atoms
    teacher, h = Teacher(atoms.numbers), 1e-3
    x = atoms.positions + 0.05
    x[0, 1] += 0.1
    shift = np.zeros_like(x)
    shift[1, 2] = h
    numeric = -(teacher(x + shift)[0] - teacher(x - shift)[0]) / (2 * h)
    assert teacher(x)[1][1, 2] == pytest.approx(numeric, abs=1e-4)


def test_a_failing_teacher_is_counted_not_hidden(monkeypatch):
    sampler = Sampler(start("water"), np.random.default_rng(0))

    def fail(_positions: np.ndarray) -> None:
        raise LabelError("no convergence")

    monkeypatch.setattr(sampler, "teacher", fail)
    assert sampler.label("bond", sampler.start.atoms.positions) is None
    assert list(sampler.dynamics(300.0, 3, 1, 1, 1.0)) == []
    assert sampler.dropped["scf"] == 2


def test_sampling_is_seeded_and_purposes_do_not_share_it():
    one, again, other = (dataset.draw("water", TINY_AMOUNT, 3, p)[0] for p in ("train", "train", "test"))
    assert len(one) >= 10
    for a, b in zip(one, again, strict=True):
        np.testing.assert_allclose(a.positions, b.positions, rtol=0, atol=1e-9)
    assert not {s.positions.tobytes() for s in one} & {s.positions.tobytes() for s in other}


def test_equal_shapes_are_kept_once():
    samples = dataset.draw("water", TINY_AMOUNT, 3, "train")[0]
    assert len(dataset.deduplicate(samples + samples)) == len(samples)


def test_bonds_reach_half_their_length():
    sampler = Sampler(start("methane"), np.random.default_rng(0))
    lengths = [np.linalg.norm(s.positions[1:] - s.positions[0], axis=1) for s in sampler.bonds(20)]
    assert min(x.min() for x in lengths) < 0.75
    assert max(x.max() for x in lengths) > 1.6


def test_squeezes_reach_half_of_every_distance():
    sampler = Sampler(start("methane"), np.random.default_rng(0))
    relaxed = np.linalg.norm(sampler.start.atoms.positions[1] - sampler.start.atoms.positions[0])
    samples = list(sampler.squeezed(20))
    shares = [np.linalg.norm(s.positions[1] - s.positions[0]) / relaxed for s in samples]
    assert min(shares) < 0.55
    assert max(shares) < 1.05
    outward = [float((s.forces * (s.positions - s.positions.mean(axis=0))).sum()) for s in samples]
    assert min(outward) > 0, "the teacher pushes a squeezed molecule apart"


def test_hard_molecules_count_relative_to_their_forces(folder):
    data = Data(folder / "train.npz")
    scale = training.hardness(data.batch(np.arange(len(data))), soft_force=5.0)
    squeezed = data.kinds == "squeezed"
    assert (scale[~squeezed & (data.kinds == "md300")] == 1.0).all()
    batch = data.batch(np.flatnonzero(squeezed)[:1])
    rms = float((batch.forces**2).mean().sqrt())
    assert float(training.hardness(batch, 5.0)[0]) == pytest.approx(max(1.0, rms / 5.0))


def test_batches_keep_molecules_together(folder):
    data = Data(folder / "train.npz")
    chosen = np.array([0, len(data) - 1])
    batch = data.batch(chosen)
    assert batch.counts.tolist() == [3, 5]
    assert batch.pairs.shape == (2, 3 + 10)
    assert (batch.molecule[batch.pairs[0]] == batch.molecule[batch.pairs[1]]).all()
    np.testing.assert_array_equal(batch.energies.numpy(), data.energies[chosen])


def test_training_reduces_the_error_and_is_reproducible(folder):
    """By the loss that is trained on: the data set holds forces from 1 to 500 eV/Å, where a plain RMSE sees only the last."""
    data = Data(folder / "train.npz")
    settings = training.Settings(steps=60, batch=8, warmup=10, learning_rate=5e-3, average=0.9)
    everything = data.batch(np.arange(len(data)))

    def nothing(*_: object) -> None: ...

    def loss_after(steps: int) -> float:
        network, _ = training.train("ultra_tiny", data, replace(settings, steps=steps), nothing, nothing)
        return float(training.loss(network, everything, settings).detach())

    trained = loss_after(60)
    assert trained < 0.4 * loss_after(1)
    assert trained == loss_after(60)


def test_command_from_data_to_checkpoint(folder, tmp_path):
    arguments = ["train", "--student", "ultra_tiny", "--data", str(folder), "--out", str(tmp_path), "--steps", "3"]
    assert distil.main(arguments) == 0
    card, _ = load_checkpoint(tmp_path / "ultra_tiny.safetensors")
    assert card.facts["training"]["steps"] == 3
    assert card.facts["held_out"].keys() == {"NH3 bond", "NH3 md300", "NH3 modes", "NH3 squeezed"}
    assert distil.main(["test", *arguments[1:]]) == 0
    assert json.loads((tmp_path / "ultra_tiny.json").read_text())["sha256"] == card.sha256


@pytest.mark.slow
def test_command_from_nothing(tmp_path):
    """Every molecule, a hundredth of the samples: minutes where the full data set takes many."""
    arguments = ["all", "--student", "ultra_tiny", "--scale", "0.01", "--steps", "20"]
    assert distil.main([*arguments, "--data", str(tmp_path / "data"), "--out", str(tmp_path)]) == 0
    card, _ = load_checkpoint(tmp_path / "ultra_tiny.safetensors")
    assert set(card.facts["data"]["by_molecule"]) == set(training_names())
