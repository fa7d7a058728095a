"""Force consistency: forces are the energy's negative gradient, do no work around a loop, and do not remember."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
import xarray as xr
from pydantic import Field

from mdprotocol.api import (
    MEV_PER_EV,
    ForceField,
    ProbeMetric,
    Quantity,
    Sign,
    Structure,
    Subject,
    Topology,
    Values,
    properties,
)
from mdprotocol_plugins.metrics._geometries import (
    answer,
    at_gap,
    evaluated_at,
    moved,
    rattles,
    rotation,
    slides,
    two,
    unit_vector,
)
from mdprotocol_plugins.metrics._series import finite

STEP_A = 0.001
"""Root mean square displacement of a coordinate in a difference. Networks are rougher than physics: at 0.003 Å the fourth
order leaves 1e-3 eV/Å out for PaiNN, at 0.001 Å about 5e-5, where the rounding of float32 energies begins to show."""
STENCIL = np.array([-2, -1, 1, 2])
WEIGHTS = np.array([1, -8, 8, -1]) / 12
LOOP_A = 0.015
CLOSEST_A = 2.2
"""Gap between two copies where they are nearest."""
SIZES_A = (0.03, 0.08)
SMALLEST_FORCE = 1e-3
"""Root mean square force in eV/Å below which a relative error says nothing."""


class ForceConsistency(ProbeMetric):
    """Forces against -dE/dx, work around closed loops, and whether an answer depends on what was asked before.

    At rattled geometries (0.03 and 0.08 Å a coordinate, as thermal motion has them) and along random unit vectors u of
    all 3n coordinates, the derivative d of the energy by central differences of fourth order,

        d = (E(x-2hu) - 8 E(x-hu) + 8 E(x+hu) - E(x+2hu)) / 12h,

    stands against the force's component f = F·u (Abramowitz and Stegun, 25.3.21). Since u is random, the mean of
    (f + d)² is the mean square error of a force component.

        rmse        sqrt(mean (f + d)²), eV/Å
        max         max |f + d|, eV/Å
        relative    sqrt(sum (f + d)² / sum d²); forces scaled by 1 % give 0.01
        scale       -sum f d / sum d²: 1 for right forces, the factor for forces in wrong units

    A conservative force does no work around a closed path (Stokes). The paths are ellipses x + a (u cos t + v sin t)
    through rattled geometries, and for open systems whole turns of the system about random axes; the integral is the
    trapezoid sum, which converges faster than any power for a periodic integrand.

        loop_work   max |∮ F·dx|, meV

    One evaluator is led from a geometry of two copies (of one cell, if periodic) in steps small and large to one far away
    and back, as dynamics does, and fresh evaluators are asked at the same places: stale neighbour lists, caches, noise
    and drifting energies differ.

        repeatability         largest difference of a force component, eV/Å
        energy_repeatability  largest difference of energy, meV
    """

    type: Literal["force_consistency"] = "force_consistency"
    geometries: Annotated[int, Field(ge=1, le=100)] = 4
    directions: Annotated[int, Field(ge=2, le=1000)] = 12
    """A geometry."""
    loops: Annotated[int, Field(ge=1, le=100)] = 6
    points: Annotated[int, Field(ge=8, le=1000)] = 48
    """A loop."""

    needs: ClassVar = frozenset({"projected_force", "energy_slope", "loop_work", "force_change", "energy_change"})
    tests: ClassVar = frozenset({properties.CONSERVATIVE, properties.MEMORYLESS})
    quantities: ClassVar = {
        "rmse": Quantity("eV/Å", "error of a force component against -dE/dx", "max"),
        "max": Quantity("eV/Å", "largest error of a force component against -dE/dx", "max"),
        "relative": Quantity("1", "error of forces against -dE/dx, relative to the forces", "max"),
        "scale": Quantity("1", "forces divided by -dE/dx, least squares", "mean"),
        "loop_work": Quantity("meV", "largest work of the forces around a closed path", "max"),
        "repeatability": Quantity("eV/Å", "largest change of a force at a geometry asked for again", "max"),
        "energy_repeatability": Quantity("meV", "largest change of the energy at a geometry asked for again", "max"),
    }
    signs: ClassVar = (
        Sign(
            "relative",
            0.003,
            properties.CONSERVATIVE,
            "forces and the energy's slope differ by {:.2g} of their size",
        ),
        Sign("loop_work", 2.0, properties.CONSERVATIVE, "forces do {:.2g} meV of work round a closed path"),
        Sign(
            "repeatability",
            1e-3,
            properties.MEMORYLESS,
            "the same geometry asked again has forces that differ by {:.2g} eV/Å",
        ),
        Sign("energy_repeatability", 0.1, properties.MEMORYLESS, "the same geometry asked again differs by {:.2g} meV"),
    )

    def probe(self, subject: Subject) -> xr.Dataset:
        random = np.random.default_rng([subject.seed, 1])
        model, structure = subject.force_field, subject.structure
        forces, slopes = self._differences(model, structure, random)
        force_change, energy_change = _memory(model, structure, random)
        variables = {
            "projected_force": (("geometry", "direction"), forces, {"units": "eV/Å"}),
            "energy_slope": (("geometry", "direction"), slopes, {"units": "eV/Å"}),
            "loop_work": ("loop", self._loop_work(model, structure, random), {"units": "eV"}),
            "force_change": ("visit", force_change, {"units": "eV/Å"}),
            "energy_change": ("visit", energy_change, {"units": "eV"}),
        }
        return xr.Dataset(variables)

    def _differences(
        self, model: ForceField, structure: Structure, random: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """(geometry, direction) F·u and dE/du, eV/Å."""
        centres = rattles(structure, self.geometries, random, SIZES_A)
        u = random.standard_normal((self.geometries, self.directions, *structure.positions.shape))
        u /= np.linalg.norm(u, axis=(2, 3), keepdims=True)
        step = STEP_A * np.sqrt(structure.positions.size)
        around = centres[:, None, None] + step * STENCIL[:, None, None] * u[:, :, None]
        energy, _ = evaluated_at(model, structure, around.reshape(-1, *structure.positions.shape))
        _, forces = evaluated_at(model, structure, centres)
        slopes = energy.reshape(self.geometries, self.directions, 4) @ WEIGHTS / step
        return np.einsum("gdai,gai->gd", u, forces), slopes

    def _loop_work(self, model: ForceField, structure: Structure, random: np.random.Generator) -> np.ndarray:
        """(loop,) eV."""
        angles = 2 * np.pi * np.arange(self.points) / self.points
        paths = [_ellipse(x, angles, random) for x in rattles(structure, self.loops, random, SIZES_A)]
        if not structure.periodic and len(structure) > 1:
            paths += [_turn(x, angles, random) for x in rattles(structure, 3, random, SIZES_A)]
        where = np.concatenate([path for path, _ in paths])
        _, forces = evaluated_at(model, structure, where)
        tangents = np.concatenate([tangent for _, tangent in paths])
        work = (forces * tangents).sum(axis=(1, 2)).reshape(len(paths), self.points)
        return work.sum(axis=1) * 2 * np.pi / self.points

    def measure(self, run: xr.Dataset) -> Values:
        f, d = finite(run, "projected_force"), finite(run, "energy_slope")
        values = {
            "rmse": float(np.sqrt(np.mean((f + d) ** 2))),
            "max": float(np.abs(f + d).max()),
            "loop_work": MEV_PER_EV * float(np.abs(finite(run, "loop_work")).max()),
            "repeatability": float(np.abs(finite(run, "force_change")).max()),
            "energy_repeatability": MEV_PER_EV * float(np.abs(finite(run, "energy_change")).max()),
        }
        size = float(np.sqrt(np.mean(d**2)))
        if max(size, float(np.sqrt(np.mean(f**2)))) < SMALLEST_FORCE:
            return values  # a system without forces (a single atom) has no relative error
        if size > 0:
            values["relative"] = float(np.sqrt(np.sum((f + d) ** 2) / np.sum(d**2)))
            values["scale"] = float(-np.sum(f * d) / np.sum(d**2))
        return values


def _ellipse(x: np.ndarray, angles: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Points (T, n, 3) Å and tangents dx/dt of a random ellipse through all coordinates, around x."""
    u, v = LOOP_A * random.standard_normal((2, *x.shape))
    cos, sin = np.cos(angles)[:, None, None], np.sin(angles)[:, None, None]
    return x + u * cos + v * sin, v * cos - u * sin


