"""Symmetry: what a force field must say of the same system turned, mirrored, moved or listed in another order."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
import xarray as xr
from ase.geometry import complete_cell
from pydantic import Field

from mdprotocol.api import (
    MEV_PER_EV,
    ProbeMetric,
    Quantity,
    Sign,
    Structure,
    Subject,
    Values,
    properties,
)
from mdprotocol_plugins.metrics._geometries import (
    evaluated,
    moved,
    rattles,
    rotation,
    unit_vector,
)
from mdprotocol_plugins.metrics._series import finite

SIZES_A = (0.03, 0.08)
FARTHEST_A = 1000.0
"""Of a translation: a molecule that drifts at 500 K for a nanosecond comes this far."""


@dataclass(frozen=True)
class Change:
    """The same system put differently: its forces are `forces_of(original forces)`, its energy the original's."""

    structure: Structure
    forces_of: Callable[[np.ndarray], np.ndarray]


class Symmetry(ProbeMetric):
    """Largest change of energy and forces under rotation, reflection, translation and permutation.

    The energy of isolated atoms is invariant under the Euclidean group and the order of like nuclei, and forces turn
    with the atoms (Landau and Lifshitz, Mechanics, sections 6 to 9; for networks: Batzner et al., Nature Communications
    13, 2453 (2022)):

        E(R x + t) = E(x),   F(R x + t) = R F(x),   E(P x) = E(x),   F(P x) = P F(x)

    for random rotations and reflections R (Haar measure), translations t of 1 to 1000 Å, and permutations P: half of
    them exchange like atoms only, half list all atoms anew. A periodic system turns with its cell; its translations
    are of any length, and atoms are also put into other images of the cell. Geometries are rattled by 0.03 and 0.08 Å a
    coordinate: a molecule at rest hides what its own symmetry cancels.

        <kind>_energy   max |E' - E|, meV
        <kind>_force    max |F' - R F| over components, eV/Å
    """

    type: Literal["symmetry"] = "symmetry"
    geometries: Annotated[int, Field(ge=1, le=100)] = 3
    rotations: Annotated[int, Field(ge=1, le=1000)] = 8
    """Rotations a geometry; half as many (at least 2) of each other kind."""

    needs: ClassVar = frozenset(
        f"{kind}_{what}_change"
        for kind in ("rotation", "reflection", "translation", "permutation")
        for what in ("energy", "force")
    )
    tests: ClassVar = frozenset({properties.SYMMETRY})
    quantities: ClassVar = {
        "rotation_energy": Quantity("meV", "largest change of the energy under rotation", "max"),
        "rotation_force": Quantity("eV/Å", "largest change of a force component under rotation", "max"),
        "reflection_energy": Quantity("meV", "largest change of the energy under reflection", "max"),
        "reflection_force": Quantity("eV/Å", "largest change of a force component under reflection", "max"),
        "translation_energy": Quantity("meV", "largest change of the energy under translation", "max"),
        "translation_force": Quantity("eV/Å", "largest change of a force component under translation", "max"),
        "permutation_energy": Quantity("meV", "largest change of the energy in another order of atoms", "max"),
        "permutation_force": Quantity("eV/Å", "largest change of a force component in another order of atoms", "max"),
    }
    signs: ClassVar = (
        Sign("rotation_energy", 1.0, properties.SYMMETRY, "rotation changes the energy by up to {:.2g} meV"),
        Sign("rotation_force", 0.005, properties.SYMMETRY, "rotation changes forces by up to {:.2g} eV/Å"),
        Sign("reflection_energy", 1.0, properties.SYMMETRY, "reflection changes the energy by up to {:.2g} meV"),
        Sign("reflection_force", 0.005, properties.SYMMETRY, "reflection changes forces by up to {:.2g} eV/Å"),
        Sign("translation_energy", 1.0, properties.SYMMETRY, "translation changes the energy by up to {:.2g} meV"),
        Sign("translation_force", 0.005, properties.SYMMETRY, "translation changes forces by up to {:.2g} eV/Å"),
        Sign(
            "permutation_energy",
            1.0,
            properties.SYMMETRY,
            "another order of the atoms changes the energy by {:.2g} meV",
        ),
        Sign(
            "permutation_force", 0.005, properties.SYMMETRY, "another order of the atoms changes forces by {:.2g} eV/Å"
        ),
    )

    def probe(self, subject: Subject) -> xr.Dataset:
        random = np.random.default_rng([subject.seed, 2])
        originals = [moved(subject.structure, x) for x in rattles(subject.structure, self.geometries, random, SIZES_A)]
        energies, forces = evaluated(subject.force_field, originals)
        fewer = max(2, self.rotations // 2)
        kinds = {
            "rotation": [[_turned(s, rotation(random)) for _ in range(self.rotations)] for s in originals],
            "reflection": [[_turned(s, -rotation(random)) for _ in range(fewer)] for s in originals],
            "translation": [[_shifted(s, random, k, fewer) for k in range(fewer)] for s in originals],
            "permutation": [[_reordered(s, random, like=k % 2 == 0) for k in range(fewer)] for s in originals],
        }
        variables = {}
        for kind, changes in kinds.items():
            energy_change, force_change = _deviations(subject, changes, energies, forces)
            variables[f"{kind}_energy_change"] = (("geometry", kind), energy_change, {"units": "eV"})
            variables[f"{kind}_force_change"] = (("geometry", kind), force_change, {"units": "eV/Å"})
        return xr.Dataset(variables)

    def measure(self, run: xr.Dataset) -> Values:
        values = {}
        for name in self.quantities:
            scale = MEV_PER_EV if name.endswith("_energy") else 1.0
            values[name] = scale * float(np.abs(finite(run, f"{name}_change")).max())
        return values


def _deviations(
    subject: Subject, changes: Sequence[Sequence[Change]], energies: np.ndarray, forces: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """(geometry, change) E' - E, eV, and the largest deviation of a force component, eV/Å."""
    flat = [change for some in changes for change in some]
    new_energies, new_forces = evaluated(subject.force_field, [change.structure for change in flat])
    expected = [change.forces_of(forces[g]) for g, some in enumerate(changes) for change in some]
    force_change = [np.abs(found - due).max() for found, due in zip(new_forces, expected, strict=True)]
    shape = (len(changes), len(changes[0]))
    return new_energies.reshape(shape) - energies[:, None], np.array(force_change).reshape(shape)


def _turned(structure: Structure, matrix: np.ndarray) -> Change:
    """Turned or mirrored about its centre, the cell with it."""
    centre = structure.positions.mean(axis=0)
    positions = (structure.positions - centre) @ matrix.T + centre
    turned = dataclasses.replace(structure, positions=positions, cell=structure.cell @ matrix.T)
    return Change(turned, lambda forces: forces @ matrix.T)


def _shifted(structure: Structure, random: np.random.Generator, k: int, count: int) -> Change:
    """Moved together, by lengths from 1 Å to the farthest; atoms of a cell also go to other images."""
    length = FARTHEST_A ** (k / (count - 1))
    shift = length * unit_vector(random)
    images = random.integers(-2, 3, structure.positions.shape) * structure.pbc
    return Change(moved(structure, structure.positions + shift + images @ complete_cell(structure.cell)), lambda f: f)


def _reordered(structure: Structure, random: np.random.Generator, like: bool) -> Change:
    """Atoms in another order; with `like`, the list of elements stays and like atoms change places."""
    order = np.arange(len(structure))
    groups = [np.flatnonzero(structure.numbers == z) for z in np.unique(structure.numbers)] if like else [order]
    for group in groups:
        order[group] = random.permutation(group)
    return Change(structure.of_atoms(order), lambda forces: forces[order])
