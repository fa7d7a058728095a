"""Tasks for executors, in a module that worker processes can import."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ready: list[str] = []


def setup() -> None:
    ready.append("set up")


def other(task: int, emit: Callable[[Any], None]) -> tuple[int, int]:
    """Another kind of work, for workers that have done `work`."""
    return task, os.getpid()


def broken_setup() -> None:
    raise ValueError("no such plugin")


class Unpicklable(Exception):
    def __init__(self, lock: Any) -> None:
        super().__init__("holds a lock")
        self.lock = lock


def work(task: tuple[str, Any], emit: Callable[[Any], None]) -> Any:
    what, value = task
    emit(("began", what, value))
    if what == "square":
        return value * value
    if what == "raise":
        raise ValueError(f"task {value} is wrong")
    if what == "raise unpicklable":
        raise Unpicklable(threading.Lock())
    if what == "leave":
        raise SystemExit(0)
    if what == "return unpicklable":
        return threading.Lock()
    if what == "copy":  # which goes on as if it were the worker
        os.fork()
        emit("twice?")
        return value
    if what == "exit":
        os._exit(value)
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "facts":
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        return {"pid": os.getpid(), "ready": list(ready), "threads": [os.environ.get(name) for name in names]}
    if what == "beat":  # until somebody ends the process
        while True:
            Path(value).write_text(str(time.monotonic_ns()))
            time.sleep(0.02)
    if what == "die once":  # and be well the second time
        if not Path(value).exists():
            Path(value).write_text("")
            os.kill(os.getpid(), signal.SIGKILL)
        return "well"
    if what == "hang":
        time.sleep(600)
    if what == "murmur":  # long, but not silent
        for _ in range(value):
            time.sleep(0.2)
            emit("still there")
        return "done"
    if what == "checkpoint":  # as a batch does when it is told to stop
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            emit("ready")  # in here: the signal may come before this returns
            time.sleep(600)
        finally:
            Path(value).write_text("written")
    raise AssertionError(what)
