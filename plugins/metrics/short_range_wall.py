"""Short-range wall: atoms pushed together must be driven apart, or dynamics falls into a hole of the potential."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

import numpy as np
import xarray as xr
from ase.data import covalent_radii
from pydantic import Field

from mdprotocol.api import (
    NotMeasurable,
    ProbeMetric,
    Quantity,
    Sign,
    Structure,
    Subject,
    Values,
    properties,
)
from mdprotocol_plugins.metrics._geometries import (
    bonds,
    nearest_pairs,
    separation,
    side,
    two,
    varied,
)
from mdprotocol_plugins.metrics._paths import Path, scans
from mdprotocol_plugins.metrics._series import finite

BONDED = np.linspace(1.0, 0.5, 11)
"""Of the bond's length; from 0.85 down it must push."""
SQUEEZED = np.linspace(1.0, 0.5, 11)
"""Of the molecule's size; from 0.9 down it must push."""
NONBONDED = np.linspace(1.5, 0.5, 11)
"""Of the sum of covalent radii; from 0.7 down it must push: above, a bond may form."""


class ShortRangeWall(ProbeMetric):
    """Outward force and energy while bonds, the whole molecule and unbonded atoms are pressed to half their distance.

    At short range the repulsion of nuclei and closed shells rules (Ziegler, Biersack and Littmark, The Stopping and Range
    of Ions in Solids, 1985), whatever the chemistry; a network that never saw such geometries may attract there.
    Each scan is a straight path x(s); its push is the force along it, P = -F·dx/ds with dx/ds a unit vector
    that points together. Scans:

        bonds      each bond from 1.0 to 0.5 of its length, one side of the molecule moves; must push from 0.85 down
        squeeze    the whole molecule from 1.0 to 0.5 of its size; from 0.9 down
        unbonded   an atom of one copy against one of another, for each pair of elements, from 1.5 to 0.5 of the sum of
                   covalent radii; from 0.7 down. The copies point away from each other; atoms that cannot be
                   reached, such as methane's carbon, are left out.

    In a periodic system, atoms are pressed against their nearest neighbours from 1.0 to 0.5 of the distance.
    A scan ends early at the first point `reachable_eV` above its lowest: no thermal motion gets behind such a wall.

        least_push          smallest push where there must be one, eV/Å; negative is attraction
        lowest_energy_rise  smallest rise of the energy from a scan's lowest point to its end, eV
        holes               points that should push and attract
    """

    type: Literal["short_range_wall"] = "short_range_wall"
    bonds: Annotated[int, Field(ge=1, le=1000)] = 12
    """At most so many bonds, one of each pair of elements first."""
    reachable_eV: Annotated[float, Field(gt=0)] = 20.0

    needs: ClassVar = frozenset({"push", "must_push", "energy"})
    tests: ClassVar = frozenset({properties.SHORT_RANGE})
    quantities: ClassVar = {
        "least_push": Quantity("eV/Å", "smallest outward force between atoms pressed together", "min"),
        "lowest_energy_rise": Quantity("eV", "smallest rise of the energy of atoms pressed together", "min"),
        "holes": Quantity("1", "points where atoms pressed together attract", "max"),
    }
    signs: ClassVar = (
        Sign(
            "holes",
            0.5,
            properties.SHORT_RANGE,
            "at {:.0f} places atoms that are pressed together attract instead of repel",
        ),
    )

    def probe(self, subject: Subject) -> xr.Dataset:
        rows = list(self._rows(subject.structure))
        if not rows:
            raise NotMeasurable("there are no two atoms to press together")
        found = scans(subject.force_field, [path for path, *_ in rows], [s for _, s, *_ in rows])
        push = np.stack([-np.einsum("kai,ai->k", scan.forces, scan.path.tangent) for scan in found])
        shape = ("scan", "point")
        variables = {
            "push": (shape, push, {"units": "eV/Å"}),
            "energy": (shape, np.stack([scan.energy for scan in found]), {"units": "eV"}),
            "must_push": (shape, np.stack([must for _, _, must, _ in rows]), {"units": "1"}),
        }
        return xr.Dataset(variables, {"scan": [name for *_, name in rows]})

    def _rows(self, structure: Structure) -> Iterator[tuple[Path, np.ndarray, np.ndarray, str]]:
        """Path, its points s, which of them must push, and its name."""
        pairs = bonds(structure)
        pressed = pairs if len(pairs) else (nearest_pairs(structure) if structure.periodic else pairs)
        for i, j in varied(structure, pressed)[: self.bonds]:
            bond = separation(structure, i, j)
            length = float(np.linalg.norm(bond))
            tangent = np.outer(side(len(structure), pressed, np.array([i, j])), -bond / length)
            path = Path(structure, tangent, 0, 0.5 * length, length)
            yield path, length * (1 - BONDED), BONDED <= 0.85 + 1e-9, f"bond {i}-{j}"
        if structure.periodic:
            return
        if len(structure) > 1:
            arm = structure.positions - structure.positions.mean(axis=0)
            size = float(np.linalg.norm(arm))
            path = Path(structure, -arm / size, 0, 0.5 * size, size)
            yield path, size * (1 - SQUEEZED), SQUEEZED <= 0.9 + 1e-9, "squeeze"
        yield from _collisions(structure)

    def measure(self, run: xr.Dataset) -> Values:
        push, energy, must = finite(run, "push"), finite(run, "energy"), finite(run, "must_push").astype(bool)
        rise = energy - np.minimum.accumulate(energy, axis=1)
        high = rise > self.reachable_eV
        end = np.where(high.any(axis=1), high.argmax(axis=1), energy.shape[1] - 1)
        points = np.arange(energy.shape[1])
        # A wall that is climbed before its scan has to push is one all the same: its last point counts.
        counted = (must & (points <= end[:, None])) | (points == end[:, None])
        return {
            "least_push": float(push[counted].min()),
            "lowest_energy_rise": float(rise[np.arange(len(end)), end].min()),
            "holes": float((push[counted] <= 0).sum()),
        }


