"""Signals: the first writes a checkpoint and leaves, the second leaves at once; memory that is too small halves a batch."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import torch
from engine_kit import SpringModel, make_batch, settings, triangle
from test_resume import DriftingModel, assert_same

from mdprotocol.contracts import Model
from mdprotocol.engine import batch as engine_batch
from mdprotocol.engine import events, tasks
from mdprotocol.engine.batch import run_batch
from mdprotocol.engine.stopping import Stop, deferred
from mdprotocol.errors import Interrupted
from mdprotocol_plugins.integrators.langevin import Langevin


@pytest.fixture(autouse=True)
def _talkative(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mdprotocol.engine.loop.REPORT_SECONDS", 0.0)
    monkeypatch.setattr(engine_batch, "REPORT_SECONDS", 0.0)


def signalled(number: int, at: int, kind: type = events.Progress):
    """An event handler that sends this process a signal at the at-th event of a kind."""
    seen = 0

    def emit(event: events.Event) -> None:
        nonlocal seen
        seen += type(event) is kind
        if type(event) is kind and seen == at:
            signal.raise_signal(number)

    return emit


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("model", [SpringModel(), DriftingModel()], ids=["plain", "remembers"])
def test_the_first_signal_checkpoints_and_leaves(tmp_path: Path, number: int, model: Model) -> None:
    before = signal.getsignal(number)
    batch = make_batch(settings(Langevin(), 60, reference_every=6), model, triangle(), reference=SpringModel())
    run_batch(batch, tmp_path / "whole", lambda event: None)
    with pytest.raises(Interrupted) as caught:
        run_batch(batch, tmp_path / "stopped", signalled(number, 25))
    assert caught.value.signal == number
    assert signal.getsignal(number) is before
    segments = sorted(path.name for path in (tmp_path / "stopped" / "work").rglob("*.seg"))
    assert segments == ([] if isinstance(model, DriftingModel) else ["md-000000.seg"])
    steps: list[int] = []
    run_batch(batch, tmp_path / "stopped", lambda e: steps.append(e.step) if isinstance(e, events.Progress) else None)
    assert steps[0] == (1 if isinstance(model, DriftingModel) else 26)
    assert_same(tmp_path / "whole", tmp_path / "stopped")


def test_a_signal_while_runs_are_written_keeps_those_that_are(tmp_path: Path) -> None:
    batch = make_batch(
        settings(Langevin(), 20, reference_every=4), SpringModel(), triangle(), 3, reference=SpringModel()
    )
    run_batch(batch, tmp_path / "whole", lambda event: None)
    with pytest.raises(Interrupted):
        run_batch(batch, tmp_path / "stopped", signalled(signal.SIGTERM, 19, events.Event))  # 18 labels are made first
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "stopped").rglob("*.nc")}
    assert len(written) == 1
    run_batch(batch, tmp_path / "stopped", lambda event: None)
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert_same(tmp_path / "whole", tmp_path / "stopped")


def test_the_second_signal_leaves_at_once() -> None:
    with pytest.raises(Interrupted), deferred() as stop:
        _twice(stop)


def _twice(stop: Stop) -> None:
    signal.raise_signal(signal.SIGINT)
    assert stop.signal == signal.SIGINT
    with pytest.raises(Interrupted):
        signal.raise_signal(signal.SIGINT)


def test_a_signal_that_came_too_late_for_a_checkpoint_is_not_forgotten() -> None:
    with pytest.raises(Interrupted), deferred():
        signal.raise_signal(signal.SIGTERM)


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with deferred() as stop:
            signal.raise_signal(signal.SIGINT)
        assert stop.signal == 0
    finally:
        signal.signal(signal.SIGINT, before)


def test_nobody_has_asked() -> None:
    Stop().leave_if_asked()


class Hungry(SpringModel):
    """Springs that have memory for so many copies."""

    type: str = "hungry"
    copies: int = 2

    def load(self, base):
        inner, most = super().load(base), self.copies
        prepare = inner.prepare

        def limited(topology):
            if topology.copies > most:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return prepare(topology)

        inner.prepare = limited
        return inner


def test_a_batch_that_is_too_large_for_memory_goes_in_halves(tmp_path: Path) -> None:
    batch = make_batch(settings(Langevin(), 10), Hungry(), triangle(), 5)
    outcomes = tasks.compute((batch, tmp_path / "halves"), lambda event: None)
    assert [outcome.outcome for outcome in outcomes] == ["completed"] * 5
    run_batch(
        make_batch(settings(Langevin(), 10), Hungry(copies=9), triangle(), 5), tmp_path / "whole", lambda event: None
    )
    assert_same(tmp_path / "halves", tmp_path / "whole")
    assert not list((tmp_path / "halves" / "work").iterdir())


def test_a_copy_that_is_too_large_for_memory_is_lost(tmp_path: Path) -> None:
    with pytest.raises(torch.OutOfMemoryError):
        tasks.compute((make_batch(settings(Langevin(), 10), Hungry(copies=0), triangle(), 3), tmp_path), lambda e: None)
