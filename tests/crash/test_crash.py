"""Kills at random and at file system calls, full and broken disks: what is left in the end is what it would have been.

A few of each by default, and with the slow tests a kill at every write boundary; all calls, and a hundred kills of
`smoke.yaml`, with `-m exhaustive` (or by the two scripts).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
SMOKE = HERE.parents[1] / "protocols" / "smoke.yaml"
MODES = ("kill", "kill in write", "disk full", "broken disk", "short writes", "read-only")


def every_call(library: Path, work: Path, mode: str, stride: int) -> dict[str, Any]:
    command = [sys.executable, str(HERE / "every_call.py"), str(work), mode, str(stride)]
    environment = os.environ | {"LD_PRELOAD": str(library), "CI": "true"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def check(found: dict[str, Any]) -> None:
    """Nothing is lost, and no fault is an accident: the run ends with a verdict that is open, or says what is wrong."""
    assert found["wrong"] == []
    assert found["unreadable"] == []
    killed = {"kill": {"-9"}, "kill at boundary": {"-9"}, "kill in write": {"-9", "0"}}
    allowed = killed.get(found["mode"], {"0", "3", "4"})
    assert set(found["codes"]) <= allowed, found["codes"]  # 0: the k-th call was no write


@pytest.mark.parametrize("mode", MODES)
def test_a_fault_at_some_file_system_calls(faulty: Path, quick_disk: Path, mode: str) -> None:
    found = every_call(faulty, quick_disk, mode, 301)
    assert found["cases"] >= 3
    check(found)


@pytest.mark.slow
def test_a_kill_at_every_write_boundary(faulty: Path, quick_disk: Path) -> None:
    """Before everything that another process can see: a file that gets its name, one that goes, a folder, the lock."""
    found = every_call(faulty, quick_disk, "kill at boundary", 1)
    assert found["cases"] > 50
    check(found)


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.parametrize("mode", MODES)
def test_a_fault_at_every_file_system_call(faulty: Path, quick_disk: Path, mode: str) -> None:
    found = every_call(faulty, quick_disk, mode, 1)
    assert found["cases"] > 200
    check(found)


def random_kills(protocol: Path, kills: int, work: Path, *arguments: str) -> None:
    command = [sys.executable, str(HERE / "random_kills.py"), str(protocol), "--kills", str(kills), "--work", str(work)]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    assert json.loads(done.stdout.splitlines()[-1])["kills"] == kills


def test_some_random_kills(quick_disk: Path) -> None:
    random_kills(HERE / "short.yaml", 5, quick_disk, "--between", "0.05", "0.6")


@pytest.mark.slow
@pytest.mark.exhaustive
def test_a_hundred_random_kills_of_the_smoke_protocol(quick_disk: Path) -> None:
    random_kills(SMOKE, 100, quick_disk, "--between", "1", "12")
