"""The workers of a command: started once, and then used for all that can be divided, from the first probe to the last figure.

An executor that keeps no workers computes probes and runs; all else is then done here, one after the other.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any, TypeVar

from mdprotocol.contracts import Executor, Staff
from mdprotocol.engine import tasks
from mdprotocol.protocol.schema import Protocol
from mdprotocol.registry import Registry

Item = TypeVar("Item")
Result = TypeVar("Result")
EventHandler = Callable[[Any], None]
Work = Callable[[Any, EventHandler], Any]


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

    def execute(self, work: Work, jobs: Sequence[Any]) -> Iterator[Any]:
        """Results of the jobs, or the exceptions that ended them, as they come."""
        if self._staff is not None:
            return self._staff.execute(work, jobs, self._on_event)
        return self.executor.execute(work, jobs, self._on_event, self._setup)

    def alone(self, work: Work, jobs: Sequence[Any]) -> Iterator[Any]:
        """The same, one after the other, with nothing beside."""
        if self._staff is None:
            yield from self._here.execute(work, jobs, self._on_event, self._setup)
            return
        for place, job in enumerate(jobs):
            for result in self._staff.execute(work, [job], self._on_event):
                if isinstance(result, BaseException):
                    result.task = place  # type: ignore[attr-defined]
                yield result

    def beside(self, work: Work, jobs: Sequence[Any]) -> Iterator[Any]:
        """The same for short jobs, for which no worker would be started."""
        return self.execute(work, jobs) if self.stay else self._here.execute(work, jobs, self._on_event, self._setup)

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """The function's results in the order of the items; what a worker could not do is done here."""
        if self._staff is None:
            return [function(item) for item in items]
        found: dict[int, Result] = {}
        jobs = [(_placed, (place, function, item)) for place, item in enumerate(items)]
        for result in self._staff.execute(tasks.call, jobs, self._on_event):
            if not isinstance(result, BaseException):
                found[result[0]] = result[1]
        return [found[place] if place in found else function(item) for place, item in enumerate(items)]


def _placed(job: tuple[int, Callable[[Any], Any], Any]) -> tuple[int, Any]:
    place, function, item = job
    return place, function(item)


def executor_named(registry: Registry, name: str) -> Executor:
    """The executor of this name, as it is by default."""
    component = registry.entries["executors"][name].component()  # type: ignore[call-arg]
    assert isinstance(component, Executor)
    return component
