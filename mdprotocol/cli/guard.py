"""The exit code is decided in a process that others' code cannot end.

A calculator, a plugin's import or a reporter may end the process that it runs in, with any exit code. So the program
forks before it loads any: the child works, the parent waits. What the child ends with counts only if it has said the same
through a pipe when it came to its end, and where a verdict is the product, 0 counts only if verdict.json is on disk as
the child says that it wrote it.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from mdprotocol import app, parentage, surroundings

if TYPE_CHECKING:
    from mdprotocol.app import Finished

INTERNAL = 4
"""The exit code of an internal error."""
FORWARDED = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
GRACE_S = 0.1
"""How long a signal may take to reach the child by itself: Ctrl-C on a terminal goes to both, `kill` to the parent only."""
MOST_BYTES = 65_536
Mask = set[int | signal.Signals]


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: the exit code.
        verdict: the verdict file that it wrote, and that file's SHA-256; None where it wrote none.
    """

    code: int
    verdict: tuple[str, str] | None = None

    @classmethod
    def of(cls, finished: Finished) -> Ended:
        """How a run or a judgement ended."""
        digest = finished.written.get(app.VERDICT)
        verdict = None if digest is None else (str(finished.folder / app.VERDICT), digest)
        return cls(app.exit_code(finished.verdicts, finished.problems), verdict)


def problem(ended: Ended) -> str:
    """Why 0 is not the exit code of a command that gives a verdict; empty where it is, or the code is another."""
    if ended.code != 0:
        return ""
    if ended.verdict is None:
        return "no verdict file was written"
    import hashlib

    path, digest = ended.verdict
    try:
        found = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        return f"the verdict file {path} cannot be read: {error.strerror or error}"
    return "" if found == digest else f"the verdict file {path} is not the one that was written"


def guarded(work: Callable[[], Ended], prepare: Callable[[], object], gives_verdict: bool) -> int:
    """Work in a child process; the exit code.

    Args:
        work: what to do; it catches what it raises.
        prepare: installs the child's handlers of signals, before any can come.
        gives_verdict: 0 needs a verdict file.
    """
    ours, theirs = os.pipe()
    reached, reaching = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    before: Mask = set(signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED))
    guard = os.getpid()
    child = os.fork()
    if child == 0:
        _serve(work, prepare, theirs, reaching, before, guard)
    os.close(theirs)
    os.close(reaching)
    status = _waited(child, reached, before)
    said = _said(ours)
    os.close(ours)
    os.close(reached)
    return _decided(status, said, gives_verdict)


# ------------------------------------------------------------------------------------------------------- the child


def _serve(
    work: Callable[[], Ended],
    prepare: Callable[[], object],
    report: int,
    reaching: int,
    mask: Mask,
    guard: int,
) -> NoReturn:
    """Work, say how it ended, and leave as the interpreter would, but for never coming back to the caller."""
    code = INTERNAL
    try:
        own = os.getpid()
        parentage.guarded_by(guard)
        parentage.end_with(guard)
        surroundings.settle()
        prepare()
        os.set_blocking(reaching, False)
        signal.set_wakeup_fd(reaching, warn_on_full_buffer=False)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        ended = work()
        signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)  # it is decided
        surroundings.lost_output()  # flushes
        code = ended.code
        if os.getpid() == own:  # and not a copy that others have made
            os.write(report, json.dumps({"code": ended.code, "verdict": ended.verdict}).encode() + b"\n")
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            atexit._run_exitfuncs()
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


# ------------------------------------------------------------------------------------------------------ the parent


