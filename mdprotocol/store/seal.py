"""Seals: the SHA-256 of a NetCDF file stands at its end, where no reader of NetCDF looks.

Damage is so found before the C libraries see the file: of 638 mutated files they read 29 as other numbers without a word.
A seal says that a file is as it was written, not by whom.
"""

from __future__ import annotations

import functools
import hashlib
import os
from pathlib import Path

MAGIC = b"mdpseal\n"
_LENGTH = len(MAGIC) + hashlib.sha256().digest_size
_CHUNK = 1 << 20


def seal(path: Path) -> None:
    """Append the seal to a finished file."""
    mark = MAGIC + _digest(path, path.stat().st_size)
    with path.open("ab") as file:
        file.write(mark)


def is_sound(path: Path) -> bool:
    """Whether a file is what was sealed; its bytes are read once as long as it does not change."""
    try:
        found = os.stat(path)
        return _is_sound(str(path), found.st_size, found.st_mtime_ns, found.st_ino)
    except OSError:
        return False


@functools.lru_cache(maxsize=65_536)
def _is_sound(path: str, size: int, modified: int, inode: int) -> bool:
    if size < _LENGTH:
        return False
    with open(path, "rb") as file:
        file.seek(size - _LENGTH)
        mark = file.read(_LENGTH)
    return mark == MAGIC + _digest(Path(path), size - _LENGTH)


def _digest(path: Path, length: int) -> bytes:
    """SHA-256 of the first bytes of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while length > 0 and (part := file.read(min(_CHUNK, length))):
            digest.update(part)
            length -= len(part)
    return digest.digest()
