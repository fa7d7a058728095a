"""Analytic force fields, and what a test of the engine needs around them. A module of its own: workers import it too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from mdprotocol.contracts import Evaluation, Evaluator, ForceField, Integrator, Model, Structure, Topology
from mdprotocol.engine.loop import Loop
from mdprotocol.plan.types import Batch, Run, RunSettings
from mdprotocol.protocol.schema import Equilibration, Guards
from mdprotocol.testing.structures import make_structure

OFF = Guards(bond_stretch=None, new_bond=None, max_temperature_factor=1e6)
"""Guards that only see NaN."""


class PairForces(ForceField):
    """A potential of the distances between all atoms of a copy. `curve`: distances (P,) -> energy, dE/dd, eV and eV/Å."""

    kernel = "analytic"

    def __init__(self, curve: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]) -> None:
        self.curve = curve

    def prepare(self, topology: Topology) -> Evaluator:
        bounds = zip(topology.offsets, topology.offsets[1:], strict=False)
        pairs = torch.cat([torch.triu_indices(int(b - a), int(b - a), 1) + int(a) for a, b in bounds], dim=1)
        owner = torch.from_numpy(topology.owner)

        def evaluate(positions: torch.Tensor, cells: torch.Tensor) -> Evaluation:
            i, j = pairs
            vector = positions[j] - positions[i]
            distance = vector.square().sum(dim=1).sqrt()
            energy, slope = self.curve(distance)
            pull = vector * (slope / distance)[:, None]
            return Evaluation(
                torch.zeros(topology.copies, dtype=torch.float64).index_add(0, owner[i], energy),
                torch.zeros_like(positions).index_add(0, i, pull).index_add(0, j, -pull),
            )

        return evaluate


def springs(stiffness: float = 20.0, length: float = 1.0) -> PairForces:
    """k/2 (d - d0)² between all atoms of a copy; eV/Å², Å."""
    return PairForces(lambda d: (0.5 * stiffness * (d - length) ** 2, stiffness * (d - length)))


def lennard_jones(epsilon: float = 0.0104, sigma: float = 3.4) -> PairForces:
    """4 eps ((s/d)¹² - (s/d)⁶) between all atoms of a copy; eV, Å (argon)."""

    def curve(d: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        six = (sigma / d) ** 6
        return 4 * epsilon * (six**2 - six), -24 * epsilon * (2 * six**2 - six) / d

    return PairForces(curve)


class Sabotaged(ForceField):
    """A force field that goes wrong in one copy of a full batch, from one evaluation on."""

    kernel = "sabotaged"

    def __init__(self, inner: ForceField, copy: int, call: int, how: str) -> None:
        self.inner, self.copy, self.call, self.how = inner, copy, call, how

    def prepare(self, topology: Topology) -> Evaluator:
        evaluate, calls = self.inner.prepare(topology), 0

        def spoiled(positions: torch.Tensor, cells: torch.Tensor) -> Evaluation:
            nonlocal calls
            calls += 1
            found = evaluate(positions, cells)
            if calls > self.call and topology.copies > self.copy:
                mine = slice(int(topology.offsets[self.copy]), int(topology.offsets[self.copy + 1]))
                self._spoil(found, mine, positions)
            return found

        return spoiled

    def _spoil(self, found: Evaluation, mine: slice, positions: torch.Tensor) -> None:
        if self.how == "nan energy":
            found.energy[self.copy] = float("nan")
        elif self.how == "infinite force":
            found.forces[mine] = float("inf")
        elif self.how == "error":
            found.errors[self.copy] = "no convergence"
            found.energy[self.copy], found.forces[mine] = float("nan"), float("nan")
        elif self.how == "push":  # away from each other
            found.forces[mine] = 30.0 * (positions[mine] - positions[mine].mean(dim=0))
        elif self.how == "pull":
            found.forces[mine] = -30.0 * (positions[mine] - positions[mine].mean(dim=0))


class Raising(ForceField):
    """A force field that raises where an atom is farther out than it can treat."""

    def __init__(self, inner: ForceField, farthest: float) -> None:
        self.inner, self.farthest = inner, farthest

    def prepare(self, topology: Topology) -> Evaluator:
        evaluate = self.inner.prepare(topology)

        def guarded(positions: torch.Tensor, cells: torch.Tensor) -> Evaluation:
            if bool((positions.abs() > self.farthest).any()):
                raise ValueError("an atom has left the table")
            return evaluate(positions, cells)

        return guarded


class SpringModel(Model):
    """Springs between all atoms, as a component."""

    type: Literal["test_springs"] = "test_springs"
    stiffness: float = 20.0
    length: float = 1.0
    fails_beyond: float | None = None
    """Gives no answer for copies with an atom farther out, Å."""

    def load(self, base: Path) -> ForceField:
        inner = springs(self.stiffness, self.length)
        return inner if self.fails_beyond is None else Picky(inner, self.fails_beyond)


@dataclass
class Picky(ForceField):
    """No answer for copies with an atom farther out than this."""

    inner: ForceField
    farthest: float

    def prepare(self, topology: Topology) -> Evaluator:
        evaluate, owner = self.inner.prepare(topology), torch.from_numpy(topology.owner)

        def picky(positions: torch.Tensor, cells: torch.Tensor) -> Evaluation:
            found = evaluate(positions, cells)
            for b in set(owner[(positions.abs() > self.farthest).any(dim=1)].tolist()):
                found.errors[b] = "too far out"
                found.energy[b] = float("nan")
            return found

        return picky


def triangle(side: float = 1.0) -> Structure:
    """Three carbon atoms in an equilateral triangle."""
    return make_structure([6, 6, 6], side * np.array([[0, 0, 0], [1, 0, 0], [0.5, 0.75**0.5, 0]]))


def argon_cluster() -> Structure:
    """Six argon atoms in an octahedron, a little off their equilibrium."""
    corners = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1.0]])
    return make_structure([18] * 6, 2.75 * corners)


def settings(integrator: Integrator, steps: int, timestep_fs: float = 0.5, **changes: Any) -> RunSettings:
    """Run settings; every step recorded and watched, no equilibration, unless said otherwise."""
    plain = RunSettings(
        integrator=integrator,
        timestep_fs=timestep_fs,
        steps=steps,
        record_every=1,
        reference_every=0,
        guard_every=1,
        guards=OFF,
        equilibration=None,
    )
    return replace(plain, **changes)


def equilibration(integrator: Integrator, steps: int, timestep_fs: float = 0.5) -> Equilibration:
    """An equilibration of so many steps."""
    return Equilibration(integrator=integrator, duration_ps=steps * timestep_fs / 1000, timestep_fs=timestep_fs)


def run_loop(
    force_field: ForceField, structure: Structure, run: RunSettings, copies: int = 1, temperature: float = 300.0
) -> Loop:
    """The loop after its run; copy b has the seed 100 + b."""
    loop = Loop(force_field, [structure] * copies, [temperature] * copies, [100 + b for b in range(copies)], run)
    loop.run()
    return loop


def make_batch(run: RunSettings, component: Model, structure: Structure, copies: int = 2, **changes: Any) -> Batch:
    """A batch with one run a copy, temperatures 100 K, 200 K, ..."""
    runs = tuple(Run("m", "s", "nve", 100.0 * (b + 1), b, 7 + b, run, f"{b:064x}") for b in range(copies))
    return replace(Batch("m", component, None, run, runs, {"s": structure}, "."), **changes)
