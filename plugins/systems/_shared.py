"""What all systems share: options of cell, boundaries, supercell and charge; checks of the finished structure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Annotated

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from ase.geometry import complete_cell
from pydantic import Field

from mdprotocol.api import Structure, StructureError, SystemSource
from mdprotocol_plugins.systems._carried import carried

MAX_ATOMS = 100_000
CLOSEST_A = 0.3
"""Atoms closer than this are a mistake in the file: the shortest bond, H2's, is 0.74 Å."""
SHORTEST_A, LONGEST_A, THINNEST_A = 1e-6, 10_000.0, 0.5
"""Cell vectors (a shorter one is none), their components, and distances between opposite faces of a periodic cell."""
WIDEST_A = 1e6
"""A coordinate beyond this is a mistake too (and neighbour searches would need bins without end)."""

Length = Annotated[float, Field(gt=0, le=10_000)]
Component = Annotated[float, Field(ge=-10_000, le=10_000)]
Vector = tuple[Component, Component, Component]
Copies = Annotated[int, Field(ge=1, le=1000)]


class Source(SystemSource):
    """Base of the first-party systems."""

    pbc: bool | tuple[bool, bool, bool] | None = None
    """Periodic along each cell vector; along all where `cell_A` is given, else as the source says."""
    repeat: tuple[Copies, Copies, Copies] = (1, 1, 1)
    """Supercell: copies along each cell vector."""
    charge: Annotated[int, Field(ge=-100, le=100)] | None = None
    """Total charge of the finished system, e; where absent, what the source says (its charge × copies), else 0."""


class SourceWithCell(Source):
    """Base of systems that can be put into a cell."""

    cell_A: tuple[Length, Length, Length] | tuple[Vector, Vector, Vector] | None = None
    """Cell: three lengths of a box, or three vectors as rows, Å."""


