"""No plugin ends the program with 0, and none takes other models with it: the exit code is decided elsewhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from cli_kit import protocol_of

from mdprotocol.cli import guard, main

PLUGIN = str(Path(__file__).with_name("leaving_plugin.py"))
BASE = protocol_of("leaving")
PROCESSES = {"type": "processes", "workers": 1}


def written(folder: Path, **changes: Any) -> Path:
    path = folder / "leaving.yaml"
    path.write_text(yaml.safe_dump({**BASE, **changes}))
    return path


def command(folder: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "mdprotocol", *arguments, "--plugin", PLUGIN]


def run(folder: Path, *, leave: str = "", after: str = "", **changes: Any) -> subprocess.CompletedProcess[str]:
    """As a user runs it."""
    return subprocess.run(
        command(folder, "run", str(written(folder, **changes)), "-o", str(folder / "out"), "-q"),
        env={**os.environ, "LEAVE": leave, "LEAVE_AFTER": after or "0.2"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def decisions(folder: Path) -> dict[str, str]:
    found = json.loads((folder / "out/verdict.json").read_text(encoding="utf-8"))["models"]
    return {verdict["model"]: verdict["decision"] for verdict in found}


PLACES: dict[str, dict[str, Any]] = {
    "import": {},
    "files": {"models": {"m": {"type": "leaving", "how": "files: exits"}}},
    "build": {"systems": {"water": {"type": "leaving", "how": "build: exits"}}},
    "evaluate": {"models": {"m": {"type": "leaving", "how": "evaluate: exits"}}},
    "measure": {
        "metrics": {"x": {"type": "leaving", "how": "measure: exits"}},
        "criteria": {"x": {"level": "must", "metric": "x.x", "max": 2}},
    },
    "render": {"reports": [{"type": "leaving", "how": "render: exits"}]},
}


@pytest.mark.parametrize("place", PLACES)
def test_exit_0_from_inside_is_an_internal_error(tmp_path: Path, place: str) -> None:
    """`os._exit(0)` under `serial`, where nothing but another process could tell."""
    ended = run(tmp_path, leave="import: exits" if place == "import" else "", **PLACES[place])
    assert ended.returncode == 4, ended.stderr
    said = "the program was ended from inside, by a plugin or a calculator (exit code 0), before it had a verdict"
    assert ended.stderr.splitlines()[-1] == f"mdprotocol: {said}"
    assert "Traceback" not in ended.stderr


def test_exit_0_while_the_reports_are_written(tmp_path: Path) -> None:
    """By a thread, after verdict.json: it is there, and still this call has not come to its end."""
    reports = [{"type": "json"}, {"type": "leaving", "how": "render: waits"}]
    models = {"sound": {"type": "leaving"}, "m": {"type": "leaving", "how": "prepare: exits later"}}
    ended = run(tmp_path, after="8", models=models, reports=reports)
    assert ended.returncode == 4, ended.stderr


def test_exit_0_before_a_command_without_a_verdict_is_done(tmp_path: Path) -> None:
    ended = subprocess.run(
        command(tmp_path, "check", str(written(tmp_path))),
        env={**os.environ, "LEAVE": "import: exits"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 4
    assert "before it was done" in ended.stderr


def test_a_copy_of_the_process_speaks_for_nobody(tmp_path: Path) -> None:
    """The original exits with 0, and a copy that it made goes on to the end."""
    ended = run(tmp_path, models={"m": {"type": "leaving", "how": "load: copies itself"}})
    assert ended.returncode == 4


@pytest.mark.parametrize(("way", "number"), [("is killed", signal.SIGKILL), ("aborts", signal.SIGABRT)])
def test_a_signal_that_ends_the_work_ends_the_program(tmp_path: Path, way: str, number: int) -> None:
    ended = run(tmp_path, models={"m": {"type": "leaving", "how": f"evaluate: {way}"}})
    assert ended.returncode == -number, ended.stderr
    assert f"ended by signal {int(number)} " in ended.stderr


WAYS = ("SystemExit", "KeyboardInterrupt", "GeneratorExit", "BaseException", "no words", "recurses")


def test_whatever_a_model_raises_ends_its_own_runs_only(tmp_path: Path) -> None:
    """Under `serial`, at every place where its code is called."""
    models = {
        f"m{k}": {"type": "leaving", "how": f"{place}: {way}"}
        for k, (place, way) in enumerate((p, w) for p in ("load", "prepare", "evaluate") for w in WAYS)
    }
    path = written(tmp_path, models={**models, "sound": {"type": "leaving"}})
    assert main(["run", str(path), "-o", str(tmp_path / "out"), "-q", "--plugin", PLUGIN]) == 3
    found = decisions(tmp_path)
    assert found.pop("sound") == "APPROVED"
    assert set(found.values()) == {"UNDECIDED"}
    for name, model in models.items():
        way = model["how"].partition(": ")[2]
        problem = json.loads((tmp_path / f"out/runs/{name}/water/nve/T300K_r0.error.json").read_text())["problem"]
        kind = {"no words": "Wordless", "BaseException": "Leaving", "recurses": "RecursionError"}.get(way, way)
        assert kind in problem, problem


def test_the_same_on_workers_where_ending_is_no_more_than_that(tmp_path: Path) -> None:
    ways = ("SystemExit", "exits")
    models = {f"m{k}": {"type": "leaving", "how": f"evaluate: {way}"} for k, way in enumerate(ways)}
    ended = run(tmp_path, models={**models, "sound": {"type": "leaving"}}, executor=PROCESSES)
    assert ended.returncode == 3, ended.stderr
    found = decisions(tmp_path)
    assert found.pop("sound") == "APPROVED"
    assert set(found.values()) == {"UNDECIDED"}


@pytest.mark.parametrize("executor", [BASE["executor"], PROCESSES], ids=["serial", "processes"])
def test_streams_that_a_calculator_takes_away_are_not_the_verdict_s(tmp_path: Path, executor: dict[str, Any]) -> None:
    ways = ("closes descriptors", "replaces streams")
    models = {f"m{k}": {"type": "leaving", "how": f"evaluate: {way}"} for k, way in enumerate(ways)}
    ended = run(tmp_path, models=models, executor=executor)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("APPROVED") == 2


@pytest.mark.parametrize("place", ["load", "prepare", "evaluate", "measure"])
@pytest.mark.parametrize("executor", [{"type": "serial"}, PROCESSES], ids=["serial", "processes"])
def test_a_plugin_that_goes_to_another_folder_takes_no_results_with_it(
    tmp_path: Path, executor: dict[str, Any], place: str
) -> None:
    metrics = {"speed": {"type": "leaving", "how": f"{place}: goes elsewhere"}} if place == "measure" else {}
    criteria = {**BASE["criteria"], **({"speed": {"level": "nice", "metric": "speed.x", "max": 9}} if metrics else {})}
    models = {name: {"type": "leaving", "how": f"{place}: goes elsewhere"} for name in ("first", "second")}
    path = written(tmp_path, executor=executor, models=models, metrics=metrics, criteria=criteria)
    command_line = command(tmp_path, "run", path.name, "-o", "out", "-q")
    done = subprocess.run(command_line, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "verdict.json").read_text())["models"][0]["decision"] == "APPROVED"
    assert len(list((tmp_path / "out").rglob("runs/**/*.nc"))) == 2


@pytest.mark.parametrize("way", ["SystemExit", "KeyboardInterrupt", "GeneratorExit"])
def test_plugins_that_leave_before_the_first_step_are_problems(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], way: str
) -> None:
    systems = {"water": {"type": "leaving", "how": f"build: {way}"}}
    models = {"m": {"type": "leaving", "how": f"files: {way}"}}
    path = written(tmp_path, models=models, systems=systems)
    assert main(["check", str(path), "--plugin", PLUGIN]) == 2
    said = capsys.readouterr().err
    assert f"models.m: its plugin raised {way}" in said


# ------------------------------------------------------------------------------------------------- the verdict file


@pytest.mark.parametrize("reports", [[], [{"type": "csv"}]], ids=["none", "csv"])
def test_the_verdict_file_is_written_whatever_the_reports(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], reports: list[Any]
) -> None:
    path = written(tmp_path, reports=reports)
    assert main(["run", str(path), "-o", str(tmp_path / "out"), "-q", "--plugin", PLUGIN]) == 0
    assert decisions(tmp_path) == {"sound": "APPROVED"}
    assert "verdict.md" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("verdict.json", "is written by the reporter 'json' only"),
        ("./verdict.json", "is written by the reporter 'json' only"),
        ("verdict.csv", "was written by another reporter"),
        ("Runs/x", "is no name for a report"),
    ],
)
def test_no_reporter_writes_another_s_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, said: str
) -> None:
    reports = [{"type": "csv"}, {"type": "leaving", "file": file}, {"type": "json"}]
    path = written(tmp_path, reports=reports)
    assert main(["run", str(path), "-o", str(tmp_path / "out"), "-q", "--plugin", PLUGIN]) == 4
    assert said in capsys.readouterr().err
    assert decisions(tmp_path) == {"sound": "APPROVED"}


def test_0_needs_the_verdict_file_that_was_written(tmp_path: Path) -> None:
    file = tmp_path / "verdict.json"
    digest = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"  # of `foo`
    assert guard.problem(guard.Ended(0)) == "no verdict file was written"
    assert "cannot be read" in guard.problem(guard.Ended(0, (str(file), digest)))
    file.write_text("bar")
    assert "is not the one that was written" in guard.problem(guard.Ended(0, (str(file), digest)))
    file.write_text("foo")
    assert not guard.problem(guard.Ended(0, (str(file), digest)))
    assert not guard.problem(guard.Ended(1))


# ------------------------------------------------------------------------------------------------------- signals


class Sent:
    """What was sent on, instead of a kill."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.numbers = 0.0, list[int]()
        monkeypatch.setattr(os, "kill", lambda child, number: self.numbers.append(number))
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


