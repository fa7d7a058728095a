"""Labels are computed once: a run that is computed again takes over those of the file that it replaces."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
import xarray as xr
from engine_kit import SpringModel, make_batch, settings, springs, triangle
from test_resume import assert_same, datasets, finish

from mdprotocol.contracts import Evaluation, Evaluator, ForceField, Model, Topology
from mdprotocol.engine import labels
from mdprotocol.engine.batch import run_batch
from mdprotocol.engine.known import label_key
from mdprotocol.plan.types import Batch
from mdprotocol.store import ResultsFolder
from mdprotocol_plugins.integrators.velocity_verlet import VelocityVerlet


class Teacher(ForceField):
    """Stiffer springs that count their calls; where they remember, the answer creeps."""

    kernel = "teacher"
    asked: ClassVar[list[bytes]] = []

    def __init__(self, remembers: bool, refuses: bool) -> None:
        self.remembers, self.refuses = remembers, refuses

    def prepare(self, topology: Topology) -> Evaluator:
        evaluate, calls = springs(22.0).prepare(topology), 0

        def answer(positions: torch.Tensor, cells: torch.Tensor) -> Evaluation:
            nonlocal calls
            calls += 1
            self.asked.append(positions.numpy().tobytes())
            found = evaluate(positions, cells)
            shift = 1e-6 * calls if self.remembers else 0.0
            return Evaluation(found.energy + shift, found.forces, {0: "no answer"} if self.refuses else {})

        return answer


class TeacherModel(Model):
    type: str = "counting_teacher"
    level: int = 1
    remembers: bool = False
    refuses: bool = False

    def load(self, base: Path) -> ForceField:
        return Teacher(self.remembers, self.refuses)


@pytest.fixture(autouse=True)
def nothing_asked() -> None:
    Teacher.asked = []


def batch_of(number: int, every: int = 2, record_every: int = 4, steps: int = 96, **reference: Any) -> Batch:
    """Two runs; the identity is that of their number, as planning would have made it from their settings."""
    run = settings(VelocityVerlet(), steps, record_every=record_every, guard_every=4, reference_every=every)
    batch = make_batch(run, SpringModel(), triangle(1.05), reference=TeacherModel(**reference))
    return replace(batch, runs=tuple(replace(r, identity=f"{number}{b:063x}") for b, r in enumerate(batch.runs)))


def asked(batch: Batch, root: Path) -> int:
    """Run it; the number of frames that the reference was asked about."""
    Teacher.asked = []
    run_batch(batch, root, lambda event: None)
    return len(Teacher.asked)


@pytest.mark.parametrize(
    ("changed", "new"),
    [
        ({"every": 4}, 0),  # every second one of those that are known
        ({"every": 1}, 2 * 12),  # those in between
        ({"every": 1, "record_every": 8}, 0),  # the same frames, recorded less often
        ({"every": 2, "record_every": 6}, 2 * 4),  # steps 0, 12, 24, ... of which 0, 24, 48, ... are known
        ({"steps": 192}, 2 * 12),  # a longer run starts with the same frames
    ],
)
def test_what_is_known_is_not_asked_again(tmp_path: Path, changed: dict[str, int], new: int) -> None:
    assert asked(batch_of(1), tmp_path / "again") == 2 * 13
    other = batch_of(2, **changed)
    assert asked(other, tmp_path / "again") == new
    assert asked(other, tmp_path / "fresh") == sum(run.sizes["sample"] for run in datasets(tmp_path / "fresh").values())
    assert_same(tmp_path / "again", tmp_path / "fresh")  # bit by bit what the reference says itself


def test_another_reference_knows_nothing(tmp_path: Path) -> None:
    asked(batch_of(1), tmp_path)
    assert asked(batch_of(2, level=2), tmp_path) == 2 * 13


def test_other_atoms_at_the_same_places_are_asked_about(tmp_path: Path) -> None:
    asked(batch_of(1), tmp_path)
    other = batch_of(2)
    charged = replace(other, structures={"s": replace(other.structures["s"], charge=1)})
    assert asked(charged, tmp_path) == 2 * 13


def test_a_reference_that_remembers_is_asked_again(tmp_path: Path) -> None:
    asked(batch_of(1, remembers=True), tmp_path)
    assert asked(batch_of(2, remembers=True), tmp_path) == 2 * 13


def test_frames_without_a_label_are_asked_about_again(tmp_path: Path) -> None:
    asked(batch_of(1, refuses=True), tmp_path)
    assert asked(batch_of(2, refuses=True), tmp_path) == 2 * 13
    assert all(run.attrs["reference_failures"] == 13 for run in datasets(tmp_path).values())


def test_a_file_that_is_damaged_or_forged_knows_nothing(tmp_path: Path) -> None:
    asked(batch_of(1), tmp_path)
    first, second = (ResultsFolder(tmp_path).path(run.path) for run in batch_of(1).runs)
    with xr.open_dataset(first) as stored:
        forged = stored.load()
    forged["reference_energy"] = forged["reference_energy"] + 1.0
    forged.to_netcdf(first)  # whole, and without a seal
    content = bytearray(second.read_bytes())
    content[len(content) // 2] ^= 1
    second.write_bytes(content)
    assert asked(batch_of(2, every=4), tmp_path) == 2 * 7


@pytest.mark.parametrize("lost", ["sample_frame", "position", "reference_energy", "reference_force"])
def test_a_file_that_lacks_something_knows_nothing(tmp_path: Path, lost: str) -> None:
    asked(batch_of(1), tmp_path)
    folder = ResultsFolder(tmp_path)
    for run in batch_of(1).runs:
        with folder.open(run.path) as stored:
            maimed = stored.load().drop_vars(lost)
        folder.write_dataset(run.path, maimed)
    assert asked(batch_of(2), tmp_path) == 2 * 13


def test_taken_over_and_killed_ends_with_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked(batch_of(1), tmp_path / "killed")
    monkeypatch.setattr(labels, "SEGMENT_SECONDS", 0.0)
    assert finish(batch_of(2, every=1), tmp_path / "killed", monkeypatch, 5) > 2
    finish(batch_of(2, every=1), tmp_path / "whole", monkeypatch, None)
    assert_same(tmp_path / "whole", tmp_path / "killed")


def test_the_key_is_that_of_reference_and_atoms(tmp_path: Path) -> None:
    triangles = [triangle(1.05), triangle(1.2)]
    keys = [label_key(TeacherModel(), tmp_path, structure) for structure in triangles]
    assert keys[0] == keys[1]  # where the atoms are is the frame's to say
    periodic = replace(triangles[0], cell=np.eye(3) * 9.0, pbc=np.array([True] * 3))
    others = [
        label_key(TeacherModel(level=2), tmp_path, triangles[0]),
        label_key(TeacherModel(), tmp_path, replace(triangles[0], charge=-1)),
        label_key(TeacherModel(), tmp_path, replace(triangles[0], numbers=np.array([6, 6, 7]))),
        label_key(TeacherModel(), tmp_path, periodic),
    ]
    assert len({keys[0], *others}) == 5