def finish(name: str, atoms: Atoms, options: Source, provenance: Mapping[str, str], charge: int = 0) -> Structure:
    """Apply the shared options and check the result.

    Args:
        atoms: what the source gave, with its velocities, moments, fixed atoms and multiplicity (see `carried`).
        charge: what the source says of the charge of these atoms, e.

    Raises:
        StructureError: no atoms, too many, unknown elements, coordinates that are not numbers, overlapping atoms, or a
            cell that is not one; a constraint, moments or a multiplicity that a structure cannot carry.
    """
    copies = int(np.prod(options.repeat))
    _check_count(name, len(atoms) * copies)
    _check_atoms(name, atoms)
    numbers, masses = atoms.numbers, atoms.get_masses()
    plain = Atoms(numbers=numbers, positions=atoms.positions, masses=masses, cell=atoms.cell[:], pbc=atoms.pbc)
    _set_cell(name, plain, options)
    if copies > 1:
        plain = _repeated(name, plain, options.repeat)
    _check_overlap(name, plain)
    total = charge * copies if options.charge is None else options.charge
    more = carried(name, atoms, copies)
    return Structure(
        name=name,
        numbers=plain.numbers.astype(np.int64),
        positions=np.array(plain.positions, dtype=np.float64),
        masses=np.array(plain.get_masses(), dtype=np.float64),
        cell=np.array(plain.cell[:], dtype=np.float64) if plain.pbc.any() else np.zeros((3, 3)),
        pbc=np.array(plain.pbc, dtype=bool),
        charge=total,
        provenance=dict(provenance),
        **more,
    )


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` where something known is like the word, else empty."""
    by_lower = {k.lower(): k for k in known}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.5)
    return f"; did you mean '{by_lower[found[0]]}'?" if found else ""


def _check_count(name: str, count: int) -> None:
    if count == 0:
        raise StructureError(f"system '{name}' has no atoms")
    if count > MAX_ATOMS:
        raise StructureError(f"system '{name}' has {count} atoms; at most {MAX_ATOMS} are allowed")


def _check_atoms(name: str, atoms: Atoms) -> None:
    unknown = sorted({int(z) for z in atoms.numbers if not 1 <= z < len(chemical_symbols)})
    if unknown:
        where = [int(k) for k in np.flatnonzero(np.isin(atoms.numbers, unknown))[:3]]
        raise StructureError(f"system '{name}' has atoms of no known element (such as atom {where[0]}, from 0)")
    if not np.isfinite(atoms.positions).all():
        bad = int(np.flatnonzero(~np.isfinite(atoms.positions).all(axis=1))[0])
        raise StructureError(f"system '{name}': the coordinates of atom {bad} (from 0) are not numbers")
    if np.abs(atoms.positions).max() > WIDEST_A:
        raise StructureError(f"system '{name}': a coordinate is beyond {WIDEST_A:g} Å")
    masses = atoms.get_masses()
    if not (np.isfinite(masses).all() and (masses > 0).all()):
        raise StructureError(f"system '{name}': a mass is not a positive number")


def _set_cell(name: str, atoms: Atoms, options: Source) -> None:
    """The cell of the options, or the source's own; only vectors that are periodic must be there."""
    cell = getattr(options, "cell_A", None)
    if cell is not None:
        atoms.set_cell(np.array(cell, dtype=float))
        atoms.pbc = True
    if options.pbc is not None:
        atoms.pbc = options.pbc
    vectors = np.asarray(atoms.cell[:])
    if not np.isfinite(vectors).all():
        raise StructureError(f"system '{name}': the cell is not made of numbers")
    if np.abs(vectors).max() > LONGEST_A:
        raise StructureError(f"system '{name}': a cell vector is beyond {LONGEST_A:g} Å")
    given = np.linalg.norm(vectors, axis=1) > SHORTEST_A
    vectors = np.where(given[:, None], vectors, 0.0)
    atoms.set_cell(vectors)
    missing = np.flatnonzero(atoms.pbc & ~given)
    if len(missing):
        raise StructureError(f"system '{name}' is periodic along vector {missing[0]}, which its cell lacks; set cell_A")
    if given.any() and np.linalg.matrix_rank(vectors, tol=1e-3) < given.sum():
        raise StructureError(f"system '{name}': the cell vectors lie in one plane")
    whole = complete_cell(vectors)
    heights = np.abs(np.linalg.det(whole)) / np.linalg.norm(np.cross(whole[[1, 2, 0]], whole[[2, 0, 1]]), axis=1)
    if (heights[atoms.pbc] < THINNEST_A).any():
        raise StructureError(
            f"system '{name}': the cell is {heights[atoms.pbc].min():.3g} Å thick; below {THINNEST_A} Å there would be "
            "images without end (a slanted cell may be reduced to a thicker one)"
        )


def _repeated(name: str, atoms: Atoms, repeat: tuple[int, int, int]) -> Atoms:
    bare = [k for k in range(3) if repeat[k] > 1 and not atoms.cell[k].any()]
    if bare:
        raise StructureError(f"system '{name}' is repeated along vector {bare[0]}, which its cell lacks; set cell_A")
    return atoms.repeat(repeat)


def _check_overlap(name: str, atoms: Atoms) -> None:
    """No two atoms, nor an atom and an image, may be closer than CLOSEST_A."""
    from ase.neighborlist import primitive_neighbor_list

    wrapped = atoms.get_positions(wrap=True)
    # Two atoms in one such cube are too close; with one in each at most, the list below has few pairs for any file.
    _, first, cube = np.unique(np.floor(wrapped * 3**0.5 / CLOSEST_A), axis=0, return_index=True, return_inverse=True)
    if len(first) < len(wrapped):
        b = int(np.flatnonzero(first[cube.ravel()] != np.arange(len(wrapped)))[0])
        a = int(first[cube.ravel()[b]])
        raise _too_close(name, atoms, a, b, float(np.linalg.norm(wrapped[a] - wrapped[b])))
    cell = complete_cell(atoms.cell[:])
    i, j, d = primitive_neighbor_list("ijd", atoms.pbc, cell, atoms.positions, CLOSEST_A, self_interaction=False)
    if len(i):
        k = int(np.argmin(d))
        a, b = sorted((int(i[k]), int(j[k])))
        raise _too_close(name, atoms, a, b, float(d[k]))


def _too_close(name: str, atoms: Atoms, a: int, b: int, distance: float) -> StructureError:
    return StructureError(
        f"system '{name}': atoms {a} ({atoms.symbols[a]}) and {b} ({atoms.symbols[b]}), counted from 0, "
        f"are {distance:.3f} Å apart; less than {CLOSEST_A} Å is taken for a mistake in the geometry or the cell"
    )
