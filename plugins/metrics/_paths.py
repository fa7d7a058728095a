"""Straight paths through configuration space, and the search for steps along them that refinement does not remove."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mdprotocol.api import ForceField, Structure
from mdprotocol_plugins.metrics._geometries import evaluated, moved


@dataclass(frozen=True)
class Path:
    """x(s) = structure.positions + s * tangent, for s from `start` to `end`.

    Attributes:
        tangent: (n, 3), dx/ds; a unit vector for every atom that moves makes s a length in Å.
        spacing: of the first grid, in s.
    """

    structure: Structure
    tangent: np.ndarray
    start: float
    end: float
    spacing: float

    def grid(self) -> np.ndarray:
        """At least 8 equal intervals."""
        return np.linspace(self.start, self.end, max(8, round((self.end - self.start) / self.spacing)) + 1)

    def at(self, s: float) -> Structure:
        return moved(self.structure, self.structure.positions + s * self.tangent)


@dataclass(frozen=True)
class Scan:
    """A path, evaluated at s (m,): energies (m,) eV and forces (m, n, 3) eV/Å."""

    path: Path
    s: np.ndarray
    energy: np.ndarray
    forces: np.ndarray

    def energy_steps(self) -> np.ndarray:
        """(m-3,) eV: |r(k) - (r(k-1) + r(k+1))/2| of the inner intervals.

        r(k) = E(k+1) - E(k) + h/2 (F(k) + F(k+1))·t is what the forces on both sides do not explain of the energy's step
        (trapezoid rule); its smooth part falls as h³, and faster where that of the neighbouring intervals is taken off.
        """
        along = np.einsum("kai,ai->k", self.forces, self.path.tangent)
        unexplained = np.diff(self.energy) + 0.5 * np.diff(self.s) * (along[1:] + along[:-1])
        return np.abs(_against_neighbours(unexplained))

    def force_steps(self) -> np.ndarray:
        """(m-3,) eV/Å: the same of F(k+1) - F(k), for the atom where it is largest."""
        return np.linalg.norm(_against_neighbours(np.diff(self.forces, axis=0)), axis=-1).max(axis=-1)

    def window(self, first: int) -> Scan:
        """The three intervals, four points, from point `first` on."""
        part = slice(first, first + 4)
        return Scan(self.path, self.s[part], self.energy[part], self.forces[part])


def _against_neighbours(steps: np.ndarray) -> np.ndarray:
    return steps[1:-1] - 0.5 * (steps[:-2] + steps[2:])


def scans(model: ForceField, paths: Sequence[Path], points: Sequence[np.ndarray]) -> list[Scan]:
    """Evaluate each path at its points s."""
    energies, forces = evaluated(model, [path.at(s) for path, some in zip(paths, points, strict=True) for s in some])
    found, first = [], 0
    for path, s in zip(paths, points, strict=True):
        last = first + len(s)
        found.append(Scan(path, s, energies[first:last], np.array(forces[first:last])))
        first = last
    return found


def refined(model: ForceField, windows: Sequence[Scan], kinds: Sequence[str], levels: int) -> list[Scan]:
    """Halve the spacing of windows of three intervals `levels` times, each time around the worst step of its kind."""
    current = list(windows)
    for _ in range(levels):
        middles = scans(model, [w.path for w in current], [0.5 * (w.s[1:] + w.s[:-1]) for w in current])
        finer = [_merged(w, m) for w, m in zip(current, middles, strict=True)]
        current = [fine.window(int(np.argmax(steps(fine, kind)))) for fine, kind in zip(finer, kinds, strict=True)]
    return current


def steps(scan: Scan, kind: str) -> np.ndarray:
    """The scan's energy steps (kind `energy`) or force steps (`force`)."""
    return scan.energy_steps() if kind == "energy" else scan.force_steps()


def _merged(coarse: Scan, middles: Scan) -> Scan:
    order = np.argsort(np.concatenate([coarse.s, middles.s]))
    return Scan(
        coarse.path,
        np.concatenate([coarse.s, middles.s])[order],
        np.concatenate([coarse.energy, middles.energy])[order],
        np.concatenate([coarse.forces, middles.forces])[order],
    )
