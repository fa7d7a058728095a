"""One writer at a time: a lock on the results folder that the system frees when its process dies, however it dies.

It is `flock` on a file that also says who holds it. Readers need none, because every file is whole or not there. Where the
system has no `flock` (Windows), two writers are not told apart.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from mdprotocol import parentage
from mdprotocol.errors import StoreError, UsageError

FILE = ".lock"
ENDING_S = 5.0
"""How long what worked for a process that was killed may take to end."""
try:
    import fcntl
except ImportError:  # pragma: no cover - no such system here
    fcntl = None  # type: ignore[assignment]


@contextlib.contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the lock of a results folder, which is made where it is not there.

    Raises:
        UsageError: another process holds it; the text says which, and since when.
        StoreError: the folder cannot be written.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        # Never through a link: what it names is emptied below.
        descriptor = os.open(root / FILE, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
    except OSError as error:
        raise StoreError(f"cannot write into {root}: {error.strerror or error}") from error
    try:
        _take(descriptor, root)
        yield
        with contextlib.suppress(OSError):  # the disk may be full or gone; closing frees the lock in any case
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _take(descriptor: int, root: Path) -> None:
    if fcntl is None:  # pragma: no cover
        return
    try:
        _wait_for(descriptor, root)
    except BlockingIOError:
        raise UsageError(f"{root} is in use: {_holder(root)}; wait for it, or choose another folder with -o") from None
    except OSError as error:  # a file system without locks
        raise StoreError(f"cannot lock {root}: {error.strerror or error}") from error
    facts = {"pid": parentage.shown_pid(), "host": platform.node(), "since": time.strftime("%Y-%m-%d %H:%M:%S %z")}
    with contextlib.suppress(OSError):  # who holds it is a courtesy; a full disk must not keep anybody out
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps(facts).encode())


def _wait_for(descriptor: int, root: Path) -> None:
    """Lock it. Where the process that holds it is dead, what worked for it is about to end, and is waited for.

    Raises:
        BlockingIOError: somebody holds it.
    """
    until = time.monotonic() + ENDING_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > until or not _is_dead(_facts(root)):
                raise
        time.sleep(0.05)


def _is_dead(facts: dict[str, Any]) -> bool:
    pid = facts.get("pid")
    return facts.get("host") == platform.node() and isinstance(pid, int) and not psutil.pid_exists(pid)


def _facts(root: Path) -> dict[str, Any]:
    """What the lock says of who holds it."""
    try:
        return dict(json.loads((root / FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError):
        return {}


def _holder(root: Path) -> str:
    facts = _facts(root)
    try:
        return f"process {facts['pid']} on {facts['host']} writes there since {facts['since']}"
    except KeyError:
        return "another process writes there"
