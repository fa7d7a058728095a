"""Leaving on a signal: the first SIGINT or SIGTERM is noted, so that a batch can write its checkpoint; the second ends it."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from mdprotocol.errors import Interrupted


class Stop:
    """Whether somebody has asked to stop."""

    def __init__(self) -> None:
        self.signal = 0
        """The signal that asked; 0 for none."""

    def note(self, number: int, frame: FrameType | None = None) -> None:
        """Handler of a signal."""
        if self.signal:
            raise Interrupted(self.signal)
        self.signal = number

    def leave_if_asked(self) -> None:
        """Raises `Interrupted` where somebody has asked to stop."""
        if self.signal:
            raise Interrupted(self.signal)


@contextlib.contextmanager
def deferred() -> Iterator[Stop]:
    """Signals are noted inside; a signal that is ignored stays ignored, and only a main thread can have handlers."""
    stop, before = Stop(), {}
    if threading.current_thread() is threading.main_thread():
        wanted = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) != signal.SIG_IGN]
        before = {number: signal.signal(number, stop.note) for number in wanted}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    stop.leave_if_asked()
