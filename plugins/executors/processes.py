"""Tasks on worker processes, one thread each."""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Annotated, Any, Literal

from pydantic import Field

from mdprotocol.api import Executor, TaskFailure, asked_to_stop, attempt

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
START_S = 300.0
"""How long a new worker may take to load what it needs before its silence counts."""
PATIENCE_S = 10.0
"""How long a worker may take to leave: one that was told to stop writes a checkpoint first."""

Work = Callable[[Any, Callable[[Any], None]], Any]
Task = tuple[int, Any]
"""A task with its place among the tasks."""


class Processes(Executor):
    """Tasks on worker processes of one thread each; results do not depend on how many there are.

    A worker that dies, or is silent for too long, is replaced, and its task done once more (a batch of runs goes on from
    its last checkpoint); a task that ends two workers is given up.
    """

    type: Literal["processes"] = "processes"
    workers: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = "auto"
    """`auto` is one a core."""
    task_timeout_s: Annotated[float, Field(gt=0)] | None = None
    """A worker that gives no sign of life for so long (no progress, no result) counts as hanging; no limit by default."""

    def execute(
        self,
        work: Work,
        tasks: Sequence[Any],
        on_event: Callable[[Any], None],
        setup: Callable[[], None],
    ) -> Iterator[tuple[int, Any]]:
        with contextlib.closing(Team(setup, self.count(), self.task_timeout_s)) as team:
            yield from team.execute(work, tasks, on_event)

    @contextlib.contextmanager
    def staff(self, setup: Callable[[], None], most: int) -> Iterator[Team]:
        with contextlib.closing(Team(setup, min(most, self.count()), self.task_timeout_s, stays=True)) as team:
            team.assemble()
            yield team

    def count(self) -> int:
        """Number of workers."""
        if self.workers != "auto":
            return self.workers
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Team:
    """Workers, the tasks that they have, and those that wait.

    Attributes:
        working, idle: workers with a task, and without one.
    """

    def __init__(self, setup: Callable[[], None], count: int, timeout: float | None, stays: bool = False) -> None:
        self._setup, self._count, self._timeout, self._stays = setup, count, timeout, stays
        self.working: list[Worker] = []
        self.idle: list[Worker] = []
        self._work: Work
        self._waiting: deque[Task] = deque()
        self._again: set[int] = set()

    def assemble(self) -> None:
        """Hire all workers, and wait until they have loaded what they need: what is timed next has the machine to itself."""
        self.idle = [Worker(self._setup) for _ in range(self._count)]
        until = time.monotonic() + START_S
        while loading := [worker for worker in self.idle if not worker.ready]:
            talking = wait([worker.connection for worker in loading], max(0.0, until - time.monotonic()))
            for worker in loading:
                kind, content = worker.receive() if worker.connection in talking else ("", None)
                if kind == "unfit" and isinstance(content, TaskFailure):
                    raise content.exception()
                if kind == "died" or not talking:  # another is hired when there is a task for it
                    self.idle.remove(worker)
                    worker.kill()

    def execute(self, work: Work, tasks: Sequence[Any], on_event: Callable[[Any], None]) -> Iterator[tuple[int, Any]]:
        """Places and results of the tasks, as they come."""
        self._work, self._waiting, self._again = work, deque(enumerate(tasks)), set()
        try:
            for _ in range(min(len(self._waiting), self._count)):
                self._begin()
            while self.working:
                for worker, kind, content in self._messages():
                    place = worker.task[0]  # it may have the next task when this one is yielded
                    if kind == "event":
                        on_event(content)
                    elif kind == "unfit":
                        raise content.exception()
                    elif kind != "ready" and self._finished(worker, kind):
                        yield place, content
        finally:
            leave(self.working)
            self.working = []

    def _begin(self) -> None:
        """Give the next task to a worker."""
        worker = self.idle.pop() if self.idle else Worker(self._setup)
        worker.give(self._work, self._waiting.popleft())
        self.working.append(worker)

    def _messages(self) -> Iterator[tuple[Worker, str, Any]]:
        """What workers have said since; one that hangs is ended and counts as dead."""
        talking = wait([worker.connection for worker in self.working], self._timeout and min(self._timeout, 1.0))
        for worker in list(self.working):
            if worker.connection in talking:
                yield (worker, *worker.receive())
            elif self._timeout and worker.silent() > self._timeout:
                worker.kill()
                yield worker, "died", lost(f"a task gave no sign of life for {self._timeout:g} s")

    def _finished(self, worker: Worker, kind: str) -> bool:
        """A worker is done with its task, or has died of it; whether that is the task's end, for it may come again."""
        self.working.remove(worker)
        again = kind == "died" and worker.task[0] not in self._again
        if again:
            self._again.add(worker.task[0])
            self._waiting.appendleft(worker.task)
        if kind == "died" or not (self._waiting or self._stays):
            worker.leave()
        else:
            self.idle.append(worker)
        if self._waiting:
            self._begin()
        return not again

    def close(self) -> None:
        """Let everybody go; who has no task is ended at once."""
        leave(self.working)
        for worker in self.idle:
            worker.kill()
        self.working, self.idle = [], []


