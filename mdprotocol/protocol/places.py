"""Where something stands in a protocol: places, dotted paths, and the nearest valid name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

Path = tuple[str | int, ...]
"""Keys and list indices from the root of the document; `()` is the root."""


@dataclass(frozen=True, order=True)
class Place:
    """A place in a file; line and column count from 1."""

    file: str
    line: int
    column: int


def dotted(path: Path) -> str:
    """`("simulations", "nve", "temperatures_K", 0)` -> `simulations.nve.temperatures_K.0`."""
    return ".".join(str(part) for part in path)


def nearest(name: str, allowed: Iterable[str]) -> str | None:
    """The allowed name that `name` was probably meant to be, whatever its case; None where nothing is near."""
    by_folded = {candidate.casefold(): candidate for candidate in sorted(allowed, reverse=True)}
    found = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def choices(name: str, allowed: Iterable[str], *, none: str = "nothing") -> str:
    """`allowed: a, b, c; did you mean 'b'?`: the second half of every message about a name."""
    known = sorted(allowed)
    text = f"allowed: {', '.join(known) if known else none}"
    near = nearest(name, known)
    return f"{text}; did you mean '{near}'?" if near else text