@pytest.mark.parametrize("order", ["here first", "there first"])
def test_a_signal_that_reached_both_is_not_sent_on(monkeypatch: pytest.MonkeyPatch, order: str) -> None:
    """Ctrl-C on a terminal goes to the whole group: a second one would mean `at once`."""
    sent = Sent(monkeypatch)
    signals = guard.Signals(1)
    steps = [signals.came, signals.reached]
    for step in steps if order == "here first" else reversed(steps):
        step(signal.SIGINT)
        signals.send_on()
    sent.now = 1.0
    signals.send_on()
    assert sent.numbers == []


def test_a_signal_that_came_here_only_is_sent_on_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = Sent(monkeypatch)
    signals = guard.Signals(1)
    signals.came(signal.SIGINT)
    sent.now = 1.0
    signals.send_on()
    assert sent.numbers == [signal.SIGINT]
    signals.reached(signal.SIGINT)  # that one
    signals.came(signal.SIGINT)  # and another
    sent.now = 2.0
    signals.send_on()
    assert sent.numbers == [signal.SIGINT] * 2


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere it may take a second")
def test_a_guard_that_is_killed_leaves_nobody_behind(tmp_path: Path) -> None:
    """And the same command can begin at once: it is not told that a dead process writes there."""
    path = written(
        tmp_path, models={"sound": {"type": "leaving"}}, reports=[{"type": "leaving", "how": "render: waits"}]
    )
    process = subprocess.Popen(command(tmp_path, "run", str(path), "-o", str(tmp_path / "out"), "-q"))
    deadline = time.monotonic() + 120
    while not (tmp_path / "out/verdict.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (child,) = psutil.Process(process.pid).children()
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert main(["run", str(path), "-o", str(tmp_path / "out"), "-q", "--plugin", PLUGIN, "--set", "reports=[]"]) == 0
    child.wait(10)
