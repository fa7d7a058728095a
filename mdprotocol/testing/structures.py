"""Structures for tests: from arrays, from `ase.build.molecule`, rattled."""

from __future__ import annotations

import dataclasses

import numpy as np
from ase import Atoms
from ase.build import molecule
from ase.data import atomic_masses
from numpy.typing import ArrayLike

from mdprotocol.contracts import Structure


def make_structure(
    numbers: ArrayLike,
    positions: ArrayLike,
    *,
    cell: ArrayLike | None = None,
    pbc: bool | ArrayLike | None = None,
    charge: int = 0,
    name: str = "test",
) -> Structure:
    """A structure from arrays.

    Args:
        numbers: (n,) atomic numbers.
        positions: (n, 3) Å.
        cell: (3, 3) or (3,) Å; open where absent.
        pbc: periodic along each cell vector; all of them where there is a cell.
    """
    z = np.asarray(numbers, dtype=np.int64)
    vectors = np.zeros((3, 3)) if cell is None else np.asarray(cell, dtype=np.float64)
    vectors = np.diag(vectors) if vectors.ndim == 1 else vectors
    periodic = np.broadcast_to(np.asarray(cell is not None if pbc is None else pbc, dtype=bool), (3,)).copy()
    x = np.array(positions, dtype=np.float64).reshape(len(z), 3)
    return Structure(name, z, x, atomic_masses[z].astype(np.float64), vectors, periodic, charge, {"source": "test"})


def from_atoms(atoms: Atoms, name: str = "test", charge: int = 0) -> Structure:
    """The structure of ASE atoms."""
    found = make_structure(atoms.numbers, atoms.positions, cell=atoms.cell[:], pbc=atoms.pbc, charge=charge, name=name)
    return dataclasses.replace(found, masses=atoms.get_masses())


def molecule_structure(formula: str = "H2O", rattle_A: float = 0.0, seed: int = 0) -> Structure:
    """A molecule of `ase.build.molecule`, each coordinate moved by a normal number of standard deviation `rattle_A`."""
    return rattled(from_atoms(molecule(formula), name=formula), rattle_A, seed)


def rattled(structure: Structure, rattle_A: float, seed: int = 0) -> Structure:
    """The structure with each coordinate moved by a normal number of standard deviation `rattle_A`."""
    noise = np.random.default_rng(seed).standard_normal(structure.positions.shape)
    return dataclasses.replace(structure, positions=structure.positions + rattle_A * noise)
