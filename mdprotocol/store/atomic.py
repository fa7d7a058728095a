"""Files that are either whole or not there: temporary name beside the target, flush, fsync, rename, fsync the folder.

A process that dies while it writes leaves a temporary file behind; its name says which process on which machine owned
it, so that `is_stale` can tell a dead writer's file from one that is being written now.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import secrets
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

PREFIX = ".tmp-"
STALE_AFTER_S = 86_400.0
"""Age at which a temporary file of another machine (whose processes cannot be seen) counts as left behind."""


def write_atomically(target: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file, make it durable, and rename it to `target`.

    On any exception the temporary file is removed and `target` is what it was before.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.parent / _temporary_name(target.name)
    try:
        write(temporary)
        _sync_file(temporary)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):  # where the disk is gone, so is the file; the first error is the one to tell
            temporary.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def write_parts(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """Write a new file from its parts: what `write_atomically` is given for plain bytes."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        for part in parts:
            left = memoryview(part)
            while left:
                left = left[os.write(descriptor, left) :]  # a system may take less than all of it
    finally:
        os.close(descriptor)


def meant(path: Path) -> str:
    """Name of the file that a temporary one is to become, for messages."""
    return path.name.split("-", 4)[-1] if path.name.startswith(PREFIX) else path.name


def is_stale(path: Path) -> bool:
    """Whether a file has a temporary name and nobody writes it any more."""
    parts = path.name.removeprefix(PREFIX).split("-", 2)
    if not path.name.startswith(PREFIX) or len(parts) != 3:
        return False
    machine, process = parts[0], parts[1]
    if machine == _machine() and process.isdigit():
        return not psutil.pid_exists(int(process))
    try:
        return time.time() - path.stat().st_mtime > STALE_AFTER_S
    except OSError:  # its writer has just renamed it
        return False


def _temporary_name(name: str) -> str:
    # The target's name comes shortened: with the prefix it could pass the file system's limit of 255 bytes.
    return f"{PREFIX}{_machine()}-{os.getpid()}-{secrets.token_hex(4)}-{name[-64:]}"


def _machine() -> str:
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(path: Path) -> None:
    # Not every platform lets a folder be opened; there the rename is as durable as the system makes it.
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
