"""What ends a run early: numbers that are not finite, a runaway temperature, a bond broken or formed, a model that fails.

Stability means chemistry, so the bonds of the initial structure are part of it. Bonds are pairs closer than 1.2 times the
sum of their covalent radii (Cordero et al., Dalton Trans. 2008, 2832, as tabulated in ASE).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from ase.data import chemical_symbols, covalent_radii

from mdprotocol.components import MDState, Structure
from mdprotocol.protocol.schema import Guards
from mdprotocol.units import KB_EV_PER_K

BOND_FACTOR = 1.2


@dataclass(frozen=True)
class Failure:
    """Why a run ended: its kind (a fixed word) and one sentence with the numbers."""

    kind: str
    detail: str


@dataclass(frozen=True)
class Pairs:
    """Pairs of atoms of a whole batch with the distance that must not be passed; `owner` is the copy."""

    i: torch.Tensor
    j: torch.Tensor
    limit: torch.Tensor
    owner: torch.Tensor


class Watch:
    """Looks at a batch and says which copies have failed, and why."""

    def __init__(self, guards: Guards, structures: Sequence[Structure], owner: torch.Tensor) -> None:
        self._guards = guards
        self._owner = owner
        self._numbers = np.concatenate([s.numbers for s in structures])
        self._offsets = np.concatenate([[0], np.cumsum([len(s) for s in structures])])
        self._cells = [np.asarray(s.cell) if s.periodic else None for s in structures]
        self._periodic = torch.tensor([s.periodic for s in structures])
        self._cell = torch.from_numpy(np.stack([s.cell if s.periodic else np.eye(3) for s in structures]).astype(float))
        self._inverse = torch.linalg.inv(self._cell)
        self._bonds, self._others = self._pairs(structures)

    def _pairs(self, structures: Sequence[Structure]) -> tuple[Pairs, Pairs]:
        bonds: list[tuple[int, int, float, int]] = []
        others: list[tuple[int, int, float, int]] = []
        for b, structure in enumerate(structures):
            start = int(self._offsets[b])
            for i, j, distance, radii in bonded_pairs(structure):
                if distance < BOND_FACTOR * radii:
                    bonds.append((start + i, start + j, distance * (self._guards.bond_stretch or np.inf), b))
                else:
                    # A pair that starts closer than the limit for new bonds is watched from its own distance on.
                    limit = min((self._guards.new_bond or 0.0) * radii, 0.9 * distance)
                    others.append((start + i, start + j, limit, b))
        return _stack(bonds), _stack(others)

    def failures(
        self, state: MDState, alive: torch.Tensor, dof: torch.Tensor, errors: Mapping[int, str]
    ) -> dict[int, Failure]:
        """Failed copies among those alive, each with its first cause."""
        found: dict[int, Failure] = {b: Failure("model_error", text) for b, text in errors.items() if alive[b]}
        self._not_finite(state, alive, found)
        self._runaway(state, alive, dof, found)
        if self._guards.bond_stretch is not None:
            self._distances(state, self._bonds, alive, found, broken=True)
        if self._guards.new_bond is not None:
            self._distances(state, self._others, alive, found, broken=False)
        return found

    def _not_finite(self, state: MDState, alive: torch.Tensor, found: dict[int, Failure]) -> None:
        # A sum is finite only if all its terms are; it costs one pass (overflow would be a failure as well).
        per_atom = state.forces.sum(dim=1) + state.positions.sum(dim=1) + state.velocities.sum(dim=1)
        total = state.energy.new_zeros(state.copies).index_add(0, self._owner, per_atom) + state.energy
        for b in torch.nonzero(alive & ~torch.isfinite(total)).flatten().tolist():
            found.setdefault(b, Failure("nan", "energy, force, position or velocity is not a finite number"))

    def _runaway(self, state: MDState, alive: torch.Tensor, dof: torch.Tensor, found: dict[int, Failure]) -> None:
        temperature = 2 * state.kinetic_energy() / (dof * KB_EV_PER_K)
        g = self._guards
        limit = g.max_temperature_factor * state.temperature + g.max_temperature_offset_K
        for b in torch.nonzero(alive & (temperature > limit)).flatten().tolist():
            text = f"{float(temperature[b]):.0f} K, more than {float(limit[b]):.0f} K (target {float(state.temperature[b]):g} K)"
            found.setdefault(b, Failure("runaway_temperature", text))

    def _distances(
        self, state: MDState, pairs: Pairs, alive: torch.Tensor, found: dict[int, Failure], *, broken: bool
    ) -> None:
        if not len(pairs.i):
            return
        vector = state.positions[pairs.j] - state.positions[pairs.i]
        if bool(self._periodic.any()):
            vector = self._minimum_image(vector, pairs.owner)
        distance = torch.linalg.vector_norm(vector, dim=1)
        bad = ((distance > pairs.limit) if broken else (distance < pairs.limit)) & alive[pairs.owner]
        for k in torch.nonzero(bad).flatten().tolist():
            text = self._sentence(pairs, k, float(distance[k]), broken)
            found.setdefault(int(pairs.owner[k]), Failure("broken_bond" if broken else "new_bond", text))

    def _minimum_image(self, vector: torch.Tensor, owner: torch.Tensor) -> torch.Tensor:
        fraction = torch.einsum("pa,pab->pb", vector, self._inverse[owner])
        wrapped = torch.einsum("pa,pab->pb", fraction - torch.round(fraction), self._cell[owner])
        return torch.where(self._periodic[owner][:, None], wrapped, vector)

    def _sentence(self, pairs: Pairs, k: int, distance: float, broken: bool) -> str:
        start = int(self._offsets[int(pairs.owner[k])])
        names = [f"{chemical_symbols[self._numbers[a]]}{a - start}" for a in (int(pairs.i[k]), int(pairs.j[k]))]
        verb = "beyond" if broken else "below"
        return f"{'-'.join(names)} at {distance:.2f} Å, {verb} {float(pairs.limit[k]):.2f} Å"


def bonded_pairs(structure: Structure) -> list[tuple[int, int, float, float]]:
    """Every pair i < j that is a bond or could become one: distance (minimum image) and sum of covalent radii, Å."""
    n = len(structure)
    i, j = np.triu_indices(n, 1)
    vector = structure.positions[j] - structure.positions[i]
    if structure.periodic:
        fraction = vector @ np.linalg.inv(structure.cell)
        vector = (fraction - np.round(fraction) * structure.pbc) @ structure.cell
    distance = np.linalg.norm(vector, axis=1)
    radii = covalent_radii[structure.numbers[i]] + covalent_radii[structure.numbers[j]]
    return list(zip(i.tolist(), j.tolist(), distance.tolist(), radii.tolist(), strict=True))


def _stack(rows: list[tuple[int, int, float, int]]) -> Pairs:
    columns = list(zip(*rows, strict=True)) if rows else [(), (), (), ()]
    i, j, owner = (torch.tensor(columns[c], dtype=torch.int64) for c in (0, 1, 3))
    return Pairs(i, j, torch.tensor(columns[2], dtype=torch.float64), owner)
