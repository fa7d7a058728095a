"""Tasks on worker processes, one thread each."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Annotated, Any, Literal

from pydantic import Field

from mdprotocol.api import Executor

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
PATIENCE_S = 10.0
"""How long an idle worker may take to leave."""

Work = Callable[[Any, Callable[[Any], None]], Any]


class Processes(Executor):
    """Tasks on worker processes of one thread each; results do not depend on how many there are."""

    type: Literal["processes"] = "processes"
    workers: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = "auto"
    """`auto` is one a core."""

    def execute(
        self,
        work: Work,
        tasks: Sequence[Any],
        on_event: Callable[[Any], None],
        setup: Callable[[], None],
    ) -> Iterator[Any]:
        waiting = deque(tasks)
        team: list[Worker] = []
        try:
            for _ in range(min(len(waiting), self.count())):
                team.append(Worker(work, setup, waiting.popleft()))
            while team:
                for worker in _ready(team):
                    kind, content = worker.receive()
                    if kind == "event":
                        on_event(content)
                    elif kind == "unfit":
                        raise content
                    else:
                        team.remove(worker)
                        team.extend(_next(worker, kind, waiting, work, setup))
                        yield content
        finally:
            for worker in team:
                worker.kill()

    def count(self) -> int:
        """Number of workers."""
        if self.workers != "auto":
            return self.workers
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _ready(team: Sequence[Worker]) -> list[Worker]:
    talking = wait([worker.connection for worker in team])
    return [worker for worker in team if worker.connection in talking]


def _next(worker: Worker, kind: str, waiting: deque[Any], work: Work, setup: Callable[[], None]) -> list[Worker]:
    """Who takes the next task: the same worker, a new one where it has died, nobody where there is none left."""
    if kind == "died" or not waiting:
        worker.leave()
    if not waiting:
        return []
    if kind == "died":
        return [Worker(work, setup, waiting.popleft())]
    worker.give(waiting.popleft())
    return [worker]


class Worker:
    """One process, the pipe to it, and the task that it has."""

    def __init__(self, work: Work, setup: Callable[[], None], task: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, work, setup), daemon=True)
        with one_thread(), no_interrupt():
            self._process.start()
        theirs.close()
        self.give(task)

    def give(self, task: Any) -> None:
        """Send it a task."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it has died: `receive` will say so
            self.connection.send(task)

    def receive(self) -> tuple[str, Any]:
        """`event`; `done` (a result or an exception); `died` or `unfit` (its setup failed) with an exception."""
        try:
            kind, content = self.connection.recv()
        except (EOFError, ConnectionError):
            self._process.join(PATIENCE_S)
            return "died", RuntimeError(f"a worker process died ({self._how()}); its task is lost")
        return kind, content

    def _how(self) -> str:
        code = self._process.exitcode
        if code == -getattr(signal, "SIGKILL", 9):
            return "killed; perhaps the machine ran out of memory"
        return f"exit code {code}" if code is None or code >= 0 else f"signal {-code}"

    def leave(self) -> None:
        """Let it go: it ends when it finds the pipe closed."""
        self.connection.close()
        self._process.join(PATIENCE_S)
        if self._process.is_alive():
            self.kill()

    def kill(self) -> None:
        """End it at once; files are written atomically, so nothing half-done is left."""
        self._process.kill()
        self._process.join()
        self.connection.close()


def serve(connection: Connection, work: Work, setup: Callable[[], None]) -> None:
    """A worker's life: tasks from the pipe, events and results into it, until the pipe is closed.

    Ctrl-C is the parent's to handle: it ends its workers. Tasks are unpickled after the setup, which makes the classes
    of local plugins known.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(EOFError, ConnectionError):
        try:
            setup()
        except Exception as error:
            connection.send(("unfit", portable(error)))
            return
        while True:
            _send_result(connection, _answer(connection, work))


def _answer(connection: Connection, work: Work) -> Any:
    data = connection.recv_bytes()
    try:
        return work(pickle.loads(data), lambda event: connection.send(("event", event)))
    except Exception as error:
        return portable(error)


def _send_result(connection: Connection, result: Any) -> None:
    try:
        connection.send(("done", result))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        connection.send(("done", portable(error)))


def portable(error: Exception) -> Exception:
    """The error as another process can read it, with its traceback as a note."""
    text = "".join(traceback.format_exception(error))
    try:
        copy = pickle.loads(pickle.dumps(error))
    except Exception:
        copy = RuntimeError(f"{type(error).__name__}: {error}")
    copy.add_note(text)
    return copy  # type: ignore[no-any-return]


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
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def no_interrupt() -> Iterator[None]:
    """A new process starts with Ctrl-C blocked; here it arrives afterwards."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
