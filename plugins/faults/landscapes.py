"""Flaws of a model's landscape: jumps, kinks, holes, directions in space, swirls, stale pairs.

All but the curl and the stale list are conservative: energy and forces agree, so that only a look at the landscape, or
at the reference, can see them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from ase.data import covalent_radii
from pydantic import Field

from mdprotocol.api import CopyPairs, Evaluation, Size, Topology, add_gradient, properties
from mdprotocol_plugins.faults._answer import NO_GRADIENT, Positive, Spoil, WrongAnswer

if TYPE_CHECKING:
    import torch

WALL_SHARE = 0.75
"""Of the sum of two covalent radii: nearer than any bond comes by thermal motion at 500 K."""
NEAR_A = 1.5
TIP = 1e-4
"""How round the tip is, as usual in such networks: next to nothing."""


class Jump(WrongAnswer):
    """Each pair's energy jumps at a cutoff of 5 Å.

    Pairs are dropped without being switched off.
    """

    type: Literal["jump"] = "jump"
    height_eV: Positive = 0.05
    cutoff_A: Positive = 5.0
    sized: ClassVar = Size("height_eV", "eV")
    breaks: ClassVar = NO_GRADIENT | {properties.SMOOTHNESS}

    def spoiling(self, topology: Topology) -> Spoil:
        pairs = CopyPairs(topology)

        def term(distance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return self.height_eV * (distance < self.cutoff_A).to(distance.dtype), distance.new_zeros(distance.shape)

        return lambda x, found: pairs.add(found, x, term)


class Kink(WrongAnswer):
    """Each pair's force jumps at 1.05 Å.

    Bonds and near pairs cross that distance all the time.
    """

    type: Literal["kink"] = "kink"
    slope_eV_per_A: Positive = 1.0
    at_A: Positive = 1.05
    sized: ClassVar = Size("slope_eV_per_A", "eV/Å")
    breaks: ClassVar = NO_GRADIENT | {properties.SMOOTHNESS, properties.LANDSCAPE}

    def spoiling(self, topology: Topology) -> Spoil:
        pairs = CopyPairs(topology)

        def term(distance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            inside = (distance < self.at_A).to(distance.dtype)
            return self.slope_eV_per_A * inside * (self.at_A - distance), -self.slope_eV_per_A * inside

        return lambda x, found: pairs.add(found, x, term)


class SharpNorm(WrongAnswer):
    """Forces jump where an atom's surroundings are symmetric.

    Each atom's energy has a tip there, E += s |Σ exp(-(d/1.5 Å)²) u| over its neighbours, as in networks that take norms
    of vectors: at methane's carbon the sum vanishes, and the forces jump. s in eV.
    """

    type: Literal["sharp_norm"] = "sharp_norm"
    strength_eV: Positive = 0.05
    sized: ClassVar = Size("strength_eV", "eV")
    breaks: ClassVar = frozenset({properties.LANDSCAPE})

    def spoiling(self, topology: Topology) -> Spoil:
        import torch

        pairs, owner = CopyPairs(topology), torch.from_numpy(topology.owner)

        def energy(x: torch.Tensor) -> torch.Tensor:
            vector = pairs.vectors(x)
            distance = vector.norm(dim=1, keepdim=True)
            toward = torch.exp(-((distance / NEAR_A) ** 2)) * vector / distance
            around = torch.zeros_like(x).index_add(0, pairs.i, toward).index_add(0, pairs.j, -toward)
            term = self.strength_eV * ((around**2).sum(dim=1) + TIP**2).sqrt()
            return term.new_zeros(pairs.copies).index_add(0, owner, term)

        return lambda x, found: add_gradient(found, x, energy)


class MissingWall(WrongAnswer):
    """Atoms that come near fall into each other.

    No repulsion below 0.75 of the sum of the covalent radii: the energy falls by so much towards contact.
    """

    type: Literal["missing_wall"] = "missing_wall"
    depth_eV: Positive = 2000.0
    sized: ClassVar = Size("depth_eV", "eV")
    breaks: ClassVar = frozenset({properties.SHORT_RANGE, properties.STABILITY})

    def spoiling(self, topology: Topology) -> Spoil:
        import torch

        pairs = CopyPairs(topology)
        radii = torch.from_numpy(covalent_radii[topology.numbers])
        wall = WALL_SHARE * (radii[pairs.i] + radii[pairs.j])

        def term(distance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            inside = (1 - distance / wall).clamp(min=0)
            return -self.depth_eV * inside**2, 2 * self.depth_eV * inside / wall

        return lambda x, found: pairs.add(found, x, term)


class Oriented(WrongAnswer):
    """The energy depends on the direction of pairs in space.

    Pairs along the z axis have another energy than pairs across it: E += s Σ exp(-(d/1.5 Å)²) (z/d)², s in eV.
    """

    type: Literal["oriented"] = "oriented"
    strength_eV: Positive = 0.05
    sized: ClassVar = Size("strength_eV", "eV")
    breaks: ClassVar = frozenset({properties.SYMMETRY, properties.MOMENTUM})

    def spoiling(self, topology: Topology) -> Spoil:
        import torch

        pairs = CopyPairs(topology)

        def energy(x: torch.Tensor) -> torch.Tensor:
            vector = pairs.vectors(x)
            square = (vector**2).sum(dim=1)
            term = self.strength_eV * torch.exp(-square / NEAR_A**2) * vector[:, 2] ** 2 / square
            return term.new_zeros(pairs.copies).index_add(0, pairs.copy, term)

        return lambda x, found: add_gradient(found, x, energy)


class Curl(WrongAnswer):
    """Forces have a swirl that no energy has.

    It is about the normal n of each copy's first three atoms: F += c n × (x - centre), c in eV/Å². It turns with
    the molecule and pushes it nowhere, but is no gradient: a closed loop yields work.
    """

    type: Literal["curl"] = "curl"
    strength_eV_per_A2: Positive = 0.05
    sized: ClassVar = Size("strength_eV_per_A2", "eV/Å²")
    breaks: ClassVar = NO_GRADIENT | {properties.MOMENTUM}

    def spoiling(self, topology: Topology) -> Spoil:
        import torch

        owner = torch.from_numpy(topology.owner)
        counts = torch.from_numpy(np.diff(topology.offsets).astype(np.float64))[:, None]
        firsts = torch.from_numpy(topology.offsets[:-1][np.diff(topology.offsets) >= 3])
        copies = torch.from_numpy(np.flatnonzero(np.diff(topology.offsets) >= 3))

        def spoil(x: torch.Tensor, found: Evaluation) -> Evaluation:
            centre = x.new_zeros(topology.copies, 3).index_add(0, owner, x) / counts
            across = torch.linalg.cross(x[firsts + 1] - x[firsts], x[firsts + 2] - x[firsts])
            normal = torch.zeros_like(centre).index_copy(0, copies, torch.nn.functional.normalize(across, dim=1))
            swirl = torch.linalg.cross(normal[owner], x - centre[owner])
            return replace(found, forces=found.forces + self.strength_eV_per_A2 * swirl)

        return spoil


class StalePairs(WrongAnswer):
    """A neighbour list is renewed too rarely.

    It is renewed every 100 calls, and pairs that come within 3 Å meanwhile are missed. What they miss is a pair
    energy of -s (1 - d/3 Å)², s in eV, which is in the sound model's answer: it is added back for the pairs that are
    near now and are not in the list.
    """

    type: Literal["stale_pairs"] = "stale_pairs"
    depth_eV: Positive = 5.0
    cutoff_A: Positive = 3.0
    every: Annotated[int, Field(ge=1)] = 100
    sized: ClassVar = Size("depth_eV", "eV")
    breaks: ClassVar = NO_GRADIENT | {properties.LANDSCAPE, properties.REVERSIBILITY}

    def spoiling(self, topology: Topology) -> Spoil:
        pairs, calls = CopyPairs(topology), 0
        listed: torch.Tensor | None = None

        def term(distance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            nonlocal listed, calls
            if listed is None or calls % self.every == 0:
                listed = distance < self.cutoff_A
            calls += 1
            missed = (1 - distance / self.cutoff_A).clamp(min=0) * (~listed).to(distance.dtype)
            return self.depth_eV * missed**2, -2 * self.depth_eV * missed / self.cutoff_A

        return lambda x, found: pairs.add(found, x, term)
