"""One writer at a time: a lock on the results folder that the system frees when its process dies, however it dies.

It is a lock of the operating system (`filelock`; Windows too) on the empty file `.lock`. Who holds it is written into
`.lock.holder` beside it, because where locks are mandatory nobody else could read the locked file. Readers need no lock:
every file is whole or not there.

Some file systems have no locks (Lustre or NFS, depending on how they are mounted). Runs go on there, with a warning, and
the text of a holder that lives on this machine is respected. There is no lock file that would outlive its process.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock
import psutil

from mdprotocol import parentage
from mdprotocol.errors import StoreError, UsageError
from mdprotocol.store.atomic import write_atomically, write_parts

FILE = ".lock"
HOLDER = ".lock.holder"
ENDING_S = 5.0
"""How long what worked for a process that was killed may take to end."""
POLL_S = 0.05


@contextlib.contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the lock of a results folder, which is made where it is not there.

    Raises:
        UsageError: another process holds it; the text says which, and since when.
        StoreError: the folder cannot be written.
    """
    descriptor = _opened(root)
    try:
        _take(descriptor, root)
        _sign(root)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # the disk may be gone; who reads it sees that its process is
                (root / HOLDER).unlink(missing_ok=True)
    finally:
        os.close(descriptor)  # frees the lock


def _opened(root: Path) -> int:
    try:
        root.mkdir(parents=True, exist_ok=True)
        # Never through a link: it would lock, or make, a file of somebody else's.
        return os.open(root / FILE, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
    except OSError as error:
        raise StoreError(f"cannot write into {root}: {error.strerror or error}") from error


def _take(descriptor: int, root: Path) -> None:
    """Lock it. Where the process that holds it is dead, what worked for it is about to end, and is waited for."""
    until = time.monotonic() + ENDING_S
    while not _is_free(descriptor, root):
        holder = _holder(root)
        if time.monotonic() > until or not _is_dead(holder):
            raise UsageError(f"{root} is in use: {_in_words(holder)}; wait for it, or choose another folder with -o")
        time.sleep(POLL_S)


def _is_free(descriptor: int, root: Path) -> bool:
    """Whether nobody else held the lock; this process does now."""
    try:
        return filelock.lock_descriptor(descriptor, blocking=False)
    except OSError as error:
        if _lives_here(_holder(root)):
            return False
        warnings.warn(
            f"{root} cannot be locked ({error.strerror or error}): its file system has no locks, so that two runs into "
            "this folder at the same time would not notice each other; see to it that there is one",
            stacklevel=2,
        )
        return True


def _sign(root: Path) -> None:
    """Write down who holds it: a courtesy, and a full disk must not keep anybody out."""
    pid = parentage.shown_pid()
    since = time.strftime("%Y-%m-%d %H:%M:%S %z")
    facts = {"pid": pid, "host": platform.node(), "since": since, "started": _started(pid)}
    with contextlib.suppress(OSError):
        write_atomically(root / HOLDER, lambda path: write_parts(path, [json.dumps(facts).encode()]))


def _holder(root: Path) -> dict[str, Any]:
    """Who holds the lock by its own words; empty where there are none."""
    try:
        return dict(json.loads((root / HOLDER).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError):
        return {}


def _is_dead(holder: dict[str, Any]) -> bool:
    return _is_here(holder) and _started(holder["pid"]) is None


def _lives_here(holder: dict[str, Any]) -> bool:
    """Whether it is another process of this machine, and no later one that was given its number."""
    if not _is_here(holder) or holder["pid"] == parentage.shown_pid():
        return False
    return _started(holder["pid"]) is not None and _started(holder["pid"]) == holder.get("started")


def _is_here(holder: dict[str, Any]) -> bool:
    return holder.get("host") == platform.node() and isinstance(holder.get("pid"), int)


def _started(pid: int) -> float | None:
    """When a process was started, in seconds since 1970; None where there is none."""
    try:
        return float(psutil.Process(pid).create_time())
    except (psutil.Error, ValueError, OverflowError):
        return None


def _in_words(holder: dict[str, Any]) -> str:
    try:
        return f"process {holder['pid']} on {holder['host']} writes there since {holder['since']}"
    except KeyError:
        return "another process writes there"
