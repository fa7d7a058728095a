"""A self-test that is interrupted goes on where it was: finished trials are not repeated, and it finds the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mdprotocol.app.selftesting import TRIALS, selftest
from mdprotocol.app.sources import Source
from mdprotocol.app.trials import SPOILED, TRIAL
from mdprotocol.engine.events import BatchFinished, BatchStarted
from mdprotocol.errors import UsageError
from mdprotocol.store import ResultsFolder

PROTOCOL = """\
mdprotocol: 1
name: small
models: {trap: {type: harmonic_trap}}
reference: {type: harmonic_trap, stiffness_eV_per_A2: 1.01}
systems: {water: {type: builtin, name: water}}
simulations:
  nve:
    integrator: {type: velocity_verlet}
    timestep_fs: 0.5
    duration_ps: 0.02
    record_every_fs: 1
    reference_every_fs: 5
    temperatures_K: [10]
    replicas: 2
    guards: {bond_stretch: null, new_bond: null, max_temperature_factor: 1000000}
criteria:
  no_crash: {level: must, metric: stability.crashed, max: 0}
  forces: {level: must, metric: force_error.rmse, units: eV/Å, max: 0.5}
  gradient: {level: must, metric: force_consistency.relative, max: 0.003}
selftest: {sound: 2, power: 0.5}
executor: {type: serial}
"""
FAULTS = ("forces_10_percent", "skipped_simulation", "lost_variable")
TRIAL_COUNT = 2 + len(FAULTS)


class Events:
    """What was begun and finished; Ctrl-C after so many trials."""

    def __init__(self, after: int | None = None) -> None:
        self.begun: list[str] = []
        self.finished, self.after = 0, after

    def __call__(self, event: Any) -> None:
        if isinstance(event, BatchStarted):
            self.begun.append(event.label)
        if isinstance(event, BatchFinished):
            self.finished += 1
            if self.finished == self.after:
                raise KeyboardInterrupt


@pytest.fixture
def source(tmp_path: Path) -> Source:
    (tmp_path / "small.yaml").write_text(PROTOCOL)
    return Source(tmp_path / "small.yaml", plugins=("mdprotocol.testing.plugins",))


def found(folder: Path) -> Any:
    """The report without its times."""
    content = json.loads((folder / "selftest.json").read_text())
    content.pop("seconds", None)
    return content


def test_finished_trials_are_taken_over(source: Source, tmp_path: Path) -> None:
    whole = Events()
    selftest(source, tmp_path / "whole", whole, faults=FAULTS)
    assert len(whole.begun) == TRIAL_COUNT
    again = Events()
    for after in (1, 2, 1):
        events = Events(after)
        with pytest.raises(KeyboardInterrupt):
            selftest(source, tmp_path / "hurt", events, faults=FAULTS)
        again.begun += events.begun
        assert list((tmp_path / "hurt").glob(f"{TRIALS}/*/{TRIAL}"))
    selftest(source, tmp_path / "hurt", again, faults=FAULTS)
    assert sorted(again.begun) == sorted(whole.begun), "a finished trial was done again, or one was left out"
    assert found(tmp_path / "hurt") == found(tmp_path / "whole")
    assert not (tmp_path / "hurt" / TRIALS).exists()


def test_a_trial_whose_files_were_being_changed_begins_anew(source: Source, tmp_path: Path) -> None:
    selftest(source, tmp_path / "whole", Events(), faults=FAULTS)
    with pytest.raises(KeyboardInterrupt):
        selftest(source, tmp_path / "hurt", Events(TRIAL_COUNT), faults=FAULTS)
    spoiled = sorted((tmp_path / "hurt").glob(f"{TRIALS}/*/{SPOILED}"))
    assert len(spoiled) == len(FAULTS)
    for mark in spoiled:
        (mark.parent / TRIAL).unlink()
        ResultsFolder(mark.parent).write_json("half.json", {})
    events = Events()
    selftest(source, tmp_path / "hurt", events, faults=FAULTS)
    assert len(events.begun) == len(FAULTS)
    assert found(tmp_path / "hurt") == found(tmp_path / "whole")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"name": 1, "outcomes": {"a": "MAYBE"}}', '{"outcomes": []}'])
def test_a_trial_that_cannot_be_read_is_done_again(source: Source, tmp_path: Path, text: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        selftest(source, tmp_path / "out", Events(2), faults=FAULTS[:1])
    for path in (tmp_path / "out").glob(f"{TRIALS}/*/{TRIAL}"):
        path.write_text(text)
    events = Events()
    selftest(source, tmp_path / "out", events, faults=FAULTS[:1])
    assert len(events.begun) == 3


def test_another_protocol_takes_over_nothing_of_it(source: Source, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        selftest(source, tmp_path / "out", Events(2), faults=FAULTS[:1])
    other = Source(source.path, overrides=("criteria.forces.max=0.4",), plugins=source.plugins)
    events = Events()
    selftest(other, tmp_path / "out", events, faults=FAULTS[:1])
    assert len(events.begun) == 3


def test_one_at_a_time(source: Source, tmp_path: Path) -> None:
    with ResultsFolder(tmp_path / "out").locked(), pytest.raises(UsageError, match="is in use"):
        selftest(source, tmp_path / "out", Events(), faults=FAULTS[:1])
