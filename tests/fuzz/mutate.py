"""Mutations of sound files: bytes flipped, cut, spliced, repeated; numbers swapped, enlarged, spoilt; words of the format."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

NUMBER = re.compile(rb"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")
SPOILT = (
    b"0", b"-1", b"1", b"nan", b"NaN", b"inf", b"-inf", b".nan", b"1e400", b"-1e300", b"1e-320", b"2147483648", b"65536",
    b"18446744073709551616", b"9223372036854775807", b"-9223372036854775808", b"99999999", b"1000000000", b"0x7f", b"1_0",
    b"9" * 60, b"1" + b"0" * 5000, b"", b"x", b"3.", b".5", b"1:30", b"\xd9\xa3", b"true", b"null", b"[]", b"{}", b'""',
)  # fmt: skip
"""Stand where a number stood."""
SPECIAL = (
    b"\0",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\0\0\0\x80",
    b"\xff\xff\xff\x7f",
    b"\x7f",
    b"\r",
    b"\n",
    b"\xe2\x80\xae",
)
LONGEST = 1 << 20
"""Bytes of an input."""

Mutation = Callable[[bytearray, random.Random, Sequence[bytes]], bytes | bytearray]


def mutated(seed: bytes, dice: random.Random, words: Sequence[bytes], others: Sequence[bytes]) -> bytes:
    """The file with one to eight mutations, most often few.

    Args:
        words: tokens of the format.
        others: sound files to splice with.
    """
    data = bytes(seed)
    for _ in range(1 + min(int(dice.expovariate(0.7)), 7)):
        change = dice.choice(MUTATIONS)
        data = bytes(change(bytearray(data), dice, others if change is _splice else words))[:LONGEST]
    return data


def _span(data: bytearray, dice: random.Random) -> tuple[int, int]:
    """A place and an end, most often near."""
    start = dice.randrange(len(data) + 1)
    return start, min(len(data), start + int(dice.expovariate(1 / dice.choice((2, 16, 256)))) + 1)


def _flip(data: bytearray, dice: random.Random, words: Sequence[bytes]) -> bytearray:
    if data:
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return data


def _set(data: bytearray, dice: random.Random, words: Sequence[bytes]) -> bytearray:
    start = dice.randrange(len(data) + 1)
    value = dice.choice(SPECIAL)
    data[start : start + len(value)] = value
    return data


def _cut(data: bytearray, dice: random.Random, words: Sequence[bytes]) -> bytearray:
    return data[: dice.randrange(len(data) + 1)]


def _drop(data: bytearray, dice: random.Random, words: Sequence[bytes]) -> bytearray:
    start, end = _span(data, dice)
    del data[start:end]
    return data


def _repeat(data: bytearray, dice: random.Random, words: Sequence[bytes]) -> bytearray:
    start, end = _span(data, dice)
    data[start:start] = data[start:end] * dice.choice((1, 2, 10, 200))
    return data


def _move(data: bytearray, dice: random.Random, words: Sequence[bytes]) -> bytearray:
    start, end = _span(data, dice)
    part = data[start:end]
    del data[start:end]
    at = dice.randrange(len(data) + 1)
    data[at:at] = part
    return data


def _splice(data: bytearray, dice: random.Random, others: Sequence[bytes]) -> bytearray:
    other = dice.choice(others)
    return data[: dice.randrange(len(data) + 1)] + other[dice.randrange(len(other) + 1) :]


def _word(data: bytearray, dice: random.Random, words: Sequence[bytes]) -> bytearray:
    start = dice.randrange(len(data) + 1)
    word = dice.choice(words)
    data[start : start + dice.choice((0, len(word)))] = word
    return data


def _number(data: bytearray, dice: random.Random, words: Sequence[bytes]) -> bytearray:
    """One number of the text spoilt, or replaced by another one of it."""
    found = list(NUMBER.finditer(data[: 1 << 16]))
    if not found:
        return _set(data, dice, words)
    here = dice.choice(found)
    data[here.start() : here.end()] = dice.choice((dice.choice(SPOILT), dice.choice(found)[0]))
    return data


def _line(data: bytearray, dice: random.Random, words: Sequence[bytes]) -> bytes:
    """A line dropped, doubled or moved."""
    lines = bytes(data).split(b"\n")
    line = lines.pop(dice.randrange(len(lines)))
    for _ in range(dice.randrange(3)):
        lines.insert(dice.randrange(len(lines) + 1), line)
    return b"\n".join(lines)


MUTATIONS: tuple[Mutation, ...] = (
    _flip, _flip, _set, _cut, _drop, _repeat, _move, _splice, _word, _word, _number, _number, _line,
)  # fmt: skip
