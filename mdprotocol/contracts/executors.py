"""Executors: where and how independent tasks run."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol, TypeVar

from mdprotocol.contracts.base import Component

Task = TypeVar("Task")
Result = TypeVar("Result")


class Staff(Protocol):
    """Workers that stay; see `Executor.staff`."""

    def execute(
        self, work: Callable[[Any, Callable[[Any], None]], Any], tasks: Sequence[Any], on_event: Callable[[Any], None]
    ) -> Iterator[Any]:
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
    ) -> Iterator[Result | BaseException]:
        """Run `work(task, emit)` for every task; yield each result as it comes, or the exception that ended it.

        The exception says which task it ended by its attribute `task`, the place among `tasks` from 0.

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
