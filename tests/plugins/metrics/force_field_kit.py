"""Force fields with planted faults, and the models that probes are tried on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase.build import bulk

from mdprotocol.api import Evaluation, Evaluator, ForceField, ProbeMetric, Structure, StructureError, Topology, Values
from mdprotocol.testing import check_metric, from_atoms, molecule_structure
from mdprotocol.testing.subjects import make_subject
from mdprotocol_plugins.models.ase.model import AseModel
from mdprotocol_plugins.models.mlff_distiller.model import MLFFDistiller
from mdprotocol_plugins.models.painn.model import PainnModel
from mdprotocol_plugins.references.tblite import TBLite

ROOT = Path(__file__).parents[3]
SHARED = ROOT.parent / "shared" / "mlff_distiller"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the users' own checkpoint is not beside the project")

WATER = molecule_structure("H2O")
METHANE = molecule_structure("CH4")
ETHANOL = molecule_structure("CH3CH2OH")
COPPER = from_atoms(bulk("Cu", cubic=True) * (2, 2, 2), name="copper")

Wrap = Callable[[Evaluator, Topology], Evaluator]


class Faulty(ForceField):
    """A force field whose evaluators go through `wrap`."""

    kernel = "analytic"

    def __init__(self, inner: ForceField, wrap: Wrap) -> None:
        self.inner, self.wrap = inner, wrap

    def prepare(self, topology: Topology) -> Evaluator:
        return self.wrap(self.inner.prepare(topology), topology)


def on_answer(change: Callable[[Evaluation, torch.Tensor, Topology], Evaluation]) -> Wrap:
    """A fault without memory: `change(found, positions, topology)`."""
    return lambda inner, topology: lambda positions, cells: change(inner(positions, cells), positions, topology)


def by_energy(extra: Callable[[torch.Tensor, Topology], torch.Tensor]) -> Wrap:
    """A fault in the energy, `extra(positions, topology)` -> (B,) eV, with the forces that belong to it."""

    def change(found: Evaluation, positions: torch.Tensor, topology: Topology) -> Evaluation:
        with torch.enable_grad():
            x = positions.detach().clone().requires_grad_(True)
            energy = extra(x, topology)
            (gradient,) = torch.autograd.grad(energy.sum(), x)
        return dataclasses.replace(found, energy=found.energy + energy.detach(), forces=found.forces - gradient)

    return on_answer(change)


def per_copy(values: torch.Tensor, topology: Topology) -> torch.Tensor:
    """(N,) values of atoms summed over each copy."""
    return values.new_zeros(topology.copies).index_add(0, torch.from_numpy(topology.owner), values)


def pair_distances(positions: torch.Tensor, topology: Topology) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """Distances of all pairs of atoms of the same copy, the copy of each, and the pairs (2, P)."""
    bounds = zip(np.diff(topology.offsets), topology.offsets[:-1], strict=True)
    pairs = np.concatenate([np.stack(np.triu_indices(int(n), 1)) + first for n, first in bounds], axis=1)
    d = (positions[pairs[1]] - positions[pairs[0]]).norm(dim=1)
    return d, torch.from_numpy(topology.owner)[pairs[0]], pairs


class Atomistic(ForceField):
    """A sound little physics: a well and a wall between all pairs, of the two elements' size, smoothly cut at 6 Å.

    V = D ((r/d)⁸ - 2 (r/d)⁴) f(d) with r the sum of covalent radii and f = (1 - (d/6)²)³, f = 0 beyond 6 Å.
    """

    kernel = "analytic"
    cutoff = 6.0

    def __init__(self, known: tuple[int, ...] = (1, 6, 7, 8)) -> None:
        self.known = known

    def prepare(self, topology: Topology) -> Evaluator:
        from ase.data import covalent_radii

        unknown = set(topology.numbers.tolist()) - set(self.known)
        if unknown:
            raise StructureError(f"unknown elements {sorted(unknown)}; known are {self.known}")
        radii = torch.from_numpy(covalent_radii[topology.numbers])
        depth = torch.from_numpy(0.3 + 0.03 * topology.numbers)

        def energy(x: torch.Tensor) -> torch.Tensor:
            d, copy, (i, j) = pair_distances(x, topology)
            ratio = ((radii[i] + radii[j]) / d) ** 4
            well = ratio**2 - 2 * ratio
            cut = (1 - (d / self.cutoff) ** 2).clamp(min=0) ** 3
            v = torch.sqrt(depth[i] * depth[j]) * well * cut
            return v.new_zeros(topology.copies).index_add(0, copy, v)

        def evaluate(positions: torch.Tensor, cells: torch.Tensor) -> Evaluation:
            with torch.enable_grad():
                x = positions.detach().clone().requires_grad_(True)
                e = energy(x)
                (gradient,) = torch.autograd.grad(e.sum(), x, allow_unused=True)
            return Evaluation(e.detach(), torch.zeros_like(positions) if gradient is None else -gradient)

        return evaluate


def measured(metric: ProbeMetric, force_field: ForceField, structure: Structure, **options: Any) -> Values:
    """Probe, check the metric's contract, measure."""
    return check_metric(metric, metric.probe(make_subject(force_field, structure, **options)))


def painn(name: str, **options: object) -> ForceField:
    return PainnModel(checkpoint=f"{name}.safetensors", **options).load(ROOT / "checkpoints")


def distiller() -> ForceField:
    return MLFFDistiller(checkpoint="tiny_77k.pt").load(SHARED)


def gfn2() -> ForceField:
    return TBLite().load(ROOT)


def emt() -> ForceField:
    return AseModel(calculator="ase.calculators.emt:EMT").load(ROOT)
