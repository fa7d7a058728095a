"""Smoothness: neither energy nor forces may jump where atoms cross a cutoff or bonds stretch."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
import xarray as xr
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
    at_gap,
    bonds,
    moved,
    rattles,
    rotation,
    separation,
    side,
    slides,
    two,
    unit_vector,
    varied,
)
from mdprotocol_plugins.metrics._paths import Path, Scan, refined, scans, steps
from mdprotocol_plugins.metrics._series import finite

RATTLE_A = 0.03
NEAREST_A, FARTHEST_A = 1.8, 12.0
"""Gaps between two copies: contact, and beyond the cutoffs in use (4 to 10 Å)."""
KINDS = ("energy", "force")
FLOOR = 1e-6
"""eV and eV/Å: rounding, which does not stand out."""


class Smoothness(ProbeMetric):
    """Largest jump of energy and of forces along scans of bonds, of the whole system, and of two copies pulled apart.

    A discontinuous energy heats or cools every trajectory that crosses it, however small the time step. The scans:
    each bond from 0.8 to 1.3 of its length (one side of the molecule moves), the whole molecule from 0.85 to 1.15 of its
    size, and two copies in random orientations from a gap of 1.8 Å to 12 Å, so that every kind of pair crosses the
    cutoff. In a periodic system, molecules (or atoms, in a crystal) slide against their neighbours.

    Between neighbouring points, the step of the energy that the forces on both sides do not explain,

        r = E(s+h) - E(s) + h/2 (F(s) + F(s+h))·dx/ds     (trapezoid rule; its smooth part falls as h³)

    and the step F(s+h) - F(s) of the forces are taken relative to the neighbouring intervals. The places of each scan
    where they are largest, or stand out most, are halved `levels` times: what is smooth vanishes, a jump stays.

        energy_jump   largest r that stays, meV
        cutoff_jump   the same while two copies are pulled apart, where nothing but a cutoff can be passed, meV; open
                      systems only
        force_jump    largest step of an atom's force that stays, eV/Å
    """

    type: Literal["smoothness"] = "smoothness"
    bonds: Annotated[int, Field(ge=0, le=1000)] = 8
    """At most so many bonds, one of each pair of elements first."""
    directions: Annotated[int, Field(ge=1, le=100)] = 3
    """In which two copies are pulled apart, or parts of a periodic system slide."""
    levels: Annotated[int, Field(ge=4, le=20)] = 9

    needs: ClassVar = frozenset({"energy_jump", "energy_apart", "force_jump"})
    tests: ClassVar = frozenset({properties.SMOOTHNESS})
    quantities: ClassVar = {
        "energy_jump": Quantity("meV", "largest step of the energy that refinement does not remove", "max"),
        "cutoff_jump": Quantity("meV", "the same while two copies are pulled apart", "max"),
        "force_jump": Quantity("eV/Å", "largest step of a force that refinement does not remove", "max"),
    }
    signs: ClassVar = (
        Sign("energy_jump", 1.0, properties.SMOOTHNESS, "the energy jumps by {:.2g} meV along a smooth path"),
        Sign(
            "cutoff_jump",
            1.0,
            properties.SMOOTHNESS,
            "it jumps at the cutoff, by {:.2g} meV while two copies are pulled apart",
        ),
    )

    def probe(self, subject: Subject) -> xr.Dataset:
        random = np.random.default_rng([subject.seed, 3])
        start = moved(subject.structure, rattles(subject.structure, 1, random, (RATTLE_A,))[0])
        paths = self._cell_paths(start, random) if start.periodic else self._open_paths(start, random)
        coarse = scans(subject.force_field, paths, [path.grid() for path in paths])
        suspects = [(scan.window(k), kind) for scan in coarse for kind in KINDS for k in _suspects(steps(scan, kind))]
        fine = refined(subject.force_field, [w for w, _ in suspects], [kind for _, kind in suspects], self.levels)
        found = {kind: [w for w, (_, own) in zip(fine, suspects, strict=True) if own == kind] for kind in KINDS}
        variables = {f"{kind}_{name}": value for kind in KINDS for name, value in _table(found[kind], kind).items()}
        apart = np.array([len(window.path.structure) > len(start) for window in found["energy"]], dtype=np.int8)
        label = {"units": "1", "long_name": "1 where two copies are pulled apart"}
        return xr.Dataset(variables | {"energy_apart": ("energy_suspect", apart, label)})

    def _open_paths(self, start: Structure, random: np.random.Generator) -> list[Path]:
        paths = [_pulled(start, random) for _ in range(self.directions)]
        if len(start) > 1:
            x = start.positions - start.positions.mean(axis=0)
            size = float(np.linalg.norm(x, axis=1).max())
            paths.append(Path(start, x / size, -0.15 * size, 0.15 * size, 0.02))
        return paths + self._bond_paths(start)

    def _bond_paths(self, start: Structure) -> list[Path]:
        pairs = bonds(start)
        paths = []
        for i, j in varied(start, pairs)[: self.bonds]:
            bond = separation(start, i, j)
            length = float(np.linalg.norm(bond))
            tangent = np.outer(side(len(start), pairs, np.array([i, j])), bond / length)
            paths.append(Path(start, tangent, -0.2 * length, 0.3 * length, 0.03))
        return paths

    def _cell_paths(self, start: Structure, random: np.random.Generator) -> list[Path]:
        parts = slides(start, self.directions, random)
        return [Path(start, np.outer(part, u), -way, way, max(0.05, way / 15)) for part, u, way in parts]

    def measure(self, run: xr.Dataset) -> Values:
        jumps, apart = MEV_PER_EV * finite(run, "energy_jump"), finite(run, "energy_apart").astype(bool)
        found = {"energy_jump": float(jumps.max()), "force_jump": float(finite(run, "force_jump").max())}
        return found | ({"cutoff_jump": float(jumps[apart].max())} if apart.any() else {})


def _pulled(start: Structure, random: np.random.Generator) -> Path:
    """The structure and a turned copy, from contact to beyond every cutoff."""
    copy, direction = (start.positions - start.positions.mean(axis=0)) @ rotation(random).T, unit_vector(random)
    pair = two(start, at_gap(start.positions, copy, direction, NEAREST_A))
    tangent = np.outer(np.arange(len(pair)) >= len(start), direction)
    return Path(pair, tangent, 0.0, FARTHEST_A - NEAREST_A, 0.15)


def _suspects(values: np.ndarray) -> list[int]:
    """Intervals to look into: the largest step, and the three that stand out most from the next but one on both sides.

    A steep wall has the largest steps and is smooth: there the intervals beside are like it, or more so on one side.
    """
    beyond = np.concatenate([[np.inf] * 2, values, [np.inf] * 2])
    outstanding = values / (np.maximum(beyond[:-4], beyond[4:]) + FLOOR)
    chosen = [int(np.argmax(values))]
    for _ in range(3):
        free = np.min([np.abs(np.arange(len(values)) - k) for k in chosen], axis=0) > 1
        if free.any():
            chosen.append(int(np.argmax(np.where(free, outstanding, -1.0))))
    return chosen


def _table(windows: list[Scan], kind: str) -> dict[str, tuple[str, np.ndarray, dict[str, str]]]:
    """Jumps with the place of each, for a reader who wants to look."""
    dim = f"{kind}_suspect"
    units = {"energy": "eV", "force": "eV/Å"}[kind]
    jumps = np.array([steps(window, kind)[0] for window in windows])
    places = np.array([window.s[1] for window in windows])
    spacings = np.array([window.s[2] - window.s[1] for window in windows])
    return {
        "jump": (dim, jumps, {"units": units}),
        "place": (dim, places, {"units": "Å", "long_name": "distance along the scan"}),
        "spacing": (dim, spacings, {"units": "Å", "long_name": "spacing after refinement"}),
    }
