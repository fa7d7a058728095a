"""The process that a user has started and sees, and the one that works for it (`mdprotocol.cli.guard`)."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import Any

_guarded: tuple[int, int] | None = None
"""This process, and the one that guards it."""


def guarded_by(pid: int) -> None:
    """This process works for that one, which the user has started and sees."""
    global _guarded
    _guarded = os.getpid(), pid


def shown_pid() -> int:
    """The process that a user sees and signals: this one, or the one that guards it."""
    own = os.getpid()
    return _guarded[1] if _guarded is not None and _guarded[0] == own else own


def end_with(pid: int) -> None:
    """This process ends when its parent does, by whatever."""
    if not _killed_with_parent():
        threading.Thread(target=_wait_for_end, args=(pid,), daemon=True).start()
    if os.getppid() != pid:  # it has ended before
        os._exit(1)


def _killed_with_parent() -> bool:
    """Ask the system to do it (Linux)."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        import ctypes

        set_death_signal: Any = ctypes.CDLL(None, use_errno=True).prctl
        return int(set_death_signal(1, signal.SIGKILL, 0, 0, 0)) == 0
    except (ImportError, OSError, AttributeError):
        return False


def _wait_for_end(pid: int) -> None:
    while os.getppid() == pid:
        time.sleep(0.5)
    os._exit(1)
