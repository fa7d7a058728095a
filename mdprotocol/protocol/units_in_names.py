"""Units in the names of fields: `duration_ns` or "10 ps" where `duration_ps: 10` is meant."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

_SCALES: tuple[dict[str, float], ...] = (
    {"fs": 1.0, "ps": 1e3, "ns": 1e6, "us": 1e9, "ms": 1e12, "s": 1e15},
    {"per_fs": 1.0, "per_ps": 1e-3, "per_ns": 1e-6},
    {"A": 1.0, "nm": 10.0, "pm": 0.01},
    {"eV": 1.0, "meV": 1e-3},
    {"K": 1.0},
    {"eV_per_A": 1.0, "meV_per_A": 1e-3},
    {"bar": 1.0, "kbar": 1e3, "GPa": 1e4},
    {"percent": 1.0},
    {"amu": 1.0},
)
"""Units that end a field's name; units of one kind stand together, with their size."""

_SUFFIXES = sorted((unit for scale in _SCALES for unit in scale), key=len, reverse=True)
_QUANTITY = re.compile(r"^\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([^\d\s].*?)\s*$")
_SPELLINGS = {
    "Å": "A",
    "angstrom": "A",
    "1/ps": "per_ps",
    "1/fs": "per_fs",
    "/ps": "per_ps",
    "/fs": "per_fs",
    "%": "percent",
}


def split_unit(name: str) -> tuple[str, str]:
    """`timestep_fs` -> `("timestep", "fs")`; the unit is empty where the name carries none."""
    for unit in _SUFFIXES:
        if name.casefold().endswith(f"_{unit.casefold()}"):
            return name[: -len(unit) - 1], unit
    return name, ""


def other_unit(name: str, allowed: Iterable[str]) -> str | None:
    """The allowed key that an unknown one means, where they differ in the unit only; else None."""
    stem, unit = split_unit(name)
    for candidate in allowed:
        right_stem, right_unit = split_unit(candidate)
        if right_unit and right_unit != unit and _same_stem(stem, right_stem):
            return candidate
    return None


def advise_key(name: str, right: str, value: Any) -> str:
    """Advice for a key with another unit (or none) in its name than the right one: what to write instead."""
    unit, right_unit = split_unit(name)[1], split_unit(right)[1]
    write = f"write {right}{_converted(value, unit, right_unit)}"
    return f"its unit here is {_readable(right_unit)}; {write}" if unit else f"the unit belongs to the name; {write}"


def quantity_as_text(text: str, field: str) -> str | None:
    """Advice where text such as "0.5 ps" stands for a number whose unit is in the field's name; else None."""
    found, unit = _QUANTITY.match(text), split_unit(field)[1]
    if not found or not unit:
        return None
    number = f"{field} takes a number in {_readable(unit)}, without the unit"
    example = _converted(float(found[1]), _SPELLINGS.get(found[2], found[2]), unit)
    return f"{number}; write {field}{example}" if example else number


def _same_stem(one: str, other: str) -> bool:
    return one.casefold().rstrip("s") == other.casefold().rstrip("s")


def _readable(unit: str) -> str:
    return {"A": "Å", "percent": "%", "per_ps": "1/ps", "per_fs": "1/fs", "eV_per_A": "eV/Å"}.get(unit, unit)


def _converted(value: Any, unit: str, right: str) -> str:
    """`: 10` where the value can be converted, else nothing."""
    for scale in _SCALES:
        if unit in scale and right in scale and isinstance(value, int | float) and not isinstance(value, bool):
            return f": {value * scale[unit] / scale[right]:.10g}"
    return ""
