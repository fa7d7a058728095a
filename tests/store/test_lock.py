"""One writer a folder: who holds it is said, and a dead holder holds nothing."""

from __future__ import annotations

import errno
import json
import os
import platform
import signal
import subprocess
import sys
import threading
from pathlib import Path

import filelock
import psutil
import pytest

from mdprotocol.errors import StoreError, UsageError
from mdprotocol.store import ResultsFolder

HOLDER = """
import sys, time
from mdprotocol.store import ResultsFolder
with ResultsFolder(sys.argv[1]).locked():
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path: Path):
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path / "r")], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_a_second_writer_is_told_who_is_there_and_since_when(tmp_path: Path, holder) -> None:
    folder = ResultsFolder(tmp_path / "r")
    with pytest.raises(UsageError, match=rf"process {holder.pid} on .* writes there since \d{{4}}-"), folder.locked():
        pass
    for said in ("", "[" * 100_000, "[]", '{"pid": 1}'):  # it had no room to say who it is, or is no friend
        (tmp_path / "r" / ".lock.holder").write_text(said)
        with pytest.raises(UsageError, match="another process writes there"), folder.locked():
            pass
    folder.write_bytes("verdict.md", b"judged")  # readers and judges need no lock
    assert folder.exists("verdict.md")


def test_a_killed_writer_frees_the_folder(tmp_path: Path, holder) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with ResultsFolder(tmp_path / "r").locked():
        pass


def test_it_is_free_again_after_use_and_after_an_error(tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path / "r")
    with pytest.raises(ValueError, match="x"), folder.locked():
        raise ValueError("x")
    with folder.locked():
        assert (tmp_path / "r" / ".lock.holder").read_text().startswith('{"pid": ')
    assert (tmp_path / "r" / ".lock").read_text() == ""
    assert not (tmp_path / "r" / ".lock.holder").exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write into"), ResultsFolder(tmp_path / "file" / "r").locked():
        pass


def test_temporary_files_where_only_the_holder_writes_are_swept_whoever_they_name(tmp_path: Path) -> None:
    """The number of a dead process may be that of a new one."""
    from mdprotocol.store.atomic import _temporary_name

    folder = ResultsFolder(tmp_path)
    for place in ("runs/m", "work/k", "probes", "figures"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / _temporary_name("a")).write_bytes(b"half")
    assert folder.sweep() == 3
    assert [path.parent.name for path in tmp_path.rglob(".tmp-*")] == ["figures"]


def test_why_there_is_no_file_is_kept_for_the_run_that_was_planned(tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path)
    assert folder.problem("runs/a") == ""
    folder.write_problem("runs/a", "ff", "no memory")
    assert folder.problem("runs/a", "ff") == folder.problem("runs/a") == "no memory"
    assert folder.problem("runs/a", "00") == ""
    folder.forget_problem("runs/a")
    assert folder.problem("runs/a") == ""
    (tmp_path / "runs" / "b.error.json").write_text("[1]")
    assert folder.problem("runs/b") == ""


def test_what_worked_for_a_dead_process_is_waited_for(tmp_path: Path, holder) -> None:
    """The process that a user saw was killed, and the one that it guarded is about to end."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    facts = {"pid": dead.pid, "host": platform.node(), "since": "now"}
    (tmp_path / "r" / ".lock.holder").write_text(json.dumps(facts))
    ending = threading.Timer(0.3, holder.kill)
    ending.start()
    with ResultsFolder(tmp_path / "r").locked():
        assert json.loads((tmp_path / "r" / ".lock.holder").read_text())["pid"] == os.getpid()
    ending.join()


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without locks."""

    def lock(descriptor: int, *, blocking: bool = True) -> bool:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(filelock, "lock_descriptor", lock)


def test_a_file_system_without_locks_is_warned_of_and_leaves_nothing_behind(tmp_path: Path, no_locks: None) -> None:
    folder = ResultsFolder(tmp_path / "r")
    for _ in range(2):  # the first one keeps nobody out afterwards
        with pytest.warns(UserWarning, match="No locks available.*two runs"), folder.locked():
            assert json.loads((tmp_path / "r" / ".lock.holder").read_text())["pid"] == os.getpid()
    assert [path.name for path in (tmp_path / "r").iterdir()] == [".lock"]


def test_without_locks_a_holder_that_lives_here_is_respected(tmp_path: Path, holder, no_locks: None) -> None:
    folder = ResultsFolder(tmp_path / "r")
    with pytest.raises(UsageError, match=rf"process {holder.pid} on"), folder.locked():
        pass
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with pytest.warns(UserWarning, match="cannot be locked"), folder.locked():  # the dead hold nothing
        pass


@pytest.mark.parametrize("change", [{"host": "elsewhere"}, {"started": 1.0}, {"pid": 2**40}, {"pid": "x"}, {"pid": -1}])
def test_without_locks_nobody_waits_for_who_is_not_here(tmp_path: Path, no_locks: None, change: dict) -> None:
    """Processes of another machine cannot be seen, and the number of a dead process may be that of a new one."""
    parent = os.getppid()
    facts = {"pid": parent, "host": platform.node(), "since": "now", "started": psutil.Process(parent).create_time()}
    folder = tmp_path / "r"
    folder.mkdir()
    (folder / ".lock.holder").write_text(json.dumps(facts | change))
    with pytest.warns(UserWarning, match="cannot be locked"), ResultsFolder(folder).locked():
        pass
    (folder / ".lock.holder").write_text(json.dumps(facts))
    with pytest.raises(UsageError, match=f"process {parent}"), ResultsFolder(folder).locked():
        pass


def test_a_holder_that_is_a_link_empties_nothing(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("a year of work")
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / ".lock.holder").symlink_to(tmp_path / "precious")
    with ResultsFolder(tmp_path / "r").locked():
        assert json.loads((tmp_path / "r" / ".lock.holder").read_text())["pid"] == os.getpid()
    assert (tmp_path / "precious").read_text() == "a year of work"
