"""A run expands its protocol and judges what it measured once, a look at a time where replicas are added; `--fresh`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from app_kit import Gate

from mdprotocol.app import Finished, RunOptions, Source, UntilDecided, judge, report, run, stored
from mdprotocol.assess import judge as judging
from mdprotocol.errors import UsageError
from mdprotocol.plan import study
from mdprotocol.report import build

PROTOCOL: dict[str, Any] = {
    "mdprotocol": 1,
    "name": "once",
    "models": {"m": {"type": "ase", "calculator": "ase.calculators.emt:EMT"}},
    "systems": {"copper": {"type": "bulk", "name": "Cu", "cubic": True}},
    "simulations": {
        "nve": {
            "integrator": {"type": "velocity_verlet"},
            "timestep_fs": 2,
            "duration_ps": 0.05,
            "temperatures_K": [300],
            "replicas": 2,
            "record_every_fs": 2,
        }
    },
    "criteria": {
        "drift": {"level": "must", "metric": "energy_drift.per_atom", "max": 1000},
        "still": {"level": "nice", "metric": "temperature.mean", "max": 1},
        "size": {"level": "must", "metric": "resources.parameters", "max": 10},
    },
    "reports": [{"type": "json"}],
    "executor": {"type": "serial"},
}
ONE_EACH = {"expand_runs": 1, "expand_probes": 1, "metrics_of": 1, "_judge_model": 1}

Run = Callable[..., Finished]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each of these was called; there is one model, so that one call judges once."""
    calls: Counter[str] = Counter()

    def count(module: Any, name: str) -> None:
        called = getattr(module, name)

        def wrapper(*arguments: Any) -> Any:
            calls[name] += 1
            return called(*arguments)

        monkeypatch.setattr(module, name, wrapper)

    for name in ("expand_runs", "expand_probes", "metrics_of"):
        count(study, name)
    count(judging, "_judge_model")
    monkeypatch.setattr(build, "draw", lambda report, spread=None: ())  # figures take longer than all the rest
    return calls


@pytest.fixture
def ran(tmp_path: Path) -> Run:
    """Run the protocol, with other sections perhaps, into the folder R."""

    def make(options: RunOptions | None = None, **sections: Any) -> Finished:
        path = tmp_path / "once.yaml"
        path.write_text(yaml.safe_dump({**PROTOCOL, **sections}))
        return run(Source(path), tmp_path / "R", "", lambda event: None, options or RunOptions())

    return make


def test_a_run_expands_and_judges_once(ran: Run, counted: Counter[str]) -> None:
    """Its diagnosis, reports and exit code included."""
    finished = ran()
    assert "still" in {result.name for result in finished.verdicts[0].criteria if result.outcome == "FAIL"}
    assert counted == ONE_EACH
    ran()
    assert counted == dict.fromkeys(ONE_EACH, 2), "running again is another run"


def test_judging_and_reporting_expand_and_judge_once(ran: Run, counted: Counter[str], tmp_path: Path) -> None:
    ran()
    for command in (judge, report):
        counted.clear()
        command(tmp_path / "R", stored(tmp_path / "R"))
        assert counted == ONE_EACH


def test_replicas_that_are_added_cost_one_of_each_a_look(ran: Run, counted: Counter[str]) -> None:
    """The bound lies within what two replicas leave open."""
    first = ran().verdicts[0].criteria
    (drift,) = [result.worst.measurement for result in first if result.name == "drift" and result.worst]
    close = drift.value + 2 * drift.standard_error
    criteria = {**PROTOCOL["criteria"], "drift": {**PROTOCOL["criteria"]["drift"], "max": close}}
    counted.clear()
    finished = ran(RunOptions(until=UntilDecided(max_replicas=4), diagnosis=False), criteria=criteria)
    looks = 2
    assert finished.verdicts[0].runs_planned == 4
    assert counted == {name: looks * count for name, count in ONE_EACH.items()}


def test_starting_over_deletes_nothing_but_results(gate: Gate) -> None:
    mine = gate.results / "figures" / "paper.pdf"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(UsageError, match="not a results folder"):
        gate.run(fresh=True)
    assert mine.read_text() == "mine"
    gate.run(out=".")
    with pytest.raises(UsageError, match="holds the protocol itself"):
        gate.run(out=".", fresh=True)
    assert gate.path.exists()
