"""Geometries that probes of a force field evaluate, and their evaluation in batches."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from ase.geometry import complete_cell

from mdprotocol.api import (
    Evaluator,
    ForceField,
    NotMeasurable,
    Structure,
    Topology,
    chemistry,
)

BATCH_ATOMS = 1000
"""Atoms evaluated at once: enough to pay for the call, little enough for the memory."""


def moved(structure: Structure, positions: np.ndarray) -> Structure:
    """The same atoms elsewhere, (n, 3) Å."""
    return dataclasses.replace(structure, positions=np.asarray(positions, dtype=np.float64))


def rattles(structure: Structure, count: int, random: np.random.Generator, sizes_A: Sequence[float]) -> np.ndarray:
    """(count, n, 3) Å: geometries whose coordinates are moved by normal noise, of the standard deviations in turn.

    A stiffness k allows an amplitude sqrt(k_B T / k) whatever the mass: about 0.03 Å for a bond and 0.08 Å for an angle
    at 300 K.
    """
    scale = np.resize(np.asarray(sizes_A, dtype=float), count)[:, None, None]
    return structure.positions + scale * random.standard_normal((count, *structure.positions.shape))


def evaluated(force_field: ForceField, structures: Sequence[Structure]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Energies (B,) eV and forces, B times (n, 3) eV/Å, of structures in this order, by fresh evaluators.

    Raises:
        NoAnswer: the model gave none, or one that is not finite.
        StructureError: the model cannot treat them.
    """
    energies: list[np.ndarray] = []
    forces: list[np.ndarray] = []
    for some in _batches(structures):
        topology = Topology.of(some)
        x = np.concatenate([s.positions for s in some])
        energy, force = answer(force_field.prepare(topology), x, topology.cells)
        energies.append(energy)
        forces += np.split(force, topology.offsets[1:-1])
    return np.concatenate(energies), forces


