"""Tasks on worker processes, one thread each."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Annotated, Any, Literal

from pydantic import Field

from mdprotocol.api import Executor

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class Processes(Executor):
    """Tasks on worker processes of one thread each; results do not depend on how many there are."""

    type: Literal["processes"] = "processes"
    workers: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = "auto"
    """`auto` is one a core."""

    def execute(
        self,
        work: Callable[[Any, Callable[[Any], None]], Any],
        tasks: Sequence[Any],
        on_event: Callable[[Any], None],
        setup: Callable[[], None],
    ) -> Iterator[Any]:
        waiting = deque(tasks)
        team = [Worker(work, setup) for _ in range(min(len(waiting), self.count()))]
        try:
            for worker in team:
                worker.give(waiting.popleft())
            while team:
                for connection in wait([worker.connection for worker in team]):
                    worker = next(w for w in team if w.connection is connection)
                    kind, content = worker.receive()
                    if kind == "event":
                        on_event(content)
                        continue
                    team.remove(worker)
                    if kind == "died":
                        worker.stop()
                        worker = Worker(work, setup) if waiting else worker
                    if waiting:
                        worker.give(waiting.popleft())
                        team.append(worker)
                    else:
                        worker.stop()
                    yield content
        finally:
            for worker in team:
                worker.stop()

    def count(self) -> int:
        """Number of workers."""
        if self.workers != "auto":
            return self.workers
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Worker:
    """One process and the pipe to it."""

    def __init__(self, work: Callable[[Any, Callable[[Any], None]], Any], setup: Callable[[], None]) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process: BaseProcess = context.Process(target=serve, args=(theirs, work, setup), daemon=True)
        with one_thread():
            self._process.start()
        theirs.close()

    def give(self, task: Any) -> None:
        """Send it a task."""
        with contextlib.suppress(BrokenPipeError):  # it has died: `receive` will say so
            self.connection.send(task)

    def receive(self) -> tuple[str, Any]:
        """`event`, `done` (a result or an exception) or `died` (with an exception that says how)."""
        try:
            kind, content = self.connection.recv()
        except (EOFError, ConnectionError):
            self._process.join(5)
            return "died", RuntimeError(f"a worker process died (exit code {self._process.exitcode})")
        return kind, content

    def stop(self) -> None:
        """End it, at once if need be."""
        self.connection.close()
        self._process.join(1)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def serve(connection: Connection, work: Callable[[Any, Callable[[Any], None]], Any], setup: Callable[[], None]) -> None:
    """A worker's life: tasks from the pipe, events and results into it, until the pipe is closed."""
    with contextlib.suppress(EOFError, ConnectionError, KeyboardInterrupt):
        setup()
        while True:
            task = connection.recv()
            try:
                result = work(task, lambda event: connection.send(("event", event)))
            except Exception as error:
                result = picklable(error)
            connection.send(("done", result))


def picklable(error: Exception) -> Exception:
    """The error as something every process can read."""
    return RuntimeError(f"{type(error).__name__}: {error}")


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Environment in which a new process uses one thread in every library."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
