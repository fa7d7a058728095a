"""Which molecules the students learn from, and where their geometries come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import molecule
from ase.data import covalent_radii
from ase.io import iread

GEOMETRIES = (
    Path(__file__).parents[2] / "plugins" / "systems" / "geometries",
    Path(__file__).parent / "geometries",
)
"""The program's own geometries (water, methane, alanine), and those that only the recipe needs."""
TARGETS = ("water", "methane", "alanine")
"""The molecules of phase M6."""

G2_TRAINING = (
    *("NH3", "H2", "CH3OH", "CH3CH2NH2", "H3CNH2", "C2H6NH", "HCOOH", "CH3COOH", "HCOOCH3", "CH3CONH2"),
    *("H2CO", "OCHCHO", "CH3COCH3", "CH3OCH3", "CH3CN", "HCN", "CO2", "C2H6", "C2H4", "C2H2", "C3H8"),
    *("isobutane", "C3H6_D3h", "butadiene", "C6H6", "C5H5N", "C4H4NH", "C4H4O", "CH2OCH2", "CH2NHCH2", "N2H4", "H2O2"),
)
"""Small organics of the G2 set (`ase.build.molecule`): alcohols, amines, acids, amides, aldehydes, aromatics, ..."""
OWN_TRAINING = ("glycine", "water_dimer", "water_trimer")
HELD_OUT = ("CH3CH2OH", "CH3CHO", "C2H6CHOH", "trans-butane")
"""Whole molecules the students never see: their errors measure extrapolation (C2H6CHOH is 2-propanol)."""


@dataclass(frozen=True)
class Start:
    """A molecule at its starting geometry."""

    name: str
    atoms: Atoms

    def bonds(self) -> list[tuple[int, int]]:
        """Pairs closer than 1.2 times the sum of their covalent radii."""
        radii = covalent_radii[self.atoms.numbers]
        distances = self.atoms.get_all_distances()
        n = len(self.atoms)
        return [(i, j) for i in range(n) for j in range(i + 1, n) if distances[i, j] < 1.2 * (radii[i] + radii[j])]

    def fragment(self, i: int, j: int) -> np.ndarray:
        """Atoms on j's side when the bond i-j is cut; j alone where a ring holds them together."""
        neighbours: dict[int, set[int]] = {k: set() for k in range(len(self.atoms))}
        for a, b in self.bonds():
            if {a, b} != {i, j}:
                neighbours[a].add(b)
                neighbours[b].add(a)
        found, stack = {j}, [j]
        while stack:
            new = neighbours[stack.pop()] - found
            found |= new
            stack.extend(new)
        return np.array([j]) if i in found else np.array(sorted(found))


def start(name: str) -> Start:
    """The molecule by name: a file in `geometries/`, or of the G2 set."""
    for folder in GEOMETRIES:
        if (folder / f"{name}.xyz").is_file():
            return Start(name, next(iread(folder / f"{name}.xyz")))
    return Start(name, molecule(name))


def training_names() -> tuple[str, ...]:
    """All molecules that the students learn from."""
    return TARGETS + G2_TRAINING + OWN_TRAINING
