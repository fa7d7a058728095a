"""Flaws that change what a sound model has answered."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

from mdprotocol.api import Evaluation, Evaluator, ForceField, ModelFault, Topology

if TYPE_CHECKING:
    import torch

Spoil = Callable[["torch.Tensor", Evaluation], Evaluation]


class WrongAnswer(ModelFault):
    """Base of flaws that change what a sound model answers."""

    def prepare(self, sound: ForceField, topology: Topology) -> Evaluator:
        evaluate, spoil = sound.prepare(topology), self.spoiling(topology)
        return lambda positions: spoil(positions, evaluate(positions))

    @abstractmethod
    def spoiling(self, topology: Topology) -> Spoil:
        """Positions and the sound answer -> the faulty answer. It may keep state from call to call."""
