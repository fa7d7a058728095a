"""What a structure carries and no run honours yet: refused where the run would be another, else a warning."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mdprotocol.contracts import Structure
from mdprotocol.plan.findings import Findings

SHOWN = 5
"""Atoms that a message names."""


def check_carried(name: str, structure: Structure, findings: Findings) -> None:
    """Note an error for fixed atoms, and a warning for each thing that is left out of account."""
    path = ("systems", name)
    if structure.fixed is not None and structure.fixed.any():
        findings.error(path, f"{_fixed(structure.fixed)}; every run moves all atoms: free them in the source", key=True)
    for text in _left_out(structure):
        findings.warn(path, text)


def _fixed(fixed: np.ndarray) -> str:
    atoms = np.flatnonzero(fixed).tolist()
    shown = ", ".join(map(str, atoms[:SHOWN])) + (", ..." if len(atoms) > SHOWN else "")
    return f"{len(atoms)} of its {len(fixed)} atoms are fixed ({shown}, from 0)"


def _left_out(structure: Structure) -> Iterator[str]:
    if structure.velocities is not None:
        yield "its velocities are not used: each run draws its own at its temperature"
    if structure.magnetic_moments is not None:
        yield "its magnetic moments are not passed on: each model finds its own spin state"
    if structure.multiplicity is not None and structure.multiplicity > 2:
        yield f"its multiplicity {structure.multiplicity} is not passed on: each model finds its own spin state"
