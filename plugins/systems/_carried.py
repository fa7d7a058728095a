"""What ASE's atoms say besides where they are: velocities, moments, fixed atoms, multiplicity."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms
from ase.constraints import FixAtoms

from mdprotocol.api import FS_IN_ASE_TIME, StructureError

MULTIPLICITY = ("multiplicity", "spin_multiplicity")
"""Names in `atoms.info`; `spin` is not among them, for some write S, some 2S, and some 2S + 1."""


def carried(name: str, atoms: Atoms, copies: int) -> dict[str, Any]:
    """Fields of a structure made of `copies` of these atoms; None where nothing, or zeros only, are said.

    Raises:
        StructureError: something is said that a structure cannot carry.
    """
    return {
        "velocities": _repeated(_velocities(atoms), copies),
        "magnetic_moments": _repeated(_moments(name, atoms), copies),
        "fixed": _repeated(_fixed(name, atoms), copies),
        "multiplicity": _multiplicity(name, atoms, copies),
    }


def _repeated(values: np.ndarray | None, copies: int) -> np.ndarray | None:
    if values is None or not values.any():
        return None
    return np.tile(values, (copies, *[1] * (values.ndim - 1)))


def _velocities(atoms: Atoms) -> np.ndarray | None:
    """(n, 3) Å/fs."""
    return np.array(atoms.get_velocities() * FS_IN_ASE_TIME, dtype=np.float64) if atoms.has("momenta") else None


def _moments(name: str, atoms: Atoms) -> np.ndarray | None:
    """(n,) Bohr magnetons: the initial ones, or those that a calculation found."""
    found = atoms.arrays.get("initial_magmoms")
    if found is None or not np.any(found):
        found = getattr(atoms.calc, "results", {}).get("magmoms")
    if found is None:
        return None
    moments = np.array(found, dtype=np.float64)
    if moments.ndim > 1 and moments.any():
        raise StructureError(f"system '{name}': its magnetic moments are vectors; only collinear ones are read")
    return moments if moments.ndim == 1 else None


def _fixed(name: str, atoms: Atoms) -> np.ndarray:
    """(n,) bool."""
    held = np.zeros(len(atoms), dtype=bool)
    for constraint in atoms.constraints:
        if not isinstance(constraint, FixAtoms):
            kind = type(constraint).__name__
            raise StructureError(
                f"system '{name}' has a constraint that no run keeps ({kind}); take it out of the file"
            )
        held[constraint.index] = True
    return held


def _multiplicity(name: str, atoms: Atoms, copies: int) -> int | None:
    said = next((atoms.info[key] for key in MULTIPLICITY if key in atoms.info), None)
    if said is None:
        return None
    try:
        multiplicity = int(said)
        whole = multiplicity == float(said)
    except (TypeError, ValueError):
        whole = False
    if not whole:
        raise StructureError(f"system '{name}': its multiplicity is {said}; expected a whole number, 2S + 1")
    if copies > 1:
        raise StructureError(f"system '{name}': the multiplicity {multiplicity} of one unit is not that of {copies}")
    return multiplicity