def evaluated_at(force_field: ForceField, structure: Structure, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Energies (B,) eV and forces (B, n, 3) eV/Å of one structure at positions (B, n, 3) Å."""
    energies, forces = evaluated(force_field, [moved(structure, x) for x in positions])
    return energies, np.stack(forces)


def answer(evaluator: Evaluator, positions: np.ndarray, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What an evaluator says of positions (N, 3) in cells (B, 3, 3) Å: energies (B,) eV, forces (N, 3) eV/Å, as copies.

    Raises:
        NoAnswer: there is none, or it is not finite.
    """
    import torch

    x = torch.tensor(np.asarray(positions, dtype=np.float64))
    found = evaluator(x, torch.from_numpy(cells)).answered(finite=True)
    energy, forces = (np.array(x.detach().cpu().numpy(), dtype=np.float64) for x in (found.energy, found.forces))
    return energy, forces


def _batches(structures: Sequence[Structure]) -> list[list[Structure]]:
    batches: list[list[Structure]] = [[]]
    for structure in structures:
        if batches[-1] and sum(map(len, batches[-1])) + len(structure) > BATCH_ATOMS:
            batches.append([])
        batches[-1].append(structure)
    return batches


# ----------------------------------------------------------------------------------------------------------- bonds


def bonds(structure: Structure) -> np.ndarray:
    """(P, 2) bonded atoms, first the lower index; bonds to periodic images are there too."""
    return chemistry.bonds(structure.numbers, structure.positions, structure.cell, structure.pbc)


def nearest_pairs(structure: Structure) -> np.ndarray:
    """(P, 2) pairs within 1.1 of the shortest distance."""
    reach = 12.0
    d = _pairs("d", structure, reach)
    if len(d) == 0:
        raise NotMeasurable(f"no two atoms are within {reach:g} Å of each other")
    n = len(structure)
    return _contacts(structure, np.full((n, n), 1.1 * float(d.min())))


def _contacts(structure: Structure, reach: np.ndarray) -> np.ndarray:
    i, j, d = _pairs("ijd", structure, float(reach.max()))
    near = (i < j) & (d < reach[i, j])
    return np.unique(np.stack([i[near], j[near]], axis=1), axis=0)


def _pairs(quantities: str, structure: Structure, cutoff: float) -> Any:
    """ASE's neighbour list, which imports much of SciPy: where it is used, and not before."""
    from ase.neighborlist import primitive_neighbor_list

    cell = complete_cell(structure.cell)
    return primitive_neighbor_list(quantities, structure.pbc, cell, structure.positions, cutoff)


def components(count: int, pairs: np.ndarray) -> np.ndarray:
    """(count,) label of the connected part that each atom belongs to."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    matrix = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return connected_components(matrix, directed=False)[1]


def side(count: int, pairs: np.ndarray, bond: np.ndarray) -> np.ndarray:
    """(count,) bool: the atoms that move with bond[1] when the bond is stretched; that atom alone in a ring or crystal."""
    i, j = bond
    label = components(count, pairs[~(pairs == bond).all(axis=1)])
    if label[i] == label[j]:
        return np.arange(count) == j
    return label == label[j]


def varied(structure: Structure, pairs: np.ndarray) -> list[tuple[int, int]]:
    """Bonds, one of each pair of elements first."""
    seen: dict[tuple[int, ...], int] = {}
    ranked = []
    for i, j in pairs.tolist():
        kind = tuple(sorted(structure.numbers[[i, j]].tolist()))
        seen[kind] = seen.get(kind, -1) + 1
        ranked.append((seen[kind], i, j))
    return [(i, j) for _, i, j in sorted(ranked)]


def separation(structure: Structure, i: int, j: int) -> np.ndarray:
    """(3,) Å from atom i to the nearest image of atom j."""
    cell = complete_cell(structure.cell)
    away = structure.positions[j] - structure.positions[i]
    images = np.stack(np.meshgrid(*[(-1, 0, 1) if p else (0,) for p in structure.pbc], indexing="ij"), -1).reshape(
        -1, 3
    )
    fractional = np.linalg.solve(cell.T, away)
    away = (fractional - np.round(fractional) * structure.pbc) @ cell
    candidates = away + images @ cell
    return candidates[np.argmin(np.linalg.norm(candidates, axis=1))]


# ------------------------------------------------------------------------------------------- two parts that move apart


def two(a: Structure, b: np.ndarray) -> Structure:
    """The structure and a copy of it, whose atoms lie at positions b (n, 3) Å; open systems."""
    return dataclasses.replace(
        a.of_atoms(np.tile(np.arange(len(a)), 2)),
        name=f"two of {a.name}",
        positions=np.concatenate([a.positions, b]),
        charge=2 * a.charge,
        multiplicity=None,  # how two spins couple nobody has said
    )


def at_gap(a: np.ndarray, b: np.ndarray, direction: np.ndarray, gap: float) -> np.ndarray:
    """Atoms b (m, 3) moved along the unit vector `direction` until their nearest distance to atoms a is `gap` Å.

    The place is the farthest one: along the line through a's centre, coming from infinity, the first contact.
    """
    start = b - b.mean(axis=0) + a.mean(axis=0)
    away = start[None, :, :] - a[:, None, :]
    along = away @ direction
    across2 = (away**2).sum(axis=-1) - along**2
    room = gap**2 - across2
    touching = room >= 0
    shift = np.where(touching, np.sqrt(np.where(touching, room, 0.0)) - along, -np.inf).max()
    return start + max(float(shift), 0.0) * direction


def unit_vector(random: np.random.Generator) -> np.ndarray:
    """(3,) a random direction, uniform on the sphere."""
    v = random.standard_normal(3)
    return v / np.linalg.norm(v)


def rotation(random: np.random.Generator) -> np.ndarray:
    """(3, 3) a random proper rotation, uniform (Haar): QR of a normal matrix with the signs of R's diagonal."""
    q, r = np.linalg.qr(random.standard_normal((3, 3)))
    q = q * np.sign(np.diag(r))
    return q if np.linalg.det(q) > 0 else q @ np.diag([1.0, 1.0, -1.0])


def slides(structure: Structure, count: int, random: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """(atoms (n,) bool, unit vector, length Å): parts of a periodic structure and how far each may move.

    A part is a molecule, or an atom where all are bonded to one another; it may move by 0.35 of the distance to its
    nearest neighbour outside the part.
    """
    n = len(structure)
    label = components(n, bonds(structure))
    if label.max() == 0:
        label = np.arange(n)
    i, j, d = _pairs("ijd", structure, 8.0)
    found = []
    for part in random.choice(label.max() + 1, count, replace=label.max() + 1 < count):
        outside = (label[i] == part) & (label[j] != part)
        if outside.any():
            found.append((label == part, unit_vector(random), 0.35 * float(d[outside].min())))
    if not found:
        raise NotMeasurable("no part of the system has a neighbour within 8 Å to move against")
    return found
