"""Frames of every run evaluated again by the model's plain form: which, when, and what is kept where there is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
import xarray as xr
from engine_kit import PairForces, SpringModel, make_batch, settings, springs, triangle
from test_resume import assert_same, datasets, finish

from mdprotocol.contracts import Evaluation, Evaluator, ForceField, Model, Topology
from mdprotocol.engine import journal
from mdprotocol.engine import plain as plain_module
from mdprotocol.engine.batch import run_batch
from mdprotocol.plan.steps import frames_of, plain_frames_of
from mdprotocol.plan.types import Batch
from mdprotocol.protocol.schema import Guards
from mdprotocol_plugins.integrators.velocity_verlet import VelocityVerlet


class Fast(ForceField):
    """Springs whose fast form errs by a hundredth in every force and has a plain form that does not."""

    kernel = "fast"
    plains: ClassVar[list[str]] = []
    calls: ClassVar[list[int]] = []
    """Copies in every call of the plain form."""

    def __init__(self, how: str = "") -> None:
        self.how = how

    def prepare(self, topology: Topology) -> Evaluator:
        evaluate = springs().prepare(topology)

        def erring(positions: torch.Tensor, cells: torch.Tensor) -> Evaluation:
            found = evaluate(positions, cells)
            return Evaluation(found.energy + 0.01, found.forces * 1.01)

        return erring

    def plain(self, dtype: str = "float64") -> ForceField:
        self.plains.append(dtype)
        if self.how == "cannot load":
            raise RuntimeError("no such network")
        return Plain(self.how)


class Plain(PairForces):
    """The plain form; it counts its calls, and may fail as told."""

    def __init__(self, how: str) -> None:
        super().__init__(springs().curve)
        self.how = how

    def prepare(self, topology: Topology) -> Evaluator:
        evaluate = super().prepare(topology)

        def counted(positions: torch.Tensor, cells: torch.Tensor) -> Evaluation:
            Fast.calls.append(topology.copies)
            if self.how == "raises":
                raise ValueError("out of its table")
            found = evaluate(positions, cells)
            if self.how == "one is missing":
                found.errors[1] = "no answer"
            if self.how == "one is not finite":
                found.forces[3] = torch.nan
            return found

        return counted


class FastModel(Model):
    type: str = "fast"
    how: str = ""

    def load(self, base: Path) -> ForceField:
        return Fast(self.how)


@pytest.fixture(autouse=True)
def counters() -> None:
    Fast.plains, Fast.calls = [], []


def batch_of(how: str = "", steps: int = 1000, record_every: int = 10, copies: int = 3) -> Batch:
    run = settings(VelocityVerlet(), steps, record_every=record_every, guard_every=10)
    return make_batch(run, FastModel(how=how), triangle(1.05), copies=copies)


def finished(batch: Batch, root: Path) -> list[xr.Dataset]:
    run_batch(batch, root, lambda event: None)
    return list(datasets(root).values())


def test_first_last_and_some_in_between_are_evaluated_again(tmp_path: Path) -> None:
    for run in finished(batch_of(), tmp_path):
        assert run.plain_frame.values.tolist() == [0, 50, 100]
        assert run.attrs["plain_failures"] == 0
        fast = run.isel(frame=run.plain_frame.values)
        np.testing.assert_allclose(fast.force.values, 1.01 * run.plain_force.values, rtol=1e-12)
        np.testing.assert_allclose(fast.potential_energy.values, 0.01 + run.plain_energy.values, rtol=1e-12)
        assert run.plain_force.attrs["units"] == "eV/Å"
        assert np.ptp(run.plain_energy.values) > 0  # it moves
    assert Fast.plains == ["float64"]  # once for the three runs
    assert Fast.calls == [3, 3, 3]  # one call for all frames of a run


@pytest.mark.parametrize(
    ("steps", "every", "count"), [(1, 1, 2), (120, 2, 2), (1000, 10, 3), (20_000, 20, 8), (9, 10, 1)]
)
def test_how_many_depends_on_the_planned_steps(steps: int, every: int, count: int) -> None:
    assert plain_frames_of(settings(VelocityVerlet(), steps, record_every=every)) == count


def test_they_do_not_depend_on_who_else_is_in_the_batch_nor_on_kills(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = batch_of()
    finish(batch, tmp_path / "whole", monkeypatch, None)
    for run in batch.runs:
        finish(replace(batch, runs=(run,)), tmp_path / "alone", monkeypatch, None)
    assert_same(tmp_path / "whole", tmp_path / "alone")
    monkeypatch.setattr(journal, "SEGMENT_SECONDS", 0.0)
    assert finish(batch, tmp_path / "killed", monkeypatch, 30) > 2
    assert_same(tmp_path / "whole", tmp_path / "killed")


def test_a_run_that_failed_is_evaluated_again_up_to_the_frame_in_which_it_did(tmp_path: Path) -> None:
    batch = batch_of(record_every=50)
    guards = Guards(bond_stretch=1.1, new_bond=None, max_temperature_factor=1e6)
    run = replace(batch.settings, guards=guards, guard_every=1)
    runs = tuple(replace(r, settings=run, temperature_K=1000.0 * (b + 1)) for b, r in enumerate(batch.runs))
    found = finished(replace(batch, settings=run, runs=runs), tmp_path)
    failed = [one for one in found if one.attrs["outcome"] == "failed"]
    assert failed
    for one in failed:
        assert one.plain_frame.values[0] == 0
        assert one.plain_frame.values[-1] == one.sizes["frame"] - 1
        np.testing.assert_allclose(one.force.values[-1], 1.01 * one.plain_force.values[-1], rtol=1e-12)


class Recorded:
    """A history in memory."""

    def __init__(self, *finite: bool) -> None:
        self.finite = finite

    def frames(self, b: int) -> int:
        return len(self.finite)

    def value(self, name: str, b: int, frame: int) -> np.ndarray:
        return np.array([0.0 if self.finite[frame] or name != "force" else np.inf])


def test_frames_that_are_not_finite_are_left_out() -> None:
    def chosen(text: str, count: int) -> list[int]:
        return plain_module.chosen_frames(Recorded(*(c == "x" for c in text)), 0, count)  # type: ignore[arg-type]

    assert chosen("xxxxxxxxx", 5) == [0, 2, 4, 6, 8]
    assert chosen("..xxxxxxx..", 4) == [2, 4, 6, 8]
    assert chosen("xx.xx", 3) == [0, 4]
    assert chosen("..x..", 8) == [2]
    assert chosen("xx", 8) == [0, 1]
    assert chosen("...", 8) == []


def test_a_model_without_a_plainer_form_has_none_of_it(tmp_path: Path) -> None:
    batch = make_batch(settings(VelocityVerlet(), 10), SpringModel(), triangle())
    for run in finished(batch, tmp_path):
        assert not [name for name in (*run.variables, *run.dims, *run.attrs) if str(name).startswith("plain")]


@pytest.mark.parametrize(
    ("how", "kept", "failures", "detail"),
    [
        ("cannot load", 0, 3, "frame 0: RuntimeError: no such network"),
        ("raises", 0, 3, "frame 0: ValueError: out of its table"),
        ("one is missing", 2, 1, "frame 50: no answer"),
        ("one is not finite", 2, 1, "frame 50: its energy or forces are not finite"),
    ],
)
def test_what_the_plain_form_does_not_answer_is_counted_with_its_reason(
    tmp_path: Path, how: str, kept: int, failures: int, detail: str
) -> None:
    for run in finished(batch_of(how), tmp_path):
        assert run.attrs["outcome"] == "completed"
        assert run.sizes.get("plain", 0) == kept
        assert (run.attrs["plain_failures"], run.attrs["plain_failure_detail"]) == (failures, detail)


def test_large_systems_are_evaluated_in_several_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finished(batch_of(copies=1), tmp_path / "one")
    monkeypatch.setattr(plain_module, "MOST_ATOMS", 6)
    Fast.calls = []
    finished(batch_of(copies=1), tmp_path / "several")
    assert Fast.calls == [2, 1]
    assert_same(tmp_path / "one", tmp_path / "several")
    assert frames_of(batch_of().settings) == 101
