"""Flaws of a model's answers: its numbers come back scaled, noisy, rounded, in other units or in another order."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from mdprotocol.contracts import Evaluation, Evaluator, ForceField, Topology
from mdprotocol.faults.wrapping import Flaw
from mdprotocol.units import BOHR_A, MEV_PER_EV

Spoil = Callable[[torch.Tensor, Evaluation], Evaluation]


class WrongAnswer(Flaw):
    """Base of flaws that change what a sound model answers."""

    def prepare(self, sound: ForceField, topology: Topology) -> Evaluator:
        evaluate, spoil = sound.prepare(topology), self.spoiling(topology)
        return lambda positions, cells: spoil(positions, evaluate(positions, cells))

    @abstractmethod
    def spoiling(self, topology: Topology) -> Spoil:
        """Positions and the sound answer -> the faulty answer. It may keep state from call to call."""


@dataclass(frozen=True)
class ScaledForces(WrongAnswer):
    """F -> (1 + s) F, with the energy as it was."""

    share: float

    def spoiling(self, topology: Topology) -> Spoil:
        return lambda x, found: replace(found, forces=found.forces * (1 + self.share))


@dataclass(frozen=True)
class NoisyForces(WrongAnswer):
    """F -> F + s ξ with independent standard normal ξ at every call: eV/Å."""

    scatter: float
    seed: int = 7

    def spoiling(self, topology: Topology) -> Spoil:
        random = torch.Generator().manual_seed(self.seed)

        def spoil(x: torch.Tensor, found: Evaluation) -> Evaluation:
            noise = torch.randn(found.forces.shape, generator=random, dtype=found.forces.dtype)
            return replace(found, forces=found.forces + self.scatter * noise)

        return spoil


@dataclass(frozen=True)
class Rescaled(WrongAnswer):
    """Energies and forces in another unit: E -> f E, F -> f F."""

    factor: float

    def spoiling(self, topology: Topology) -> Spoil:
        return lambda x, found: replace(found, energy=found.energy * self.factor, forces=found.forces * self.factor)


@dataclass(frozen=True)
class ForcesPerBohr(WrongAnswer):
    """Forces in eV/Bohr, taken for eV/Å; energies as they were."""

    def spoiling(self, topology: Topology) -> Spoil:
        return lambda x, found: replace(found, forces=found.forces * BOHR_A)


@dataclass(frozen=True)
class PermutedForces(WrongAnswer):
    """Forces come back in another order: each atom of a copy gets those of the atom before it."""

    def spoiling(self, topology: Topology) -> Spoil:
        bounds = zip(topology.offsets[:-1], topology.offsets[1:], strict=True)
        order = torch.from_numpy(np.concatenate([np.roll(np.arange(a, b), 1) for a, b in bounds]))
        return lambda x, found: replace(found, forces=found.forces[order])


@dataclass(frozen=True)
class DriftingEnergy(WrongAnswer):
    """The energy's zero creeps from call to call: `rate` meV an atom in a thousand calls (half a ps at 0.5 fs)."""

    rate: float

    def spoiling(self, topology: Topology) -> Spoil:
        atoms = torch.from_numpy(np.diff(topology.offsets).astype(np.float64))
        calls = 0

        def spoil(x: torch.Tensor, found: Evaluation) -> Evaluation:
            nonlocal calls
            calls += 1
            shift = self.rate / MEV_PER_EV / 1000 * calls * atoms
            return replace(found, energy=found.energy + shift)

        return spoil


@dataclass(frozen=True)
class HalfPrecision(WrongAnswer):
    """Energies and forces have been through 16-bit floating point."""

    def spoiling(self, topology: Topology) -> Spoil:
        def spoil(x: torch.Tensor, found: Evaluation) -> Evaluation:
            energy, forces = (value.to(torch.float16).to(torch.float64) for value in (found.energy, found.forces))
            return replace(found, energy=energy, forces=forces)

        return spoil


@dataclass(frozen=True)
class SwappedElement(Flaw):
    """The first heavy atom of each molecule is taken for another element: C for N, N for C, O for N."""

    def prepare(self, sound: ForceField, topology: Topology) -> Evaluator:
        numbers = topology.numbers.copy()
        other = {6: 7, 7: 6, 8: 7}
        for first, last in zip(topology.offsets[:-1], topology.offsets[1:], strict=True):
            known = [a for a in range(first, last) if int(numbers[a]) in other]
            if known:
                numbers[known[0]] = other[int(numbers[known[0]])]
        return sound.prepare(replace(topology, numbers=numbers))
