"""Components that leave: each ends the program, or tries to, at the place and in the way that `how` says."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from typing import Any, Literal

import numpy as np

from mdprotocol.api import (
    Evaluation,
    ForceField,
    Metric,
    Model,
    Quantity,
    Reporter,
    Structure,
    SystemSource,
    hookimpl,
)


class Leaving(BaseException):
    """No Exception."""


class Wordless(BaseException):
    """It raises when it is asked what it has to say."""

    def __str__(self) -> str:
        raise SystemExit(0)


def _recurse(depth: int = 0) -> int:
    return _recurse(depth + 1) + 1


def _raise(error: BaseException) -> None:
    raise error


def _later() -> None:
    def end() -> None:
        time.sleep(float(os.environ.get("LEAVE_AFTER", "0.2")))
        os._exit(0)

    threading.Thread(target=end, daemon=True).start()


def _close() -> None:
    for descriptor in (0, 1, 2):
        with contextlib.suppress(OSError):
            os.close(descriptor)


def _replace() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.close()
    sys.stdin = sys.stdout = sys.stderr = None


WAYS = {
    "exits": lambda: os._exit(0),
    "is killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "aborts": os.abort,
    "recurses": _recurse,
    "goes elsewhere": lambda: os.chdir("/"),
    "exits later": _later,
    "SystemExit": lambda: _raise(SystemExit(0)),
    "KeyboardInterrupt": lambda: _raise(KeyboardInterrupt()),
    "GeneratorExit": lambda: _raise(GeneratorExit()),
    "BaseException": lambda: _raise(Leaving("now")),
    "no words": lambda: _raise(Wordless()),
    "closes descriptors": _close,
    "replaces streams": _replace,
    "copies itself": lambda: os.fork() and os._exit(0),
}


def perhaps(how: str, place: str) -> None:
    """`place: way`, and here is the place."""
    where, _, way = how.partition(": ")
    if where == place:
        WAYS[way]()


perhaps(os.environ.get("LEAVE", ""), "import")


class LeavingField(ForceField):
    kernel = "leaving"

    def __init__(self, how: str) -> None:
        self.how = how

    def prepare(self, topology: Any) -> Any:
        import torch

        perhaps(self.how, "prepare")

        def evaluate(positions: Any, cells: Any) -> Any:
            perhaps(self.how, "evaluate")
            return Evaluation(torch.zeros(topology.copies, dtype=torch.float64), -positions)

        return evaluate


class LeavingModel(Model):
    """A model."""

    type: Literal["leaving"] = "leaving"
    how: str = ""

    def load(self, base: Any) -> Any:
        perhaps(self.how, "load")
        return LeavingField(self.how)

    def files(self, base: Any) -> Any:
        perhaps(self.how, "files")
        return ()


class LeavingSystem(SystemSource):
    """Water."""

    type: Literal["leaving"] = "leaving"
    how: str = ""

    def build(self, name: str, base: Any) -> Any:
        perhaps(self.how, "build")
        positions = np.array([[0.0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]])
        numbers, masses = np.array([8, 1, 1]), np.array([16.0, 1, 1])
        return Structure(name, numbers, positions, masses, np.zeros((3, 3)), np.zeros(3, dtype=bool))

    def files(self, base: Any) -> Any:
        return ()


class LeavingMetric(Metric):
    """A metric."""

    type: Literal["leaving"] = "leaving"
    quantities = {"x": Quantity("1", "x")}
    how: str = ""

    def measure(self, run: Any) -> Any:
        perhaps(self.how, "measure")
        return {"x": 1.0}


class LeavingReporter(Reporter):
    """A reporter."""

    type: Literal["leaving"] = "leaving"
    how: str = ""
    file: str = "leaving.txt"

    def render(self, report: Any) -> Any:
        if self.how == "render: waits":
            time.sleep(60)
        else:
            perhaps(self.how, "render")
        return {self.file: b'{"models": []}'}


@hookimpl
def mdprotocol_models() -> Any:
    return [LeavingModel]


@hookimpl
def mdprotocol_systems() -> Any:
    return [LeavingSystem]


@hookimpl
def mdprotocol_metrics() -> Any:
    return [LeavingMetric]


@hookimpl
def mdprotocol_reporters() -> Any:
    return [LeavingReporter]
