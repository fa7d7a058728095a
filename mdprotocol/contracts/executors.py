"""Executors: where and how independent tasks run."""

from __future__ import annotations

import contextlib
import pickle
import traceback
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from mdprotocol.contracts.base import Component
from mdprotocol.errors import asked_to_stop, in_words
from mdprotocol.surroundings import kept_folder, kept_streams

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True)
class TaskFailure:
    """Why a task has no result: a value that any process can read.

    Attributes:
        kind: name of the exception's class.
        message: what it said.
        traceback: where it was raised, as Python prints it; empty where nothing was raised.
        died: the worker died, or was ended, before it could say anything.
        error: the exception, where it is an Exception that can be pickled.
    """

    kind: str
    message: str
    traceback: str = field(default="", compare=False)
    died: bool = False
    error: Exception | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, error: BaseException) -> TaskFailure:
        """The failure that an exception is. What it raises when it is asked for its words does not count."""
        kind, _, message = in_words(error).partition(": ")
        lines = ""
        with contextlib.suppress(Exception):  # its words, or those of its cause, may raise
            lines = "".join(traceback.format_exception(error))
        return cls(kind, message, lines, error=_portable(error))

    def __str__(self) -> str:
        return self.message if self.died else f"{self.kind}: {self.message}"

    def exception(self) -> Exception:
        """An exception to raise in its place, with the traceback as a note."""
        error = self.error or RuntimeError(str(self))
        if self.traceback and self.traceback not in getattr(error, "__notes__", ()):
            error.add_note(self.traceback)
        return error


def _portable(error: BaseException) -> Exception | None:
    """A copy of the error as another process would get it.

    None of what is no Exception (SystemExit and its like): where it arrives it must not end anything.
    """
    copy: Any = None
    with contextlib.suppress(Exception):
        copy = pickle.loads(pickle.dumps(error))
    return copy if isinstance(copy, Exception) else None


def attempt(work: Callable[[], Result]) -> Result | TaskFailure:
    """The result of a piece of work, or the failure that ended it: whatever a plugin raises ends its own task only.

    Raises:
        KeyboardInterrupt: the program was asked to stop, by a signal.
    """
    try:
        with kept_streams(), kept_folder():
            return work()
    except BaseException as error:
        if asked_to_stop(error):
            raise
        return TaskFailure.of(error)


class Staff(Protocol):
    """Workers that stay; see `Executor.staff`."""

    def execute(
        self, work: Callable[[Any, Callable[[Any], None]], Any], tasks: Sequence[Any], on_event: Callable[[Any], None]
    ) -> Iterator[tuple[int, Any]]:
        """As `Executor.execute`."""


class Executor(Component):
    """Base of executors: runs independent tasks, in any order, with a determinate result each."""

    @abstractmethod
    def execute(
        self,
        work: Callable[[Task, Callable[[Any], None]], Result],
        tasks: Sequence[Task],
        on_event: Callable[[Any], None],
        setup: Callable[[], None],
    ) -> Iterator[tuple[int, Result | TaskFailure]]:
        """Run `work(task, emit)` for every task; yield each task's place from 0 with its result or its failure, as it comes.

        Every place comes once. `mdprotocol.api.attempt` makes a failure of whatever a task raises; a request to stop
        (Ctrl-C, SIGTERM) is no failure of a task, and ends the caller.

        Args:
            work: a picklable function; `emit(event)` sends picklable progress events to `on_event` in the caller.
            setup: a picklable function called once in every worker before its first task.
        """

    def staff(self, setup: Callable[[], None], most: int) -> AbstractContextManager[Staff | None]:
        """Workers that stay for several calls, set up and waiting when the context begins; None where none are kept.

        Args:
            setup: as for `execute`.
            most: more would have nothing to do.
        """
        return nullcontext()
