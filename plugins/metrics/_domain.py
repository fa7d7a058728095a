"""Of which structures a quantity says something: reasons why it does not, for `Metric.inapplicable`."""

from __future__ import annotations

import numpy as np
import xarray as xr

from mdprotocol.api import NotMeasurable, Structure
from mdprotocol_plugins.metrics._topology import angles, bonds, dihedrals


def no_molecule(structure: Structure) -> str:
    """Why a structure neither turns nor vibrates freely; empty where it does."""
    if structure.periodic:
        return f"{structure.name} is periodic, and this is asked of molecules"
    return f"{structure.name} is a single atom" if len(structure) < 2 else ""


def no_coordinate(structure: Structure, what: str, factor: float) -> str:
    """Why a structure has no `bonds`, `angles` or `dihedrals`; empty where it has some.

    Args:
        factor: on the sum of covalent radii, up to which atoms are bonded.
    """
    start = xr.Dataset(
        {
            "atomic_number": ("atom", structure.numbers),
            "initial_position": (("atom", "xyz"), structure.positions),
            "cell": (("vector", "xyz"), structure.cell),
            "pbc": ("vector", structure.pbc.astype(np.int8)),
        }
    )
    try:
        pairs = bonds(start, factor)
    except NotMeasurable:
        return f"{structure.name} has no bonds"
    found = {"bonds": lambda: pairs, "angles": lambda: angles(pairs), "dihedrals": lambda: dihedrals(start, pairs)}[
        what
    ]()
    return "" if len(found) else f"{structure.name} has no {what}"
