"""Flaws of a model's landscape: jumps, kinks, holes, directions in space, a shifted bond, a softer angle, stale pairs.

All but the curl and the stale list are conservative: energy and forces agree, so that only a look at the landscape
itself, or at the reference, can see them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from ase.data import covalent_radii

from mdprotocol.contracts import Evaluation, Evaluator, ForceField, Topology
from mdprotocol.faults.answers import Spoil, WrongAnswer
from mdprotocol.faults.pairs import CopyPairs, add_gradient
from mdprotocol.faults.wrapping import Flaw

WALL_SHARE = 0.75
"""Of the sum of two covalent radii: nearer than any bond comes by thermal motion at 500 K."""
NEAR_A = 1.5
TIP = 1e-4
"""How round the tip is, as usual in such networks: next to nothing."""


@dataclass(frozen=True)
class Jump(WrongAnswer):
    """Each pair's energy steps by `height` eV at a cutoff: pairs are dropped without being switched off."""

    height: float
    cutoff_A: float = 5.0

    def spoiling(self, topology: Topology) -> Spoil:
        pairs = CopyPairs(topology)

        def term(distance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return self.height * (distance < self.cutoff_A).to(distance.dtype), torch.zeros_like(distance)

        return lambda x, found: pairs.add(found, x, term)


@dataclass(frozen=True)
class Kink(WrongAnswer):
    """Each pair's force steps by `slope` eV/Å at a distance that bonds and near pairs cross all the time."""

    slope: float
    at_A: float = 1.05

    def spoiling(self, topology: Topology) -> Spoil:
        pairs = CopyPairs(topology)

        def term(distance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            inside = (distance < self.at_A).to(distance.dtype)
            return self.slope * inside * (self.at_A - distance), -self.slope * inside

        return lambda x, found: pairs.add(found, x, term)


@dataclass(frozen=True)
class SharpNorm(WrongAnswer):
    """Each atom's energy has a tip where its surroundings are symmetric: E += s |Σ exp(-(d/1.5 Å)²) u| over neighbours.

    So do networks that take norms of vectors: at methane's carbon the sum vanishes, and the forces jump. s in eV.
    """

    strength: float

    def spoiling(self, topology: Topology) -> Spoil:
        pairs, owner = CopyPairs(topology), torch.from_numpy(topology.owner)

        def energy(x: torch.Tensor) -> torch.Tensor:
            vector = pairs.vectors(x)
            distance = vector.norm(dim=1, keepdim=True)
            toward = torch.exp(-((distance / NEAR_A) ** 2)) * vector / distance
            around = torch.zeros_like(x).index_add(0, pairs.i, toward).index_add(0, pairs.j, -toward)
            term = self.strength * ((around**2).sum(dim=1) + TIP**2).sqrt()
            return term.new_zeros(pairs.copies).index_add(0, owner, term)

        return lambda x, found: add_gradient(found, x, energy)


@dataclass(frozen=True)
class MissingWall(WrongAnswer):
    """No repulsion below 0.75 of the sum of the covalent radii: the energy falls by up to `depth` eV towards contact."""

    depth: float

    def spoiling(self, topology: Topology) -> Spoil:
        pairs = CopyPairs(topology)
        radii = torch.from_numpy(covalent_radii[topology.numbers])
        wall = WALL_SHARE * (radii[pairs.i] + radii[pairs.j])

        def term(distance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            inside = (1 - distance / wall).clamp(min=0)
            return -self.depth * inside**2, 2 * self.depth * inside / wall

        return lambda x, found: pairs.add(found, x, term)


@dataclass(frozen=True)
class Oriented(WrongAnswer):
    """Pairs along the z axis have another energy than pairs across it: E += s Σ exp(-(d/1.5 Å)²) (z/d)², s in eV."""

    strength: float

    def spoiling(self, topology: Topology) -> Spoil:
        pairs = CopyPairs(topology)

        def energy(x: torch.Tensor) -> torch.Tensor:
            vector = pairs.vectors(x)
            square = (vector**2).sum(dim=1)
            term = self.strength * torch.exp(-square / NEAR_A**2) * vector[:, 2] ** 2 / square
            return term.new_zeros(pairs.copies).index_add(0, pairs.copy, term)

        return lambda x, found: add_gradient(found, x, energy)


@dataclass(frozen=True)
class Curl(WrongAnswer):
    """A swirl about the normal n of each copy's first three atoms: F += c n × (x - centre), c in eV/Å².

    It turns with the molecule and pushes it nowhere, but is no gradient: a closed loop yields work.
    """

    strength: float

    def spoiling(self, topology: Topology) -> Spoil:
        owner = torch.from_numpy(topology.owner)
        counts = torch.from_numpy(np.diff(topology.offsets).astype(np.float64))[:, None]
        firsts = torch.from_numpy(topology.offsets[:-1][np.diff(topology.offsets) >= 3])
        copies = torch.from_numpy(np.flatnonzero(np.diff(topology.offsets) >= 3))

        def spoil(x: torch.Tensor, found: Evaluation) -> Evaluation:
            centre = x.new_zeros(topology.copies, 3).index_add(0, owner, x) / counts
            across = torch.linalg.cross(x[firsts + 1] - x[firsts], x[firsts + 2] - x[firsts])
            normal = torch.zeros_like(centre).index_copy(0, copies, torch.nn.functional.normalize(across, dim=1))
            swirl = torch.linalg.cross(normal[owner], x - centre[owner])
            return replace(found, forces=found.forces + self.strength * swirl)

        return spoil


@dataclass(frozen=True)
class ShiftedBond(Flaw):
    """The bond of each molecule's last atom has its well elsewhere: the model sees that atom `shift` Å nearer.

    E'(x) = E(x') with x'_j = x_j - s u, u = (x_j - x_i)/d: an exact shift of the well by s. The bond is that to the atom
    which was nearest at the first evaluation. Forces by the chain rule: what pulls x'_j across the bond turns it, too.
    """

    shift: float

    def prepare(self, sound: ForceField, topology: Topology) -> Evaluator:
        evaluate = sound.prepare(topology)
        last = torch.from_numpy(topology.offsets[1:] - 1)
        partner: torch.Tensor | None = None

        def spoiled(x: torch.Tensor, cells: torch.Tensor) -> Evaluation:
            nonlocal partner
            partner = _nearest(x, last, topology) if partner is None else partner
            vector = x[last] - x[partner]
            distance = vector.norm(dim=1, keepdim=True)
            unit = vector / distance
            found = evaluate(x.index_add(0, last, -self.shift * unit), cells)
            pull = found.forces[last]
            across = self.shift / distance * (pull - (pull * unit).sum(dim=1, keepdim=True) * unit)
            forces = found.forces.index_add(0, last, -across).index_add(0, partner, across)
            return replace(found, forces=forces)

        return spoiled


@dataclass(frozen=True)
class SofterAngle(WrongAnswer):
    """The angle at each molecule's most central atom is softer: E -= k/2 (cos θ - cos 107°)², k in eV.

    The angle is that between the two atoms which were nearest to it at the first evaluation. 107° lies between the
    angles of water and methane, so that the angle at rest hardly moves.
    """

    stiffness: float

    def spoiling(self, topology: Topology) -> Spoil:
        rest = float(np.cos(np.deg2rad(107.0)))
        corners: tuple[torch.Tensor, ...] = ()

        def energy(x: torch.Tensor) -> torch.Tensor:
            i, j, k, copy = corners
            a, b = x[i] - x[j], x[k] - x[j]
            cosine = (a * b).sum(dim=1) / (a.norm(dim=1) * b.norm(dim=1))
            term = -0.5 * self.stiffness * (cosine - rest) ** 2
            return term.new_zeros(topology.copies).index_add(0, copy, term)

        def spoil(x: torch.Tensor, found: Evaluation) -> Evaluation:
            nonlocal corners
            corners = corners or _corners(x, topology)
            return add_gradient(found, x, energy) if len(corners[0]) else found

        return spoil


@dataclass(frozen=True)
class StalePairs(WrongAnswer):
    """A neighbour list that is renewed every 100 calls only: pairs that come within 3 Å meanwhile are missed.

    What they miss is a pair energy of -s (1 - d/3 Å)², s in eV, which is in the sound model's answer: it is added back
    for the pairs that are near now and are not in the list.
    """

    depth: float
    cutoff_A: float = 3.0
    every: int = 100

    def spoiling(self, topology: Topology) -> Spoil:
        pairs, calls = CopyPairs(topology), 0
        listed: torch.Tensor | None = None

        def term(distance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            nonlocal listed, calls
            if listed is None or calls % self.every == 0:
                listed = distance < self.cutoff_A
            calls += 1
            missed = (1 - distance / self.cutoff_A).clamp(min=0) * (~listed).to(distance.dtype)
            return self.depth * missed**2, -2 * self.depth * missed / self.cutoff_A

        return lambda x, found: pairs.add(found, x, term)


def _nearest(x: torch.Tensor, atoms: torch.Tensor, topology: Topology) -> torch.Tensor:
    """The nearest atom of the same copy to each of these, one a copy; itself's neighbour where it is alone."""
    found = []
    for atom, first, last in zip(atoms.tolist(), topology.offsets[:-1], topology.offsets[1:], strict=True):
        distance = (x[first:last] - x[atom]).norm(dim=1)
        distance[atom - first] = torch.inf
        found.append(int(first) + int(distance.argmin()))
    return torch.tensor(found)


def _corners(x: torch.Tensor, topology: Topology) -> tuple[torch.Tensor, ...]:
    """For each copy of three atoms or more: i, j, k of the angle at the atom j nearest to all others, and the copy."""
    found = []
    for copy, (first, last) in enumerate(zip(topology.offsets[:-1], topology.offsets[1:], strict=True)):
        if last - first < 3:
            continue
        distance = torch.cdist(x[first:last], x[first:last])
        j = int(distance.sum(dim=1).argmin())
        i, k = distance[j].topk(3, largest=False).indices[1:].tolist()
        found.append((first + i, first + j, first + k, copy))
    columns = np.array(found, dtype=np.int64).reshape(-1, 4).T
    return tuple(torch.from_numpy(np.ascontiguousarray(column)) for column in columns)