class Signals:
    """Signals that have come here and not to the child."""

    def __init__(self, child: int) -> None:
        self._child = child
        self._owed: Counter[int] = Counter()
        self._sent: Counter[int] = Counter()
        self._due: float | None = None

    def came(self, number: int) -> None:
        """One has come here."""
        if number in FORWARDED:
            self._owed[number] += 1
            self._due = time.monotonic() + GRACE_S

    def reached(self, number: int) -> None:
        """One has reached the child: by itself, or because it was sent on."""
        if self._sent[number]:
            self._sent[number] -= 1
        else:
            self._owed[number] -= 1
            self._due = time.monotonic() + GRACE_S

    def left(self) -> float | None:
        """Seconds until `send_on` has something to do; None where nothing waits."""
        return None if self._due is None else max(0.0, self._due - time.monotonic())

    def send_on(self) -> None:
        """Send on what is due."""
        if self._due is None or time.monotonic() < self._due:
            return
        for number, count in self._owed.items():
            for _ in range(count):
                self._sent[number] += 1
                os.kill(self._child, number)
        self._owed.clear()
        self._due = None


def _waited(child: int, reached: int, mask: Mask) -> int:
    """The status with which the child ended; signals that come meanwhile are its to handle."""
    with _noted() as coming:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.set_blocking(reached, False)
        signals, open_ends = Signals(child), [coming, reached]
        while True:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return status
            ready, _, _ = select.select(open_ends, [], [], signals.left())
            for number in _read(coming) if coming in ready else b"":
                signals.came(number)
            if reached in ready:
                numbers = _read(reached)
                for number in numbers:
                    signals.reached(number)
                if not numbers:  # closed
                    open_ends.remove(reached)
            signals.send_on()


@contextlib.contextmanager
def _noted() -> Iterator[int]:
    """A descriptor from which the numbers of signals that have come can be read; what is ignored stays ignored."""

    def note(number: int, frame: FrameType | None) -> None:
        """Its number is in the pipe already."""

    coming, came = os.pipe()
    for end in (coming, came):
        os.set_blocking(end, False)
    wanted = [number for number in FORWARDED if signal.getsignal(number) not in (signal.SIG_IGN, None)]
    before = {number: signal.signal(number, note) for number in (*wanted, signal.SIGCHLD)}
    woken = signal.set_wakeup_fd(came, warn_on_full_buffer=False)
    try:
        yield coming
    finally:
        signal.set_wakeup_fd(woken)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(coming)
        os.close(came)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, MOST_BYTES)
    except BlockingIOError:
        return b""


def _said(report: int) -> Ended | None:
    """What the child said at its end; None where it never came to it."""
    os.set_blocking(report, False)  # processes that others' code has left behind may hold the other end
    try:
        content = json.loads(_read(report))
        verdict = content["verdict"]
        return Ended(int(content["code"]), None if verdict is None else (str(verdict[0]), str(verdict[1])))
    except (ValueError, KeyError, TypeError, IndexError):
        return None


def _decided(status: int, said: Ended | None, gives_verdict: bool) -> int:
    if os.WIFSIGNALED(status):
        return _ended_by(os.WTERMSIG(status), gives_verdict)
    code = os.waitstatus_to_exitcode(status)
    before = "before it had a verdict" if gives_verdict else "before it was done"
    if said is None or said.code != code:
        _complain(f"the program was ended from inside, by a plugin or a calculator (exit code {code}), {before}")
        return INTERNAL
    wrong = problem(said) if gives_verdict else ""
    if wrong:
        _complain(f"internal error: {wrong}")
        return INTERNAL
    return code


def _ended_by(number: int, gives_verdict: bool) -> int:
    """End by the signal that ended the child, as whoever started this would see it without a guard."""
    if number not in FORWARDED:
        name = signal.strsignal(number) or "unknown"
        before = "before it had a verdict" if gives_verdict else "before it was done"
        _complain(f"the program was ended by signal {number} ({name}), {before}")
    _no_second_core()
    with contextlib.suppress(OSError, ValueError):  # SIGKILL can have no handler
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    return 128 + number


def _no_second_core() -> None:
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _complain(text: str) -> None:
    with contextlib.suppress(OSError):
        print(f"mdprotocol: {text}", file=sys.stderr, flush=True)
