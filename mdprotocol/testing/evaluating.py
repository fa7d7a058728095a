"""A force field asked about positions alone, for tests in which the box stays as it was."""

from __future__ import annotations

from collections.abc import Callable

import torch

from mdprotocol.contracts import Evaluation, ForceField, Topology


def in_own_cells(force_field: ForceField, topology: Topology) -> Callable[[torch.Tensor], Evaluation]:
    """One evaluator for this topology, as a function of positions (N, 3) Å: the cells are those of the topology."""
    evaluate, cells = force_field.prepare(topology), torch.from_numpy(topology.cells)
    return lambda positions: evaluate(positions, cells)
