"""Flaws of a model's molecules: a bond of another length, a softer angle. Conservative and symmetric."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from mdprotocol.api import Evaluation, Evaluator, ForceField, ModelFault, Size, Topology, add_gradient, properties
from mdprotocol_plugins.faults._answer import Positive, Spoil, WrongAnswer

if TYPE_CHECKING:
    import torch


class BondShift(ModelFault):
    """The bond of each molecule's last atom has its well elsewhere: the model sees that atom nearer by s.

    E'(x) = E(x') with x'_j = x_j - s u, u = (x_j - x_i)/d: an exact shift of the well by s. The bond is that to the atom
    which was nearest at the first evaluation. Forces by the chain rule: what pulls x'_j across the bond turns it, too.
    """

    shift_A: Positive = 0.05
    sized: ClassVar = Size("shift_A", "Å")

    def prepare(self, sound: ForceField, topology: Topology) -> Evaluator:
        import torch

        evaluate = sound.prepare(topology)
        last = torch.from_numpy(topology.offsets[1:] - 1)
        partner: torch.Tensor | None = None

        def spoiled(x: torch.Tensor, cells: torch.Tensor) -> Evaluation:
            nonlocal partner
            partner = _nearest(x, last, topology) if partner is None else partner
            vector = x[last] - x[partner]
            distance = vector.norm(dim=1, keepdim=True)
            unit = vector / distance
            found = evaluate(x.index_add(0, last, -self.shift_A * unit), cells)
            pull = found.forces[last]
            across = self.shift_A / distance * (pull - (pull * unit).sum(dim=1, keepdim=True) * unit)
            forces = found.forces.index_add(0, last, -across).index_add(0, partner, across)
            return replace(found, forces=forces)

        return spoiled


class ShiftedBond(BondShift):
    """One bond's well lies elsewhere."""

    type: Literal["shifted_bond"] = "shifted_bond"
    breaks: ClassVar = frozenset({properties.LANDSCAPE})


class WrongKernel(BondShift):
    """What runs has one bond's well elsewhere, and the plain form of the same model has not."""

    type: Literal["wrong_kernel"] = "wrong_kernel"
    in_kernel: ClassVar = True
    breaks: ClassVar = frozenset({properties.KERNEL, properties.LANDSCAPE})


class SofterAngle(WrongAnswer):
    """One angle is softer.

    That at each molecule's most central atom, between the two atoms which were nearest to it at the first evaluation:
    E -= k/2 (cos θ - cos 107°)², k in eV. 107° lies between the angles of water and methane, so that the angle at rest
    hardly moves.
    """

    type: Literal["softer_angle"] = "softer_angle"
    stiffness_eV: Positive = 2.0
    sized: ClassVar = Size("stiffness_eV", "eV")
    breaks: ClassVar = frozenset({properties.LANDSCAPE})

    def spoiling(self, topology: Topology) -> Spoil:
        rest = float(np.cos(np.deg2rad(107.0)))
        corners: tuple[torch.Tensor, ...] = ()

        def energy(x: torch.Tensor) -> torch.Tensor:
            i, j, k, copy = corners
            a, b = x[i] - x[j], x[k] - x[j]
            cosine = (a * b).sum(dim=1) / (a.norm(dim=1) * b.norm(dim=1))
            term = -0.5 * self.stiffness_eV * (cosine - rest) ** 2
            return term.new_zeros(topology.copies).index_add(0, copy, term)

        def spoil(x: torch.Tensor, found: Evaluation) -> Evaluation:
            nonlocal corners
            corners = corners or _corners(x, topology)
            return add_gradient(found, x, energy) if len(corners[0]) else found

        return spoil


def _nearest(x: torch.Tensor, atoms: torch.Tensor, topology: Topology) -> torch.Tensor:
    """The nearest atom of the same copy to each of these, one a copy; an atom that is alone is its own."""
    import torch

    found = []
    for atom, first, last in zip(atoms.tolist(), topology.offsets[:-1], topology.offsets[1:], strict=True):
        distance = (x[first:last] - x[atom]).norm(dim=1)
        distance[atom - first] = torch.inf
        found.append(int(first) + int(distance.argmin()))
    return torch.tensor(found)


def _corners(x: torch.Tensor, topology: Topology) -> tuple[torch.Tensor, ...]:
    """For each copy of three atoms or more: i, j, k of the angle at the atom j nearest to all others, and the copy."""
    import torch

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
