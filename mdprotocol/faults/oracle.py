"""The oracle: an analytic model whose soundness is known by construction, and a teacher that differs from it by little.

Every pair of atoms has a Morse energy V = D (1 - exp(-a (d - r0)))² - D (Morse 1929, Phys. Rev. 34, 57) that depends on
its two elements alone. It is smooth to all orders, conservative, the same under every rotation, reflection, translation
and permutation, repulsive at short range, and without memory. Its teacher has wells deeper by a known share. It holds
molecules of one heavy atom with its hydrogens together (nothing saturates a bond in a sum over pairs, so larger ones
would collapse); bonds are about as stiff as real ones, and the pairs of hydrogens keep the angles.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from mdprotocol.contracts import Evaluation, Evaluator, ForceField, Model, Structure, Topology
from mdprotocol.errors import StructureError
from mdprotocol.faults.pairs import CopyPairs
from mdprotocol.protocol.schema import Criterion, Protocol, Simulation

MORSE = {
    (1, 1): (0.8, 2.0, 1.60),
    (1, 6): (4.5, 1.9, 1.09),
    (1, 7): (4.5, 2.1, 1.01),
    (1, 8): (5.0, 2.2, 0.96),
    (1, 9): (5.9, 2.2, 0.92),
}
"""Depth D (eV), width a (1/Å) and length r0 (Å) by pair of elements."""
STRANGERS = (0.01, 1.5, 3.2)
"""The same for all other pairs: they repel."""
TEACHER_SHARE = 0.002
"""By which the teacher's wells are deeper."""
NAME = "oracle"


class Oracle(Model):
    """Morse pairs by element; for molecules of one heavy atom and hydrogen."""

    type: Literal["oracle"] = "oracle"
    deeper: float = 0.0
    """Share by which all wells are deeper."""

    def load(self, base: Path) -> ForceField:
        return ElementMorse(1 + self.deeper)


class ElementMorse(ForceField):
    """The oracle's pairs; `factor` multiplies every depth."""

    kernel = "analytic"

    def __init__(self, factor: float) -> None:
        self._factor = factor

    def prepare(self, topology: Topology) -> Evaluator:
        if topology.periodic:
            raise StructureError("the oracle treats open systems only")
        pairs = CopyPairs(topology)
        ends = np.sort(topology.numbers[np.stack([pairs.i.numpy(), pairs.j.numpy()])], axis=0).T
        table = np.array([MORSE.get((int(a), int(b)), STRANGERS) for a, b in ends]).reshape(-1, 3)
        depth, width, length = torch.from_numpy(np.ascontiguousarray(table.T))
        depth = depth * self._factor

        def term(distance: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            decay = torch.exp(-width * (distance - length))
            return depth * ((1 - decay) ** 2 - 1), 2 * depth * width * decay * (1 - decay)

        def evaluate(positions: torch.Tensor, cells: torch.Tensor) -> Evaluation:
            nothing = Evaluation(positions.new_zeros(topology.copies), torch.zeros_like(positions))
            return pairs.add(nothing, positions, term)

        return evaluate


def holds(structure: Structure) -> bool:
    """Whether the oracle holds this molecule together."""
    heavy = structure.numbers[structure.numbers != 1]
    return not structure.periodic and len(heavy) == 1 and (1, int(heavy[0])) in MORSE and len(structure) > 2


def oracle_protocol(protocol: Protocol, structures: Mapping[str, Structure]) -> Protocol | None:
    """The protocol with the oracle as its model and reference, on the systems that it holds; None where there are none.

    Simulations and criteria that are about other systems only are left out.
    """
    systems = {name: source for name, source in protocol.systems.items() if holds(structures[name])}
    simulations = {name: one for name, s in protocol.simulations.items() if (one := _simulation(s, systems))}
    criteria = {
        name: kept
        for name, criterion in protocol.criteria.items()
        if (kept := _criterion(criterion, systems)) and _runs(criterion, simulations)
    }
    if not systems or not criteria:
        return None
    update = {
        "models": {NAME: Oracle()},
        "reference": Oracle(deeper=TEACHER_SHARE),
        "systems": systems,
        "simulations": simulations,
        "criteria": criteria,
    }
    return protocol.model_copy(update=update)


def _simulation(simulation: Simulation, systems: Mapping[str, object]) -> Simulation | None:
    kept = [name for name in simulation.systems or systems if name in systems]
    return simulation.model_copy(update={"systems": kept, "models": None}) if kept else None


def _criterion(criterion: Criterion, systems: Mapping[str, object]) -> Criterion | None:
    wanted = criterion.where.get("system")
    if wanted is None:
        return criterion
    kept = [name for name in (wanted if isinstance(wanted, list) else [wanted]) if name in systems]
    return criterion.model_copy(update={"where": {**criterion.where, "system": kept}}) if kept else None


def _runs(criterion: Criterion, simulations: Mapping[str, object]) -> bool:
    """Whether a simulation that the criterion looks at is left (by its own name; lists of time steps keep theirs)."""
    wanted = criterion.where.get("simulation")
    names = wanted if isinstance(wanted, list) else [] if wanted is None else [wanted]
    return not names or any(any(str(n) == s or str(n).startswith(f"{s}_") for s in simulations) for n in names)
