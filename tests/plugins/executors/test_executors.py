"""Executors: every task gets its result or its exception; dying workers; Ctrl-C; nothing left running."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import tasks_kit
from pydantic import ValidationError

from mdprotocol.contracts import Executor, TaskFailure
from mdprotocol.registry import build_registry
from mdprotocol_plugins.executors.processes import Processes
from mdprotocol_plugins.executors.serial import Serial

EXECUTORS = [Serial(), Processes(workers=1), Processes(workers=2)]
executors = pytest.mark.parametrize("executor", EXECUTORS, ids=["serial", "one worker", "two workers"])


def placed(
    executor: Executor, tasks: list[tuple[str, Any]], setup: Any = tasks_kit.setup
) -> tuple[dict[int, Any], list[Any]]:
    """Results by the places of their tasks, each of which comes once; and the events."""
    events: list[Any] = []
    found = list(executor.execute(tasks_kit.work, tasks, events.append, setup))
    assert sorted(place for place, _ in found) == list(range(len(tasks)))
    return dict(found), events


def run(executor: Executor, tasks: list[tuple[str, Any]], setup: Any = tasks_kit.setup) -> tuple[list[Any], list[Any]]:
    found, events = placed(executor, tasks, setup)
    return list(found.values()), events


def test_registered() -> None:
    assert {"serial", "processes"} <= set(build_registry().names("executors"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_copy_that_a_task_makes_of_its_worker_says_nothing() -> None:
    said: list[Any] = []
    tasks = [("copy", place) for place in range(4)]
    found = list(Processes(workers=1).execute(tasks_kit.work, tasks, said.append, tasks_kit.setup))
    assert found == [(place, place) for place in range(4)]
    assert said.count("twice?") == 4


@executors
def test_a_failure_is_a_value_in_its_task_s_place(executor: Executor) -> None:
    results, _ = placed(executor, [("square", 2), ("raise", 7), ("raise unpicklable", 0), ("leave", 0)])
    assert results[0] == 4
    assert results[1] == TaskFailure("ValueError", "task 7 is wrong")
    assert isinstance(results[1].error, ValueError)
    assert results[2] == TaskFailure("Unpicklable", "holds a lock")
    assert results[3] == TaskFailure("SystemExit", "0")
    for failure in (results[1], results[2], results[3]):
        assert "tasks_kit.py" in failure.traceback
        assert str(failure) in failure.traceback
        assert not failure.died
    assert results[2].error is results[3].error is None
    assert str(results[2].exception()) == "Unpicklable: holds a lock"


def test_a_worker_that_dies_once_is_replaced_and_its_task_done(tmp_path: Path) -> None:
    results, _ = run(Processes(workers=1), [("die once", str(tmp_path / "died")), ("square", 3)])
    assert sorted(map(str, results)) == ["9", "well"]


def test_a_task_that_hangs_is_tried_once_more_and_given_up() -> None:
    executor = Processes(workers=2, task_timeout_s=4.0)
    found, events = placed(executor, [("hang", 0), ("murmur", 30)])
    results = [found[0], found[1]]
    assert [r for r in results if not isinstance(r, TaskFailure)] == ["done"]
    (failure,) = (r for r in results if isinstance(r, TaskFailure))
    assert "no sign of life for 4 s" in str(failure)
    assert failure.died
    assert events.count(("began", "hang", 0)) == 2


def test_workers_are_told_to_stop_and_write_their_checkpoint(tmp_path: Path) -> None:
    told: list[Any] = []

    def on_event(event: Any) -> None:
        told.append(event)
        if event == "ready":
            raise KeyboardInterrupt

    tasks = [("checkpoint", str(tmp_path / "a"))]
    with pytest.raises(KeyboardInterrupt):
        list(Processes(workers=1).execute(tasks_kit.work, tasks, on_event, tasks_kit.setup))
    assert (tmp_path / "a").read_text() == "written"
    assert multiprocessing.active_children() == []


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    beat = tmp_path / "beat"
    script = tmp_path / "program.py"
    script.write_text(f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import tasks_kit
from mdprotocol_plugins.executors.processes import Processes
if __name__ == "__main__":
    list(Processes(workers=1).execute(tasks_kit.work, [("beat", {str(beat)!r})], lambda event: None, tasks_kit.setup))
""")
    process = subprocess.Popen([sys.executable, str(script)])
    try:
        wait_for([beat])
    finally:
        process.kill()
        process.wait()
    assert not alive([beat])


def test_options() -> None:
    assert Processes(workers=3).count() == 3
    assert Processes().count() >= 1
    for wrong in (0, -1, "many", 1.5):
        with pytest.raises(ValidationError):
            Processes(workers=wrong)
    with pytest.raises(ValidationError):
        Processes(task_timeout_s=0)


@executors
def test_every_task_gets_its_result_or_its_exception(executor: Executor) -> None:
    tasks = [("square", 2), ("raise", 7), ("square", 3), ("raise unpicklable", 0), ("square", 4)]
    results, events = run(executor, tasks)
    assert sorted(r for r in results if isinstance(r, int)) == [4, 9, 16]
    errors = sorted((r for r in results if isinstance(r, TaskFailure)), key=str)
    assert "holds a lock" in str(errors[0])
    assert isinstance(errors[1].error, ValueError)
    assert str(errors[1]) == "ValueError: task 7 is wrong"
    assert sorted(map(str, events)) == sorted(str(("began", *task)) for task in tasks)


