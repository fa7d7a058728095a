"""Flaws of a model's answers: its numbers come back scaled, noisy, rounded, in other units or in another order."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from mdprotocol.api import (
    BOHR_A,
    HARTREE_EV,
    MEV_PER_EV,
    Evaluation,
    Evaluator,
    ForceField,
    ModelFault,
    Size,
    Topology,
    properties,
)
from mdprotocol_plugins.faults._answer import NO_GRADIENT, Positive, Spoil, WrongAnswer

if TYPE_CHECKING:
    import torch

KCAL_MOL_EV = 0.0433641153
"""1 kcal/mol in eV (4184 J/mol over N_A e)."""
OTHER_SCALE = frozenset(
    {
        properties.LANDSCAPE,
        properties.CONSERVATION,
        properties.INTEGRATION,
        properties.REVERSIBILITY,
        properties.DYNAMICS,
        properties.STABILITY,
    }
)
"""Another landscape, so steep or so flat that the dynamics differs too."""


class ScaledForces(WrongAnswer):
    """Forces are too large: F -> (1 + s) F, with the energy as it was."""

    share: Positive
    sized: ClassVar = Size("share", "1")
    breaks: ClassVar = NO_GRADIENT

    def spoiling(self, topology: Topology) -> Spoil:
        return lambda x, found: replace(found, forces=found.forces * (1 + self.share))


class Forces1Percent(ScaledForces):
    """All forces are 1 % too large."""

    type: Literal["forces_1_percent"] = "forces_1_percent"
    share: Positive = 0.01


class Forces3Percent(ScaledForces):
    """All forces are 3 % too large."""

    type: Literal["forces_3_percent"] = "forces_3_percent"
    share: Positive = 0.03


class Forces10Percent(ScaledForces):
    """All forces are 10 % too large."""

    type: Literal["forces_10_percent"] = "forces_10_percent"
    share: Positive = 0.10


class NoisyForces(WrongAnswer):
    """Forces carry Gaussian noise.

    F -> F + s ξ with independent standard normal ξ at every call.
    """

    type: Literal["noisy_forces"] = "noisy_forces"
    scatter_eV_per_A: Positive = 0.05
    seed: int = 7
    sized: ClassVar = Size("scatter_eV_per_A", "eV/Å")
    breaks: ClassVar = NO_GRADIENT

    def spoiling(self, topology: Topology) -> Spoil:
        import torch

        random = torch.Generator().manual_seed(self.seed)

        def spoil(x: torch.Tensor, found: Evaluation) -> Evaluation:
            noise = torch.randn(found.forces.shape, generator=random, dtype=found.forces.dtype)
            return replace(found, forces=found.forces + self.scatter_eV_per_A * noise)

        return spoil


class KcalPerMol(WrongAnswer):
    """Energies and forces in kcal/mol are taken for eV."""

    type: Literal["kcal_per_mol"] = "kcal_per_mol"
    breaks: ClassVar = OTHER_SCALE

    def spoiling(self, topology: Topology) -> Spoil:
        return _rescaled(1 / KCAL_MOL_EV)


class Hartree(WrongAnswer):
    """Energies and forces in Hartree are taken for eV."""

    type: Literal["hartree"] = "hartree"
    breaks: ClassVar = OTHER_SCALE

    def spoiling(self, topology: Topology) -> Spoil:
        return _rescaled(1 / HARTREE_EV)


def _rescaled(factor: float) -> Spoil:
    """Energies and forces in another unit: E -> f E, F -> f F."""
    return lambda x, found: replace(found, energy=found.energy * factor, forces=found.forces * factor)


class ForcesPerBohr(WrongAnswer):
    """Forces in eV/Bohr are taken for eV/Å.

    Energies are as they were.
    """

    type: Literal["forces_per_bohr"] = "forces_per_bohr"
    breaks: ClassVar = NO_GRADIENT | {properties.LANDSCAPE}

    def spoiling(self, topology: Topology) -> Spoil:
        return lambda x, found: replace(found, forces=found.forces * BOHR_A)


class SwappedElement(ModelFault):
    """An atom is taken for another element.

    The first heavy atom of each molecule: C for N, N for C, O for N.
    """

    type: Literal["swapped_element"] = "swapped_element"
    breaks: ClassVar = frozenset({properties.LANDSCAPE, properties.STABILITY, properties.SYMMETRY})

    def prepare(self, sound: ForceField, topology: Topology) -> Evaluator:
        numbers = topology.numbers.copy()
        other = {6: 7, 7: 6, 8: 7}
        for first, last in zip(topology.offsets[:-1], topology.offsets[1:], strict=True):
            known = [a for a in range(first, last) if int(numbers[a]) in other]
            if known:
                numbers[known[0]] = other[int(numbers[known[0]])]
        return sound.prepare(replace(topology, numbers=numbers))


class PermutedForces(WrongAnswer):
    """Forces come back in another order of atoms.

    Each atom of a copy gets those of the atom before it.
    """

    type: Literal["permuted_forces"] = "permuted_forces"
    breaks: ClassVar = NO_GRADIENT | {properties.LANDSCAPE, properties.STABILITY, properties.SYMMETRY}

    def spoiling(self, topology: Topology) -> Spoil:
        import torch

        bounds = zip(topology.offsets[:-1], topology.offsets[1:], strict=True)
        order = torch.from_numpy(np.concatenate([np.roll(np.arange(a, b), 1) for a, b in bounds]))
        return lambda x, found: replace(found, forces=found.forces[order])


class DriftingEnergy(WrongAnswer):
    """The energy's zero creeps from call to call.

    By so many meV an atom in a thousand calls (half a ps at 0.5 fs).
    """

    type: Literal["drifting_energy"] = "drifting_energy"
    rate_meV: Positive = 2.0
    """An atom, in 1000 calls."""
    sized: ClassVar = Size("rate_meV", "meV/atom in 1000 calls")
    breaks: ClassVar = frozenset({properties.MEMORYLESS})

    def spoiling(self, topology: Topology) -> Spoil:
        import torch

        atoms = torch.from_numpy(np.diff(topology.offsets).astype(np.float64))
        calls = 0

        def spoil(x: torch.Tensor, found: Evaluation) -> Evaluation:
            nonlocal calls
            calls += 1
            shift = self.rate_meV / MEV_PER_EV / 1000 * calls * atoms
            return replace(found, energy=found.energy + shift)

        return spoil


class HalfPrecision(WrongAnswer):
    """Energies and forces are rounded to 16 bits."""

    type: Literal["half_precision"] = "half_precision"
    breaks: ClassVar = NO_GRADIENT | {
        properties.PRECISION,
        properties.SYMMETRY,
        properties.SMOOTHNESS,
        properties.REVERSIBILITY,
    }

    def spoiling(self, topology: Topology) -> Spoil:
        import torch

        def spoil(x: torch.Tensor, found: Evaluation) -> Evaluation:
            energy, forces = (value.to(torch.float16).to(torch.float64) for value in (found.energy, found.forces))
            return replace(found, energy=energy, forces=forces)

        return spoil
