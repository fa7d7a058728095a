"""What a system's plugin built, looked at before anything is built on it."""

from __future__ import annotations

from typing import Any

import numpy as np

from mdprotocol.contracts import Structure
from mdprotocol.errors import StructureError

ELEMENTS = 118


def sound_structure(found: Any) -> Structure:
    """The structure as the contract has it.

    Raises:
        StructureError: it is none, or is not one of numbers, elements and masses.
    """
    if not isinstance(found, Structure):
        raise StructureError(f"its plugin built {type(found).__name__}, which is no Structure")
    n = len(found.numbers)
    shapes = {"numbers": (n,), "positions": (n, 3), "masses": (n,), "cell": (3, 3), "pbc": (3,)}
    for part, shape in shapes.items():
        values = getattr(found, part)
        if not isinstance(values, np.ndarray) or values.shape != shape or values.dtype.kind not in "biuf":
            raise StructureError(f"its plugin built `{part}` that is not an array of numbers of shape {shape}")
        if not np.isfinite(values).all():
            raise StructureError(f"its plugin built `{part}` with values that are not finite")
    if n == 0:
        raise StructureError("its plugin built a structure without atoms")
    if not ((found.numbers >= 1) & (found.numbers <= ELEMENTS)).all() or found.numbers.dtype.kind == "f":
        raise StructureError("its plugin built atoms of no known element")
    if not (found.masses > 0).all():
        raise StructureError("its plugin built a mass that is not positive")
    return found