def _collisions(structure: Structure) -> Iterator[tuple[Path, np.ndarray, np.ndarray, str]]:
    """The most exposed atom of each element of one copy against that of another: head on, bodies turned away."""
    arm = structure.positions - structure.positions.mean(axis=0)
    heads = [
        max(np.flatnonzero(structure.numbers == z).tolist(), key=lambda k: arm[k] @ arm[k])
        for z in _elements(structure)
    ]
    for a, i in enumerate(heads):
        for j in heads[a:]:
            reach = float(covalent_radii[structure.numbers[[i, j]]].sum())
            out = _outward(structure, i)
            body = _facing(structure.positions - structure.positions[j], _outward(structure, j), -out)
            pair = two(structure, structure.positions[i] + NONBONDED[0] * reach * out + body)
            tangent = np.outer(np.arange(len(pair)) >= len(structure), -out)
            path = Path(pair, tangent, 0, reach, reach)
            if not _met(path, i, j):
                continue
            yield path, reach * (NONBONDED[0] - NONBONDED), NONBONDED <= 0.7 + 1e-9, f"unbonded {i}-{j}"


def _met(path: Path, i: int, j: int) -> bool:
    """Whether i and j are the atoms that meet: no other pair of the two copies comes within its own covalent distance.

    An atom inside a molecule is met by nothing but its shell: past that, a push outward would say nothing.
    """
    half = len(path.structure) // 2
    radii = covalent_radii[path.structure.numbers[:half]]
    x = path.at(path.end).positions
    near = np.linalg.norm(x[:half, None] - x[None, half:], axis=2) < radii[:, None] + radii[None, :]
    near[i, j] = False
    return not near.any()


def _elements(structure: Structure) -> list[int]:
    return [int(z) for z in np.unique(structure.numbers)]


def _outward(structure: Structure, k: int) -> np.ndarray:
    """(3,) unit vector from the other atoms, the near ones first, to atom k: where it is free to be met."""
    away = structure.positions[k] - np.delete(structure.positions, k, axis=0)
    if len(away) == 0:
        return np.array([0.0, 0.0, 1.0])
    pull = (away / np.linalg.norm(away, axis=1, keepdims=True) ** 3).sum(axis=0)
    size = float(np.linalg.norm(pull))
    if size < 1e-2:  # surrounded evenly, as methane's carbon: through the middle of the widest gap
        grid = _sphere()
        unit = -away / np.linalg.norm(away, axis=1, keepdims=True)
        return grid[int(np.argmin((grid @ unit.T).max(axis=1)))]
    return pull / size


def _sphere(count: int = 200) -> np.ndarray:
    """(count, 3) unit vectors spread evenly (a Fibonacci spiral)."""
    k = np.arange(count) + 0.5
    z, turn = 1 - 2 * k / count, np.pi * (1 + np.sqrt(5)) * k
    return np.stack([np.sqrt(1 - z**2) * np.cos(turn), np.sqrt(1 - z**2) * np.sin(turn), z], axis=1)


def _facing(x: np.ndarray, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """x (n, 3) turned so that the unit vector `old` becomes `new`: half a turn about their half sum."""
    half = old + new
    size = float(np.linalg.norm(half))
    if size < 1e-6:
        axis = np.cross(old, np.eye(3)[int(np.argmin(np.abs(old)))])
        axis /= np.linalg.norm(axis)
    else:
        axis = half / size
    return 2 * np.outer(x @ axis, axis) - x
