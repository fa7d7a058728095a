"""Size consistency: two systems that do not feel each other have the sum of their energies, and so do batches."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
import xarray as xr
from pydantic import Field

from mdprotocol.api import (
    MEV_PER_EV,
    ForceField,
    NotMeasurable,
    ProbeMetric,
    Quantity,
    Structure,
    Subject,
    Topology,
    Values,
    properties,
)
from mdprotocol_plugins.metrics._geometries import (
    answer,
    at_gap,
    evaluated,
    moved,
    rattles,
    rotation,
    two,
    unit_vector,
)
from mdprotocol_plugins.metrics._series import finite

SIZES_A = (0.03, 0.08)


class SizeConsistency(ProbeMetric):
    """Two copies far apart against each alone, and copies in a batch against each alone.

    The energy of fragments that do not interact is the sum of theirs (Pople, Binkley and Seeger, Int. J. Quantum Chem.
    Symp. 10, 1 (1976)), and their forces are their own:

        E(A + B) = E(A) + E(B),   F(A + B) = (F(A), F(B))

    A and B are two rattled geometries with gaps of 50 and 100 Å between their nearest atoms, in random directions and
    orientations: there the interaction of two dipoles as strong as water's is below 0.04 meV. Two like charges repel at
    any distance, so that a charged system is not measured. For a periodic system, the cell doubled along each of its
    periodic vectors has twice the energy and the same forces.

        energy_error         max |E(A + B) - E(A) - E(B)| / atoms of A + B, meV/atom
        force_error          max |F(A + B) - (F(A), F(B))| over components, eV/Å
        batch_energy_error   max |E in a batch of different geometries - E alone| / atoms, meV/atom
        batch_error          the same of force components, eV/Å
    """

    type: Literal["size_consistency"] = "size_consistency"
    gaps_A: Annotated[tuple[Annotated[float, Field(ge=5, le=1e4)], ...], Field(min_length=1, max_length=20)] = (50, 100)
    pairs: Annotated[int, Field(ge=1, le=100)] = 3
    """A gap."""
    batch: Annotated[int, Field(ge=2, le=100)] = 6
    """Copies in the batch."""

    needs: ClassVar = frozenset({"sum_energy_change", "sum_force_change", "batch_energy_change", "batch_force_change"})
    tests: ClassVar = frozenset({properties.EXTENSIVITY})
    quantities: ClassVar = {
        "energy_error": Quantity("meV/atom", "energy of two far copies against the sum of both", "max"),
        "force_error": Quantity("eV/Å", "forces of two far copies against those of each alone", "max"),
        "batch_energy_error": Quantity("meV/atom", "energy of a copy in a batch against the same alone", "max"),
        "batch_error": Quantity("eV/Å", "force of a copy in a batch against the same alone", "max"),
    }

    def probe(self, subject: Subject) -> xr.Dataset:
        model, structure = subject.force_field, subject.structure
        random = np.random.default_rng([subject.seed, 4])
        if structure.charge:
            raise NotMeasurable(f"a copy has charge {structure.charge} e, and two such copies repel at any distance")
        together, apart = _doubled(structure, random) if structure.periodic else self._far_pairs(structure, random)
        energy, forces = evaluated(model, together)
        alone = [evaluated(model, parts) for parts in apart]
        sums = np.array([parts.sum() for parts, _ in alone])
        atoms = np.array([len(s) for s in together])
        force_change = [np.abs(f - np.concatenate(p)).max() for f, (_, p) in zip(forces, alone, strict=True)]
        batch_energy, batch_force = self._batch(model, structure, random)
        variables = {
            "sum_energy_change": ("pair", (energy - sums) / atoms, {"units": "eV"}),
            "sum_force_change": ("pair", np.array(force_change), {"units": "eV/Å"}),
            "batch_energy_change": ("copy", batch_energy / len(structure), {"units": "eV"}),
            "batch_force_change": ("copy", batch_force, {"units": "eV/Å"}),
        }
        return xr.Dataset(variables)

    def _far_pairs(
        self, structure: Structure, random: np.random.Generator
    ) -> tuple[list[Structure], list[list[Structure]]]:
        """Structures of two copies, and the two copies of each."""
        together, apart = [], []
        for gap in self.gaps_A:
            for _ in range(self.pairs):
                x, y = rattles(structure, 2, random, SIZES_A)
                y = at_gap(x, (y - y.mean(axis=0)) @ rotation(random).T, unit_vector(random), gap)
                together.append(two(moved(structure, x), y))
                apart.append([moved(structure, x), moved(structure, y)])
        return together, apart

    def _batch(
        self, model: ForceField, structure: Structure, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """(copy,) change of energy, eV, and largest change of a force component, eV/Å, in a batch."""
        copies = [moved(structure, x) for x in rattles(structure, self.batch, random, SIZES_A)]
        energy, forces = _as_one_batch(model, copies)
        alone = [evaluated(model, [copy]) for copy in copies]
        energy_change = np.array([e - own[0] for e, (own, _) in zip(energy, alone, strict=True)])
        return energy_change, np.array([np.abs(f - own[0]).max() for f, (_, own) in zip(forces, alone, strict=True)])

    def measure(self, run: xr.Dataset) -> Values:
        return {
            "energy_error": MEV_PER_EV * float(np.abs(finite(run, "sum_energy_change")).max()),
            "force_error": float(finite(run, "sum_force_change").max()),
            "batch_energy_error": MEV_PER_EV * float(np.abs(finite(run, "batch_energy_change")).max()),
            "batch_error": float(finite(run, "batch_force_change").max()),
        }


def _as_one_batch(model: ForceField, copies: Sequence[Structure]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Like `evaluated`, but never in parts."""
    topology = Topology.of(copies)
    energy, forces = answer(
        model.prepare(topology), np.concatenate([copy.positions for copy in copies]), topology.cells
    )
    return energy, np.split(forces, topology.offsets[1:-1])


def _doubled(structure: Structure, random: np.random.Generator) -> tuple[list[Structure], list[list[Structure]]]:
    """The rattled cell twice along each periodic vector, and the two cells that it is made of."""
    together, apart = [], []
    for axis in np.flatnonzero(structure.pbc):
        cell = moved(structure, rattles(structure, 1, random, SIZES_A)[0])
        vectors = cell.cell.copy()
        vectors[axis] *= 2
        together.append(dataclasses.replace(two(cell, cell.positions + cell.cell[axis]), cell=vectors))
        apart.append([cell, cell])
    return together, apart