def _turn(x: np.ndarray, angles: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Points and tangents of a whole turn of x about its centre and a random axis (Rodrigues)."""
    axis = random.standard_normal(3)
    axis /= np.linalg.norm(axis)
    centre = x.mean(axis=0)
    arm = x - centre
    along, across = np.outer(arm @ axis, axis), np.cross(axis, arm)
    cos, sin = np.cos(angles)[:, None, None], np.sin(angles)[:, None, None]
    out = arm - along
    return centre + along + out * cos + across * sin, across * cos - out * sin


def _memory(model: ForceField, structure: Structure, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(visit,) largest change of a force component, eV/Å, and change of energy, eV, against a fresh evaluator."""
    what, path = _slide(structure, random) if structure.periodic else _pull(structure, random)
    topology = Topology.of([what])
    led = model.prepare(topology)
    visits = [answer(led, x, topology.cells) for x in path]
    fresh = [answer(model.prepare(topology), x, topology.cells) for x in path]
    # The first place is visited again at once and at the end.
    pairs = [*zip(visits, fresh, strict=True), (visits[0], visits[1]), (visits[0], visits[-1])]
    force_change = [np.abs(forces - others).max() for (_, forces), (_, others) in pairs]
    return np.array(force_change), np.array([energy[0] - other[0] for (energy, _), (other, _) in pairs])


def _small_steps(a: np.ndarray, random: np.random.Generator) -> list[np.ndarray]:
    """a twice, then steps of 0.001 to 0.03 Å a coordinate, each adding to the last."""
    push = random.standard_normal(a.shape)
    return [a, a, *(a + size * push for size in np.cumsum([0.001, 0.002, 0.004, 0.008, 0.015, 0.03]))]


def _pull(structure: Structure, random: np.random.Generator) -> tuple[Structure, list[np.ndarray]]:
    """Two copies near each other, pulled apart to 9 Å in steps below 1 Å, far away and back: pairs come and go."""
    x, y = rattles(structure, 2, random, SIZES_A)
    y, direction = (y - y.mean(axis=0)) @ rotation(random).T, unit_vector(random)
    near = np.concatenate([x, at_gap(x, y, direction, CLOSEST_A)])
    gaps = [*np.arange(CLOSEST_A, 9.0, 0.9), 30.0, *np.arange(9.0, CLOSEST_A, -0.9)]
    path = [np.concatenate([x, at_gap(x, y, direction, gap)]) for gap in gaps]
    return two(moved(structure, x), y), [*_small_steps(near, random), *path, near]


def _slide(structure: Structure, random: np.random.Generator) -> tuple[Structure, list[np.ndarray]]:
    """One part after the other moves as far as it has room, and comes back; a cell leaves nothing farther away."""
    a = rattles(structure, 1, random, SIZES_A)[0]
    out = [
        a + np.outer(part, f * way * u) for part, u, way in slides(structure, 2, random) for f in (0.25, 0.5, 1.0, 0.4)
    ]
    return structure, [*_small_steps(a, random), *out, a]
