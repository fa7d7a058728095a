"""Segment files: named arrays and a few facts in one file, checked by a checksum, read without a copy.

Layout: 8 bytes of magic, arrays in NumPy's own format (`numpy.lib.format`, no pickles) one after the other, and at the
end 4 bytes of CRC-32 over all before. The first array is JSON in UTF-8: the names of the others and the facts. Written
whole by `write_atomically`, so a file that exists is whole; the checksum finds what disks do afterwards.
"""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.lib import format as npy

MAGIC = b"mdpseg1\n"
_TAIL = 4
_HEADER = 4096
"""More bytes than the header of any array here has."""


@dataclass(frozen=True)
class Segment:
    """Arrays and facts of a file; the arrays are mapped, not read."""

    facts: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]


def encode(facts: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Iterator[bytes | memoryview]:
    """The parts of a segment file, in order. Arrays have a dimension at least, and numbers of 8 bytes."""
    head = json.dumps({"names": list(arrays), "facts": facts}, allow_nan=False).encode()
    check = 0
    for part in _parts(head, arrays):
        check = zlib.crc32(part, check)
        yield part
    yield check.to_bytes(_TAIL, "little")


def _parts(head: bytes, arrays: Mapping[str, np.ndarray]) -> Iterator[bytes | memoryview]:
    yield MAGIC
    padded = head + b" " * (-len(head) % 64)  # so that arrays of 8-byte numbers lie on multiples of 8
    for values in (np.frombuffer(padded, dtype=np.uint8), *arrays.values()):
        whole = np.ascontiguousarray(values)
        if whole.dtype.hasobject:
            raise TypeError("a segment holds numbers only")
        header = io.BytesIO()
        npy.write_array_header_1_0(header, npy.header_data_from_array_1_0(whole))
        yield header.getvalue()
        if whole.size:
            yield whole.data.cast("B")


def decode(path: Path, *, check: bool = True) -> Segment | None:
    """Map a segment file; None where it is absent, torn or damaged, so that nobody trusts it.

    Args:
        check: compare the checksum, which reads all of the file.
    """
    try:
        raw = np.memmap(path, np.uint8, "r")
        end = len(raw) - _TAIL
        if raw[: len(MAGIC)].tobytes() != MAGIC:
            return None
        if check and zlib.crc32(raw[:end].data) != int.from_bytes(raw[end:], "little"):
            return None
        first, at = _array(raw, len(MAGIC))
        head, arrays = json.loads(first.tobytes()), {}
        for name in head["names"]:
            arrays[name], at = _array(raw, at)
        return Segment(head["facts"], arrays)
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError, SyntaxError, TokenError):
        return None


def _array(raw: np.ndarray, start: int) -> tuple[np.ndarray, int]:
    """The array that begins here, as a view, and where it ends."""
    stream = io.BytesIO(raw[start : start + _HEADER].tobytes())
    if npy.read_magic(stream) != (1, 0):
        raise ValueError("not an array of version 1.0")
    shape, fortran, dtype = npy.read_array_header_1_0(stream)
    if fortran or dtype.hasobject:
        raise ValueError("no array of ours")
    first = start + stream.tell()
    end = first + int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    return np.frombuffer(raw[first:end].data, dtype).reshape(shape), end
