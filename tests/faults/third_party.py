"""A package of somebody else: a metric, a fault, a model and a property of their own. It imports only the public door."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
import xarray as xr

from mdprotocol.api import (
    Evaluation,
    Evaluator,
    Fault,
    ForceField,
    Metric,
    Model,
    ModelFault,
    ProbeMetric,
    Property,
    Quantity,
    Sign,
    Size,
    Subject,
    Topology,
    Values,
    hookimpl,
    properties,
)
from mdprotocol.testing.analytic import Morse

EVENNESS = Property("evenness", "the energy of one geometry scatters by nothing", cause="an uneven energy")

Spoil = Callable[[torch.Tensor, Evaluation], Evaluation]


class Echo(ProbeMetric):
    """Spread of the energy of one geometry that is asked for again and again."""

    type: Literal["echo"] = "echo"
    tests: ClassVar = frozenset({EVENNESS, properties.MEMORYLESS})
    needs: ClassVar = frozenset({"energy"})
    quantities: ClassVar = {"spread": Quantity("meV", "largest difference of two answers", "max")}
    signs: ClassVar = (Sign("spread", 0.01, EVENNESS, "one geometry has energies {:.2g} meV apart"),)

    def probe(self, subject: Subject) -> xr.Dataset:
        topology = Topology.of([subject.structure])
        evaluate = subject.force_field.prepare(topology)
        where, cells = torch.from_numpy(subject.structure.positions), torch.from_numpy(topology.cells)
        energies = [float(evaluate(where, cells).energy[0]) for _ in range(4)]
        return xr.Dataset({"energy": ("call", energies, {"units": "eV"})})

    def measure(self, run: xr.Dataset) -> Values:
        return {"spread": 1000 * float(np.ptp(run["energy"].values))}


class Leaning(ModelFault):
    """Everything leans to one side."""

    type: Literal["leaning"] = "leaning"
    slope_eV_per_A: float = 0.1
    sized: ClassVar = Size("slope_eV_per_A", "eV/Å")
    breaks: ClassVar = frozenset({properties.SYMMETRY, properties.MOMENTUM})

    def prepare(self, sound: ForceField, topology: Topology) -> Evaluator:
        evaluate, owner = sound.prepare(topology), torch.from_numpy(topology.owner)

        def leaning(x: torch.Tensor, cells: torch.Tensor) -> Evaluation:
            found = evaluate(x, cells)
            energy = found.energy.index_add(0, owner, self.slope_eV_per_A * x[:, 0])
            return replace(found, energy=energy, forces=found.forces - torch.tensor([self.slope_eV_per_A, 0.0, 0.0]))

        return leaning


class Uneven(ModelFault):
    """The energy alternates from call to call."""

    type: Literal["uneven"] = "uneven"
    breaks: ClassVar = frozenset({EVENNESS})

    def prepare(self, sound: ForceField, topology: Topology) -> Evaluator:
        evaluate, calls = sound.prepare(topology), 0

        def uneven(x: torch.Tensor, cells: torch.Tensor) -> Evaluation:
            nonlocal calls
            calls += 1
            found = evaluate(x, cells)
            return replace(found, energy=found.energy + 5e-5 * (calls % 2))

        return uneven


class UnevenForceField(ForceField):
    """Morse whose energy alternates."""

    kernel = "analytic"

    def prepare(self, topology: Topology) -> Evaluator:
        return Uneven().prepare(Morse(), topology)


class UnevenModel(Model):
    """Morse whose energy alternates from call to call."""

    type: Literal["uneven_morse"] = "uneven_morse"

    def load(self, base: Path) -> ForceField:
        return UnevenForceField()


@hookimpl
def mdprotocol_metrics() -> list[type[Metric]]:
    return [Echo]


@hookimpl
def mdprotocol_faults() -> list[type[Fault]]:
    return [Leaning, Uneven]


@hookimpl
def mdprotocol_models() -> list[type[Model]]:
    return [UnevenModel]