def leave(workers: Sequence[Worker]) -> None:
    """Tell all workers to stop, wait a little while they write their checkpoints, and end those that do not."""
    try:
        deadline = time.monotonic() + PATIENCE_S
        for worker in workers:
            worker.stop()
        for worker in workers:
            worker.join(max(0.0, deadline - time.monotonic()))
    finally:  # also on a second Ctrl-C
        for worker in workers:
            worker.kill()


class Worker:
    """One process, the pipe to it, and the task that it has.

    Attributes:
        task: the last one that it was given.
        ready: it has loaded what it needs.
    """

    task: Task = (-1, None)
    ready = False

    def __init__(self, setup: Callable[[], None]) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, setup), daemon=True)
        with one_thread(), no_interrupt():
            self._process.start()
        theirs.close()
        self._heard = time.monotonic()

    def give(self, work: Work, task: Task) -> None:
        """Send it a task."""
        self.task, self._heard = task, time.monotonic()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it has died: `receive` will say so
            self.connection.send((work, task[1]))

    def receive(self) -> tuple[str, Any]:
        """`ready`; `event`; `done` (a result or a failure); `died` or `unfit` (its setup failed) with the failure."""
        self._heard = time.monotonic()
        try:
            kind, content = self.connection.recv()
        except (EOFError, ConnectionError):
            self._process.join(PATIENCE_S)
            return "died", lost(f"a worker process died ({self._how()})")
        self.ready = self.ready or kind == "ready"
        return kind, content

    def silent(self) -> float:
        """Seconds since it was last heard of, beyond what loading may take."""
        return time.monotonic() - self._heard - (0.0 if self.ready else START_S)

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

    def stop(self) -> None:
        """Ask it to leave, now."""
        self._process.terminate()

    def join(self, seconds: float) -> None:
        """Wait for its end."""
        self._process.join(seconds)

    def kill(self) -> None:
        """End it at once; files are written atomically, so nothing half-done is left."""
        self._process.kill()
        self._process.join()
        self.connection.close()


def lost(text: str) -> TaskFailure:
    """What a task that its worker did not survive has in place of a result."""
    return TaskFailure("WorkerDied", f"{text}; its task is lost", died=True)


def serve(connection: Connection, setup: Callable[[], None]) -> None:
    """A worker's life: tasks from the pipe, events and results into it, until the pipe is closed.

    Ctrl-C is the parent's to handle: it tells its workers to stop. Tasks are unpickled after the setup, which makes the
    classes of local plugins known.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()
    pipe = OwnPipe(connection)
    with contextlib.suppress(EOFError, ConnectionError, KeyboardInterrupt):  # the last: its task was told to stop
        try:
            setup()
        except BaseException as error:
            if asked_to_stop(error):
                raise
            pipe.send("unfit", TaskFailure.of(error))
            return
        pipe.send("ready", None)
        while True:
            data = connection.recv_bytes()
            _send_result(pipe, attempt(functools.partial(_answer, data, pipe)))


class OwnPipe:
    """What a worker says, and nobody else: a copy of it that a model's code has forked ends at its first word."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._pid = connection, os.getpid()

    def send(self, kind: str, content: Any) -> None:
        if os.getpid() != self._pid:
            os._exit(0)
        self._connection.send((kind, content))


def end_with_parent() -> None:
    """End this process when its parent does, by whatever: nobody else may meet it in the results folder."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _answer(data: bytes, pipe: OwnPipe) -> Any:
    work, task = pickle.loads(data)
    return work(task, lambda event: pipe.send("event", event))


def _send_result(pipe: OwnPipe, result: Any) -> None:
    try:
        pipe.send("done", result)
    except Exception as error:
        if isinstance(error, ConnectionError):
            raise
        pipe.send("done", TaskFailure.of(error))


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