@executors
def test_no_tasks_no_results(executor: Executor) -> None:
    assert run(executor, []) == ([], [])


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_that_dies_loses_its_task_only(workers: int) -> None:
    tasks = [("exit", 3), ("square", 2), ("kill", 0), ("square", 3), ("return unpicklable", 0)]
    results, _ = run(Processes(workers=workers), tasks)
    assert sorted(r for r in results if isinstance(r, int)) == [4, 9]
    texts = " | ".join(sorted(str(r) for r in results if isinstance(r, TaskFailure)))
    assert "exit code 3" in texts
    assert "killed" in texts
    assert len(results) == 5


def test_workers_are_set_up_once_on_one_thread_and_reused() -> None:
    before = dict(os.environ)
    results, _ = run(Processes(workers=1), [("facts", 0)] * 3)
    assert dict(os.environ) == before
    assert len({result["pid"] for result in results}) == 1
    assert results[0]["pid"] != os.getpid()
    for result in results:
        assert result["ready"] == ["set up"]
        assert result["threads"] == ["1", "1", "1"]


def test_a_failing_setup_is_said_as_it_is() -> None:
    with pytest.raises(ValueError, match="no such plugin"):
        run(Processes(workers=2), [("square", 1)] * 3, tasks_kit.broken_setup)


def test_workers_that_stay_are_ready_before_the_first_task_and_do_several_kinds_of_work() -> None:
    with Processes(workers=2).staff(tasks_kit.setup, 2) as staff:
        assert staff is not None
        pids = {child.pid for child in multiprocessing.active_children()}
        assert len(pids) == 2
        facts = [fact for _, fact in staff.execute(tasks_kit.work, [("facts", 0)] * 4, lambda event: None)]
        assert all(fact["ready"] == ["set up"] for fact in facts)
        others = [found for _, found in staff.execute(tasks_kit.other, [1, 2, 3], lambda event: None)]
        assert sorted(task for task, _ in others) == [1, 2, 3]
        assert {fact["pid"] for fact in facts} | {pid for _, pid in others} <= pids
    assert multiprocessing.active_children() == []


def test_a_worker_that_dies_while_it_waits_costs_no_task() -> None:
    with Processes(workers=8).staff(tasks_kit.setup, 1) as staff:
        assert staff is not None
        (child,) = multiprocessing.active_children()
        child.kill()
        child.join()
        results = list(staff.execute(tasks_kit.work, [("square", 3), ("square", 4)], lambda event: None))
        assert results == [(0, 9), (1, 16)]
    assert multiprocessing.active_children() == []


def test_workers_that_stay_say_that_their_setup_fails_before_the_first_task() -> None:
    with pytest.raises(ValueError, match="no such plugin"), Processes(workers=2).staff(tasks_kit.broken_setup, 2):
        pass
    assert multiprocessing.active_children() == []


def test_workers_that_stay_are_told_to_stop_when_their_task_is_left(tmp_path: Path) -> None:
    beat = tmp_path / "beat"
    with Processes(workers=2).staff(tasks_kit.setup, 2) as staff:
        assert staff is not None
        results = staff.execute(tasks_kit.work, [("beat", str(beat)), ("square", 2)], lambda event: None)
        assert next(results) == (1, 4)
        wait_for([beat])
    assert not alive([beat])
    assert multiprocessing.active_children() == []


def test_an_executor_keeps_no_workers_unless_it_says_so() -> None:
    with Serial().staff(tasks_kit.setup, 2) as staff:
        assert staff is None


def alive(beats: list[Path]) -> bool:
    """Whether anybody still writes to one of the files."""
    before = [beat.read_text() for beat in beats]
    time.sleep(0.5)
    return [beat.read_text() for beat in beats] != before


def wait_for(beats: list[Path]) -> None:
    deadline = time.monotonic() + 60
    while not all(beat.exists() and beat.read_text() for beat in beats):
        assert time.monotonic() < deadline, "the workers never began"
        time.sleep(0.05)


def test_leaving_early_ends_the_workers(tmp_path: Path) -> None:
    beat = tmp_path / "beat"
    results = Processes(workers=2).execute(
        tasks_kit.work, [("beat", str(beat)), ("square", 2)], lambda event: None, tasks_kit.setup
    )
    assert next(iter(results)) == (1, 4)
    wait_for([beat])
    results.close()  # type: ignore[attr-defined]
    assert not alive([beat])
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("whom", ["group", "parent"])
def test_ctrl_c_ends_the_workers(tmp_path: Path, whom: str) -> None:
    """In a terminal everyone gets the signal; from a script the parent alone does. Neither leaves a worker behind."""
    beats = [tmp_path / "a", tmp_path / "b"]
    program = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import tasks_kit
from mdprotocol_plugins.executors.processes import Processes
if __name__ == "__main__":
    tasks = [("beat", {str(beats[0])!r}), ("beat", {str(beats[1])!r})]
    try:
        list(Processes(workers=2).execute(tasks_kit.work, tasks, lambda event: None, tasks_kit.setup))
    except KeyboardInterrupt:
        sys.exit(130)
"""
    script = tmp_path / "program.py"
    script.write_text(program)
    process = subprocess.Popen([sys.executable, str(script)], start_new_session=True, stderr=subprocess.PIPE, text=True)
    try:
        wait_for(beats)
        if whom == "group":
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert complaints == ""
    assert not alive(beats)
