"""Configurations of one molecule: Langevin dynamics on the teacher, normal modes, bonds pulled and pushed, squeezes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from ase import units

from recipe.labels import MAX_FORCE, LabelError, Teacher
from recipe.molecules import Start

KB = units.kB
MASS = 1.0 / units.fs**2
"""amu in eV fs²/Å²."""


@dataclass
class Sample:
    """A labelled configuration: eV, Å, eV/Å."""

    molecule: str
    kind: str
    numbers: np.ndarray
    positions: np.ndarray
    energy: float
    forces: np.ndarray


@dataclass
class Sampler:
    """Draws labelled configurations of one molecule and counts what it had to drop."""

    start: Start
    rng: np.random.Generator
    dropped: Counter = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.teacher = Teacher(self.start.atoms.numbers)
        self.masses = self.start.atoms.get_masses()[:, None] * MASS

    def label(self, kind: str, positions: np.ndarray) -> Sample | None:
        """The labelled configuration, or None (counted) where the teacher fails or the forces are absurd."""
        try:
            energy, forces = self.teacher(positions)
        except LabelError:
            self.dropped["scf"] += 1
            return None
        if np.abs(forces).max() > MAX_FORCE:
            self.dropped["force"] += 1
            return None
        return self._sample(kind, positions, energy, forces)

    def _sample(self, kind: str, positions: np.ndarray, energy: float, forces: np.ndarray) -> Sample:
        return Sample(self.start.name, kind, self.start.atoms.numbers, positions.copy(), energy, forces.copy())

    def dynamics(self, temperature: float, samples: int, every: int, warmup: int, timestep: float) -> Iterator[Sample]:
        """BAOAB Langevin dynamics (Leimkuhler, Matthews, 2013) at a friction of 10/ps; a sample every `every` steps."""
        x = self.start.atoms.positions.copy()
        sigma = np.sqrt(KB * temperature / self.masses)
        v = sigma * self.rng.standard_normal(x.shape)
        keep = np.exp(-0.01 * timestep)
        try:
            _, f = self.teacher(x)
            for step in range(1, warmup + samples * every + 1):
                v += 0.5 * timestep * f / self.masses
                x = x + 0.5 * timestep * v
                v = keep * v + np.sqrt(1 - keep**2) * sigma * self.rng.standard_normal(x.shape)
                x = x + 0.5 * timestep * v
                energy, f = self.teacher(x)
                v += 0.5 * timestep * f / self.masses
                if step > warmup and (step - warmup) % every == 0:
                    yield self._sample(f"md{temperature:g}", x, energy, f)
        except LabelError:
            self.dropped["scf"] += 1

    def normal_modes(self, samples: int, temperatures: tuple[float, ...]) -> Iterator[Sample]:
        """Gaussian displacements along the harmonic modes of the starting geometry, soft modes capped."""
        values, modes = self._modes()
        root = np.sqrt(np.repeat(self.masses[:, 0], 3))
        for k in range(samples):
            width = np.sqrt(KB * temperatures[k % len(temperatures)] / values)
            q = modes @ (width * self.rng.standard_normal(len(values))) / root
            sample = self.label("modes", self.start.atoms.positions + q.reshape(-1, 3))
            if sample:
                yield sample

    def _modes(self) -> tuple[np.ndarray, np.ndarray]:
        x0, n, h = self.start.atoms.positions, len(self.start.atoms), 0.005
        hessian = np.zeros((3 * n, 3 * n))
        for k in range(3 * n):
            step = np.zeros(3 * n)
            step[k] = h
            plus, minus = (self.teacher(x0 + s * step.reshape(-1, 3))[1].ravel() for s in (1, -1))
            hessian[k] = (minus - plus) / (2 * h)
        root = np.sqrt(np.repeat(self.masses[:, 0], 3))
        values, modes = np.linalg.eigh((hessian + hessian.T) / 2 / np.outer(root, root))
        # 200 cm-1 as the softest: a harmonic picture of a rotor would fling its atoms apart.
        soft = (2 * np.pi * 200 * 2.99792458e-5) ** 2
        keep = values > 1e-3 * soft
        return np.maximum(values[keep], soft), modes[:, keep]

    def bonds(self, per_bond: int, low: float = 0.5, high: float = 1.7) -> Iterator[Sample]:
        """Each bond from `low` to `high` times its length, the smaller side moved as a whole, all atoms rattled."""
        for i, j in self.start.bonds():
            side = self.start.fragment(i, j)
            if len(side) > len(self.start.atoms) / 2:
                i, j, side = j, i, self.start.fragment(j, i)
            for factor in self.rng.uniform(low, high, per_bond):
                x = self.start.atoms.positions.copy()
                x[side] += (factor - 1.0) * (x[j] - x[i])
                sample = self.label("bond", x + 0.03 * self.rng.standard_normal(x.shape))
                if sample:
                    yield sample

    def squeezed(self, samples: int, low: float = 0.45, high: float = 0.95) -> Iterator[Sample]:
        """The whole molecule at `low` to `high` of all its distances, rattled: nothing may pull it further together."""
        centre = self.start.atoms.positions.mean(axis=0)
        for factor in self.rng.uniform(low, high, samples):
            x = centre + factor * (self.start.atoms.positions - centre)
            sample = self.label("squeezed", x + 0.05 * factor * self.rng.standard_normal(x.shape))
            if sample:
                yield sample
