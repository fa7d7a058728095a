"""Analytic force fields with known answers, in float64, for tests of engines, integrators and metrics. Needs torch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from mdprotocol.contracts import Evaluation, Evaluator, ForceField, Structure, Topology
from mdprotocol.errors import StructureError


@dataclass
class HarmonicTrap(ForceField):
    """E = k/2 sum over atoms of |x - c|²: every coordinate is a harmonic oscillator of frequency sqrt(k/m).

    Attributes:
        stiffness: k, eV/Å².
        centre: c, (3,) Å.
    """

    stiffness: float = 1.0
    centre: tuple[float, float, float] = (0.0, 0.0, 0.0)
    kernel: str = "analytic"

    def prepare(self, topology: Topology) -> Evaluator:
        owner = torch.from_numpy(topology.owner)
        centre = torch.tensor(self.centre, dtype=torch.float64)

        def evaluate(positions: torch.Tensor, cells: torch.Tensor) -> Evaluation:
            away = positions - centre
            per_atom = 0.5 * self.stiffness * (away**2).sum(dim=1)
            return Evaluation(per_atom.new_zeros(topology.copies).index_add(0, owner, per_atom), -self.stiffness * away)

        return evaluate


class PairForceField(ForceField):
    """A sum of pair energies V(d) over the pairs of each copy; open systems only."""

    kernel = "analytic"

    @abstractmethod
    def pair(self, distance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Energy (eV) and its derivative (eV/Å) at distances (P,) Å."""

    def prepare(self, topology: Topology) -> Evaluator:
        if topology.periodic:
            raise StructureError(f"{type(self).__name__} treats open systems only")
        return _pair_evaluator(topology, _all_pairs(topology), self.pair)


@dataclass
class LennardJones(PairForceField):
    """V = 4 epsilon ((sigma/d)¹² - (sigma/d)⁶) for every pair, without cutoff; the defaults are argon's."""

    epsilon: float = 0.0103
    """eV"""
    sigma: float = 3.4
    """Å"""

    def pair(self, distance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        six = (self.sigma / distance) ** 6
        return 4 * self.epsilon * (six**2 - six), 24 * self.epsilon * (six - 2 * six**2) / distance


@dataclass
class Morse(PairForceField):
    """V = D (1 - exp(-a (d - r0)))² for every pair; the defaults are about those of H2."""

    depth: float = 4.75
    """D, eV"""
    width: float = 1.94
    """a, 1/Å"""
    length: float = 0.74
    """r0, Å"""

    def pair(self, distance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        decay = torch.exp(-self.width * (distance - self.length))
        return self.depth * (1 - decay) ** 2, 2 * self.depth * self.width * decay * (1 - decay)


@dataclass
class HarmonicBonds(ForceField):
    """V = k/2 (d - r0)² with r0 from a molecule at rest: small vibrations of a molecule that cannot break.

    Attributes:
        structure: the molecule at rest; every copy of a batch must be one of it.
        stiffness: k, eV/Å².
        reach: pairs nearer than this at rest are bonds, Å; all pairs by default.
    """

    structure: Structure
    stiffness: float = 20.0
    reach: float = np.inf
    kernel: str = "analytic"

    def prepare(self, topology: Topology) -> Evaluator:
        if topology.periodic or set(np.diff(topology.offsets).tolist()) != {len(self.structure)}:
            raise StructureError("HarmonicBonds is made for open copies of one molecule")
        i, j = pairs = _all_pairs(topology)
        at_rest = np.tile(self.structure.positions, (topology.copies, 1))
        lengths = np.linalg.norm(at_rest[j] - at_rest[i], axis=1)
        near = lengths < self.reach
        rest = torch.from_numpy(lengths[near])

        def pair(distance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return 0.5 * self.stiffness * (distance - rest) ** 2, self.stiffness * (distance - rest)

        return _pair_evaluator(topology, pairs[:, near], pair)


Pair = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


def _all_pairs(topology: Topology) -> np.ndarray:
    """(2, P) every pair i < j of each copy."""
    bounds = zip(np.diff(topology.offsets), topology.offsets[:-1], strict=True)
    return np.concatenate([np.stack(np.triu_indices(int(n), 1)) + first for n, first in bounds], axis=1)


def _pair_evaluator(topology: Topology, pairs: np.ndarray, pair: Pair) -> Evaluator:
    i, j = torch.from_numpy(pairs)
    copy = torch.from_numpy(topology.owner)[i]

    def evaluate(positions: torch.Tensor, cells: torch.Tensor) -> Evaluation:
        vector = positions[j] - positions[i]
        distance = vector.norm(dim=1)
        energy, slope = pair(distance)
        pull = (slope / distance)[:, None] * vector
        forces = torch.zeros_like(positions).index_add(0, i, pull).index_add(0, j, -pull)
        return Evaluation(energy.new_zeros(topology.copies).index_add(0, copy, energy), forces)

    return evaluate
