"""The error tree. Everything a user can cause derives from `MDProtocolError`; anything else is our bug (exit code 4)."""

from __future__ import annotations

import signal
import traceback
from dataclasses import dataclass, field
from pathlib import Path


class MDProtocolError(Exception):
    """Base of every error that the program raises on purpose."""


class UsageError(MDProtocolError):
    """The protocol, a file it names or the command line is wrong: exit code 2."""


class CheckpointError(UsageError, ValueError):
    """A checkpoint cannot be read, or is not what its card says."""


class StructureError(UsageError, ValueError):
    """A system cannot be built, or a model cannot treat it."""


class PluginError(UsageError):
    """A plugin cannot be loaded, collides with another, or breaks its contract."""


class StoreError(MDProtocolError):
    """A results folder cannot be read or written."""


class NotMeasurable(MDProtocolError):
    """Raised by a metric that cannot measure this run; the text says why. It becomes NOT MEASURED, never a pass."""


class NoAnswer(NotMeasurable):
    """A model or a teacher gave no answer for a geometry (its SCF did not converge, say), or numbers that are none."""


REFUSALS = (NotMeasurable, StructureError)
"""What a model or a metric says where it has no answer: that is an observation. Any other error is somebody's mistake."""


class Interrupted(KeyboardInterrupt):
    """SIGINT or SIGTERM; what was done so far is on disk. The exit code is 128 plus the signal."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal = number


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong with a protocol, at the place where the user wrote it.

    Attributes:
        file: the path as the user gave it.
        line, column: 1-based.
        path: dotted path in the document, such as `simulations.nve.timestep_fs`.
        message: what is wrong; what is allowed; the nearest valid name.
    """

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        return f"{self.file}:{self.line}:{self.column}: {where}{self.message}"


@dataclass
class ProtocolError(UsageError):
    """All problems of a protocol at once, in the order of the file."""

    problems: list[Problem] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in sorted(self.problems))


def told(error: BaseException) -> str:
    """What another's code raised, in a line: its kind, its words, and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{in_words(error)}{where}"


def in_words(error: BaseException) -> str:
    """The kind of an error and what it says, in a line; what has no words (or raises when asked) has its kind."""
    try:
        words = " ".join(str(error).split())
    except BaseException as failure:
        if asked_to_stop(failure):
            raise
        words = ""
    return f"{type(error).__name__}: {words}"


def asked_to_stop(error: BaseException) -> bool:
    """Whether an exception says that the program was asked to stop, by a signal.

    All else that others' code raises is a failure of that code: SystemExit, GeneratorExit, and a KeyboardInterrupt too
    where SIGINT has a handler that raises something else.
    """
    if isinstance(error, Interrupted):
        return True
    return isinstance(error, KeyboardInterrupt) and signal.getsignal(signal.SIGINT) is signal.default_int_handler
