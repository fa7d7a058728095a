"""Flaws that change what a sound model has answered."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from mdprotocol.api import Evaluation, Evaluator, ForceField, ModelFault, Topology, properties

if TYPE_CHECKING:
    import torch

NO_GRADIENT = frozenset({properties.CONSERVATIVE, properties.CONSERVATION})
"""Forces that are not minus the gradient of the energy."""
Positive = Annotated[float, Field(gt=0)]
Spoil = Callable[["torch.Tensor", Evaluation], Evaluation]


class WrongAnswer(ModelFault):
    """Base of flaws that change what a sound model answers."""

    def prepare(self, sound: ForceField, topology: Topology) -> Evaluator:
        evaluate, spoil = sound.prepare(topology), self.spoiling(topology)
        return lambda positions, cells: spoil(positions, evaluate(positions, cells))

    @abstractmethod
    def spoiling(self, topology: Topology) -> Spoil:
        """Positions and the sound answer -> the faulty answer. It may keep state from call to call."""
