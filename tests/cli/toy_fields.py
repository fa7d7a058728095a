"""Force fields for tests of the command line, as a plugin: springs, what is added to them, and what is none at all."""

from __future__ import annotations

from typing import Literal

import numpy as np

from mdprotocol.api import Evaluation, ForceField, Model, Teacher, hookimpl

LENGTHS = {(1, 1): 1.52, (1, 8): 0.96}
STIFFNESS = 30.0
STRETCHED_A = 0.985
"""Bonds of water longer than this are strained: the model is bad there, and the teacher gives no label."""


class Springs(ForceField):
    """k/2 (d - d0)² between all pairs of atoms of a water molecule, in eV and Å; `how` says what is wrong with it."""

    kernel = "toy"

    def __init__(self, how: str = "", teacher: bool = False) -> None:
        self.how, self.teacher = how, teacher

    def prepare(self, topology):
        import torch

        owner = torch.from_numpy(topology.owner)
        i, j = np.nonzero(np.triu(topology.owner[:, None] == topology.owner[None, :], k=1))
        kinds = [tuple(sorted((int(topology.numbers[a]), int(topology.numbers[b])))) for a, b in zip(i, j, strict=True)]
        rest = torch.tensor([LENGTHS.get(kind, 3.8) for kind in kinds], dtype=torch.float64)
        bonds = torch.tensor([kind == (1, 8) for kind in kinds], dtype=torch.bool)
        i, j = torch.from_numpy(i), torch.from_numpy(j)

        def evaluate(positions, cells):
            vector = positions[j] - positions[i]
            distance = vector.norm(dim=1)
            pull = (STIFFNESS * (distance - rest) / distance)[:, None] * vector
            energy = torch.zeros(topology.copies, dtype=torch.float64)
            energy = energy.index_add(0, owner[i], 0.5 * STIFFNESS * (distance - rest) ** 2)
            forces = torch.zeros_like(positions).index_add(0, i, pull).index_add(0, j, -pull)
            strained = torch.zeros(topology.copies, dtype=torch.bool)
            strained[owner[i][bonds & (distance > STRETCHED_A)]] = True
            return self.answer(Evaluation(energy, forces), positions, strained, owner)

        return evaluate

    def answer(self, found, positions, strained, owner):
        import torch

        if self.teacher:
            if self.how == "picky":
                found.errors.update({int(b): "SCF did not converge" for b in torch.nonzero(strained)[:, 0]})
            return found
        if self.how == "bad where strained":
            signs = torch.sign(torch.sin(1e6 * positions))  # of no order in time, so that they hardly heat
            found.forces = found.forces + signs * torch.where(strained[owner], 0.3, 0.02)[:, None]
        elif self.how == "zero":
            found = Evaluation(torch.zeros_like(found.energy), torch.zeros_like(found.forces))
        elif self.how == "tiny":
            found = Evaluation(1e-9 * found.energy, 1e-9 * found.forces)
        elif self.how == "constant energy":
            found = Evaluation(torch.zeros_like(found.energy), found.forces)
        elif self.how == "no forces":
            found = Evaluation(found.energy, torch.zeros_like(found.forces))
        elif self.how:
            raise ValueError(self.how)
        return found


class Toy(Model):
    """Springs, or what `how` makes of them."""

    type: Literal["toy"] = "toy"
    how: str = ""

    def load(self, base):
        return Springs(self.how)


class ToyTeacher(Teacher):
    """Springs as a reference; a `picky` one gives no label where a bond is strained."""

    type: Literal["toy_teacher"] = "toy_teacher"
    how: str = ""

    def load(self, base):
        return Springs(self.how, teacher=True)


@hookimpl
def mdprotocol_models():
    return [Toy]


@hookimpl
def mdprotocol_references():
    return [ToyTeacher]
