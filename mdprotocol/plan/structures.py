"""What a system's plugin built, looked at before anything is built on it."""

from __future__ import annotations

from typing import Any

import numpy as np

from mdprotocol.contracts import Structure
from mdprotocol.errors import StructureError

ELEMENTS = 118
OPTIONAL = {"magnetic_moments": ("biuf", "µB", 30.0), "fixed": ("b", "", 1.0), "velocities": ("f", "Å/fs", 10.0)}
"""What may be None: the kinds of numbers that it is made of, its unit, and the largest that has ever been in that unit."""


def sound_structure(found: Any) -> Structure:
    """The structure as the contract has it.

    Raises:
        StructureError: it is none, or is not one of numbers, elements and masses.
    """
    if not isinstance(found, Structure):
        raise StructureError(f"its plugin built {type(found).__name__}; expected a Structure")
    n = len(found.numbers)
    shapes = {"numbers": (n,), "positions": (n, 3), "masses": (n,), "cell": (3, 3), "pbc": (3,)}
    for part, shape in shapes.items():
        values = getattr(found, part)
        if not isinstance(values, np.ndarray) or values.shape != shape or values.dtype.kind not in "biuf":
            raise StructureError(f"its plugin built `{part}` that is not an array of numbers of shape {shape}")
        if not np.isfinite(values).all():
            raise StructureError(f"its plugin built `{part}` with values that are not finite")
    _check_optional(found, n)
    if n == 0:
        raise StructureError("its plugin built a structure without atoms")
    if not ((found.numbers >= 1) & (found.numbers <= ELEMENTS)).all() or found.numbers.dtype.kind == "f":
        raise StructureError("its plugin built atoms of no known element")
    if not (found.masses > 0).all():
        raise StructureError("its plugin built a mass that is not positive")
    return found


def _check_optional(found: Structure, n: int) -> None:
    for part, (kinds, unit, largest) in OPTIONAL.items():
        values, shape = getattr(found, part), (n, 3) if part == "velocities" else (n,)
        if values is None:
            continue
        if not isinstance(values, np.ndarray) or values.shape != shape or values.dtype.kind not in kinds:
            what = "booleans" if kinds == "b" else "numbers"
            raise StructureError(f"its plugin built `{part}` that is not an array of {what} of shape {shape}")
        if not np.isfinite(values).all():
            raise StructureError(f"its plugin built `{part}` with values that are not finite")
        if np.abs(values.astype(float)).max(initial=0.0) > largest:
            raise StructureError(f"its plugin built `{part}` beyond {largest:g} {unit}; are they in {unit}?")
    _check_multiplicity(found)


def _check_multiplicity(found: Structure) -> None:
    multiplicity = found.multiplicity
    if multiplicity is None:
        return
    if not isinstance(multiplicity, int) or isinstance(multiplicity, bool) or multiplicity < 1:
        raise StructureError(f"its multiplicity is {multiplicity!r}; expected 2S + 1, a whole number from 1 on")
    electrons = int(found.numbers.sum()) - found.charge
    if (electrons - multiplicity) % 2 == 0:
        raise StructureError(f"its multiplicity is {multiplicity}, which {electrons} electrons cannot have")
    if multiplicity > electrons + 1:
        raise StructureError(f"its multiplicity is {multiplicity}; {electrons} electrons allow {electrons + 1} at most")
