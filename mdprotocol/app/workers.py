"""The workers of a command: started once, and then used for all that can be divided, from the first probe to the last figure.

An executor that keeps no workers computes probes and runs; all else is then done here, one after the other.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any, TypeVar

from mdprotocol.contracts import Executor, Staff, TaskFailure
from mdprotocol.engine import tasks
from mdprotocol.errors import PluginError
from mdprotocol.protocol.schema import Protocol
from mdprotocol.registry import Registry

Item = TypeVar("Item")
Result = TypeVar("Result")
EventHandler = Callable[[Any], None]
Work = Callable[[Any, EventHandler], Any]
Placed = tuple[int, Any]
"""A job's place, with its result or its `TaskFailure`."""


class Workers:
    """The workers of one command; a context that they do not outlive."""

    def __init__(self, protocol: Protocol, registry: Registry, on_event: EventHandler) -> None:
        self.executor = protocol.executor or executor_named(registry, "processes")
        self._here = executor_named(registry, "serial")
        self._setup = functools.partial(tasks.prepare, registry.sources)
        self._on_event = on_event
        self._stack = ExitStack()
        self._staff: Staff | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *raised: Any) -> None:
        self._stack.close()

    def start(self, most: int) -> None:
        """Have at most so many ready; for the little that is left to do with finished runs it does not pay."""
        if self._staff is None:
            self._staff = self._stack.enter_context(self.executor.staff(self._setup, most))

    @property
    def stay(self) -> bool:
        """Whether there are workers that stay from one call to the next."""
        return self._staff is not None

    @property
    def at_once(self) -> int:
        """How many tasks are worked on at a time, as far as that is known."""
        count = getattr(self.executor, "count", None)
        return int(count()) if callable(count) else 1

    def execute(self, work: Work, jobs: Sequence[Any]) -> Iterator[Placed]:
        """Each job's place with its result, or with the failure that ended it, as they come.

        Raises:
            PluginError: the executor yields something else.
        """
        staff = self._staff
        found = (
            staff.execute(work, jobs, self._on_event)
            if staff is not None
            else self.executor.execute(work, jobs, self._on_event, self._setup)
        )
        return checked(found, len(jobs), self.executor.type)

    def alone(self, work: Work, jobs: Sequence[Any]) -> Iterator[Placed]:
        """The same, one after the other, with nothing beside."""
        if self._staff is None:
            yield from self._here.execute(work, jobs, self._on_event, self._setup)
            return
        for place, job in enumerate(jobs):
            yield from ((place, result) for _, result in self.execute(work, [job]))

    def beside(self, work: Work, jobs: Sequence[Any]) -> Iterator[Placed]:
        """The same for short jobs, for which no worker would be started."""
        return self.execute(work, jobs) if self.stay else self._here.execute(work, jobs, self._on_event, self._setup)

    def results(self, work: Work, jobs: Sequence[Any]) -> list[Any]:
        """Results in the order of the jobs, where each is needed: the first failure is raised."""
        found = dict[int, Any]()
        for place, result in self.execute(work, jobs):
            if isinstance(result, TaskFailure):
                raise result.exception()
            found[place] = result
        return [found[place] for place in range(len(jobs))]

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """The function's results in the order of the items; what a worker could not do is done here."""
        if self._staff is None:
            return [function(item) for item in items]
        found = dict(self.execute(tasks.call, [(function, item) for item in items]))
        return [
            function(item) if isinstance(found[place], TaskFailure) else found[place]
            for place, item in enumerate(items)
        ]


def checked(found: Iterable[Any], count: int, executor: str) -> Iterator[Placed]:
    """What an executor yields, if it keeps its contract; a task that it says nothing of has failed.

    Args:
        count: how many tasks it was given.
        executor: its name.

    Raises:
        PluginError: something else than a place and a result, a place that no task has, or one twice.
    """
    left = dict.fromkeys(range(count))
    for item in found:
        place = item[0] if isinstance(item, tuple) and len(item) == 2 else None
        if type(place) is not int or isinstance(item[1], BaseException):
            raise PluginError(f"executor '{executor}': expected (place, result or TaskFailure), got {item!r:.80}")
        if place not in left:
            again = "a second time" if 0 <= place < count else f"of {count} tasks"
            raise PluginError(f"executor '{executor}' yields task {place} {again}; it must yield each task once")
        del left[place]
        yield place, item[1]
    for place in left:
        yield place, TaskFailure("PluginError", f"executor '{executor}' gave neither a result nor a failure")


def executor_named(registry: Registry, name: str) -> Executor:
    """The executor of this name, as it is by default."""
    component = registry.entries["executors"][name].component()  # type: ignore[call-arg]
    assert isinstance(component, Executor)
    return component
