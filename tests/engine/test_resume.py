"""A batch that is interrupted anywhere and run again leaves files that are bitwise those of an uninterrupted one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from engine_kit import SpringModel, equilibration, make_batch, settings, springs, triangle

from mdprotocol.contracts import Evaluation, ForceField, Integrator, Model
from mdprotocol.engine import journal, labels, loop
from mdprotocol.engine.batch import run_batch
from mdprotocol.engine.journal import Journal
from mdprotocol.engine.stopping import Stop
from mdprotocol.errors import StoreError
from mdprotocol.plan.types import Batch
from mdprotocol.protocol.schema import Guards
from mdprotocol.store import ResultsFolder
from mdprotocol.store.work import Work
from mdprotocol_plugins.integrators.bussi import Bussi
from mdprotocol_plugins.integrators.langevin import Langevin
from mdprotocol_plugins.integrators.nose_hoover import NoseHoover
from mdprotocol_plugins.integrators.velocity_verlet import VelocityVerlet

INTEGRATORS = [VelocityVerlet(), Langevin(), Bussi(relaxation_fs=20.0), NoseHoover(chain_length=4)]


class Killed(BaseException):
    """Ends a batch as a kill does: nothing but what is on disk is left."""


def finish(batch: Batch, root: Path, monkeypatch: pytest.MonkeyPatch, segments: int | None) -> int:
    """Run a batch to its end, killing it after every so many segments; the number of kills."""
    append, kills = Work.append, 0
    while True:
        written = 0

        def killing(self: Work, *args: object) -> None:
            nonlocal written
            append(self, *args)  # type: ignore[arg-type]
            written += 1
            if segments is not None and written == segments:
                raise Killed

        monkeypatch.setattr(Work, "append", killing)
        try:
            run_batch(batch, root, lambda event: None)
        except Killed:
            kills += 1
        else:
            return kills


def datasets(root: Path) -> dict[str, xr.Dataset]:
    folder = ResultsFolder(root)
    return {run: folder.open(run + ".nc").load() for run in folder.run_ids()}


def assert_same(one: Path, other: Path) -> None:
    first, second = datasets(one), datasets(other)
    assert list(first) == list(second)
    assert first
    for run, dataset in first.items():
        xr.testing.assert_identical(dataset, second[run])
        for name, variable in dataset.variables.items():
            assert variable.values.tobytes() == second[run][name].values.tobytes() or variable.dtype.kind not in "fi"


@pytest.mark.parametrize("integrator", INTEGRATORS, ids=lambda i: i.type)
@pytest.mark.parametrize("seconds", [0.0, 1e9], ids=["a segment a step", "full segments"])
def test_killed_and_resumed_is_bitwise_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, integrator: Integrator, seconds: float
) -> None:
    stage = equilibration(Langevin(friction_per_ps=20.0), 21)
    run = settings(integrator, 42, record_every=3, guard_every=2, equilibration=stage)
    batch = make_batch(run, SpringModel(), triangle(1.05), copies=3)
    assert finish(batch, tmp_path / "whole", monkeypatch, None) == 0
    monkeypatch.setattr(journal, "SEGMENT_SECONDS", seconds)
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 4000)
    kills = finish(batch, tmp_path / "killed", monkeypatch, 1)
    assert kills > (20 if seconds == 0 else 2)
    assert_same(tmp_path / "whole", tmp_path / "killed")
    assert not list((tmp_path / "killed" / "work").iterdir())


def test_failing_copies_labels_and_failed_labels_survive_kills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guards = Guards(bond_stretch=1.4, new_bond=None, max_temperature_factor=1e6)
    run = settings(Langevin(), 80, record_every=2, reference_every=3, guards=guards)
    batch = make_batch(run, SpringModel(stiffness=3.0), triangle(), copies=6, reference=SpringModel(fails_beyond=1.2))
    batch = replace(batch, runs=tuple(replace(r, temperature_K=600.0 * (b + 1)) for b, r in enumerate(batch.runs)))
    finish(batch, tmp_path / "whole", monkeypatch, None)
    monkeypatch.setattr(journal, "SEGMENT_SECONDS", 0.0)
    monkeypatch.setattr(labels, "SEGMENT_SECONDS", 0.0)
    assert finish(batch, tmp_path / "killed", monkeypatch, 8) > 8
    assert_same(tmp_path / "whole", tmp_path / "killed")
    found = datasets(tmp_path / "whole").values()
    assert {run.attrs["outcome"] for run in found} == {"completed", "failed"}
    assert sum(run.attrs["reference_failures"] for run in found) > 0
    assert sum(run.sizes["sample"] for run in found) > 0


class Drifting(ForceField):
    """A force field with a memory: every call adds a little to what the next one answers."""

    kernel, remembers = "drifting", True

    def prepare(self, topology):
        evaluate, calls = springs().prepare(topology), 0

        def drifting(positions, cells):
            nonlocal calls
            calls += 1
            found = evaluate(positions, cells)
            return Evaluation(found.energy + 1e-6 * calls, found.forces * (1 + 1e-6 * calls))

        return drifting


class DriftingModel(Model):
    type: str = "drifting"

    def load(self, base):
        return Drifting()


def test_a_model_that_remembers_starts_anew_at_fixed_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "RENEW_STEPS", 20)
    monkeypatch.setattr(labels, "SEGMENT_LABELS", 4)
    run = settings(VelocityVerlet(), 110, record_every=3, reference_every=2, guard_every=4)
    run = replace(run, equilibration=equilibration(Langevin(), 30))
    batch = make_batch(run, DriftingModel(), triangle(), reference=DriftingModel())
    finish(batch, tmp_path / "whole", monkeypatch, None)
    assert finish(batch, tmp_path / "killed", monkeypatch, 1) > 6
    assert_same(tmp_path / "whole", tmp_path / "killed")
    other = make_batch(batch.settings, SpringModel(), triangle())
    finish(other, tmp_path / "other", monkeypatch, None)
    with pytest.raises(AssertionError):  # the memory shows in the numbers
        assert_same(tmp_path / "whole", tmp_path / "other")


def test_a_damaged_segment_is_not_gone_on_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "SEGMENT_SECONDS", 0.0)
    batch = make_batch(settings(Langevin(), 40), SpringModel(), triangle())
    finish(batch, tmp_path / "whole", monkeypatch, None)

    class Stopping(Exception):
        pass

    keep, kept = Journal.keep, 0

    def stopping(self, *args):
        nonlocal kept
        keep(self, *args)
        kept += 1
        if kept == 30:
            raise Stopping

    monkeypatch.setattr(Journal, "keep", stopping)
    with pytest.raises(Stopping):
        run_batch(batch, tmp_path / "hurt", lambda event: None)
    segments = sorted((tmp_path / "hurt" / "work").rglob("*.seg"))
    damaged = bytearray(segments[20].read_bytes())
    damaged[-100] ^= 1
    segments[20].write_bytes(damaged)
    begun = []
    monkeypatch.setattr(
        Journal, "keep", lambda self, facts, arrays: (begun.append(facts["step"]), keep(self, facts, arrays))
    )
    run_batch(batch, tmp_path / "hurt", lambda event: None)
    assert begun[0] == 21  # segment k holds step k + 1: the first twenty are good
    assert_same(tmp_path / "whole", tmp_path / "hurt")


def test_another_kernel_does_not_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "SEGMENT_SECONDS", 0.0)
    made = loop.Loop(springs(), [triangle()], [300.0], [1], settings(VelocityVerlet(), 4))
    made.run()
    work, stop, offsets = Work(ResultsFolder(tmp_path), "k"), Stop(), np.array([0, 3])
    work.begin({"a": 1})
    facts, arrays = made.checkpoint()
    work.append("md", 0, facts | {"kernel": "fused"}, arrays)
    assert Journal(work, "fused", stop, offsets).latest is not None
    assert Journal(work, "torch", stop, offsets).latest is None
    assert Journal(work, "fused", stop, np.array([0, 4])).latest is None
    work.begin({"a": 2})  # other versions
    assert Journal(work, "fused", stop, offsets).latest is None


def test_a_folder_that_has_vanished_is_not_made_again(tmp_path: Path) -> None:
    work = Work(ResultsFolder(tmp_path / "results"), "k")
    work.begin({})
    (tmp_path / "results").rename(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="vanished"):
        work.append("md", 0, {}, {"x": np.zeros(1)})
    assert not (tmp_path / "results").exists()
