"""Whose error it is when a model with a planted flaw raises: the sound model's, or the flaw's own.

A sound model may refuse what a flaw asks of it (another element, atoms in each other), whatever it raises: that is an
observation. What the flaw's own code raises is a bug in it, and must not pass for sight.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

from mdprotocol.contracts import Evaluation, Evaluator, ForceField, Topology
from mdprotocol.errors import MDProtocolError, NoAnswer, PluginError, asked_to_stop, told

Result = TypeVar("Result")
NOBODYS = (MemoryError, torch.OutOfMemoryError)
"""Passed on as they are: a batch that is too large for the memory is halved."""


class SoundPart(ForceField):
    """The sound model as a flaw has it.

    Attributes:
        refused: what it has raised last.
    """

    def __init__(self, sound: ForceField) -> None:
        self._sound = sound
        self.parameters, self.weights_bytes = sound.parameters, sound.weights_bytes
        self.dtype, self.device, self.kernel = sound.dtype, sound.device, sound.kernel
        self.remembers, self.notices = sound.remembers, sound.notices
        self.refused: BaseException | None = None

    def prepare(self, topology: Topology) -> Evaluator:
        evaluate = self._asked(lambda: self._sound.prepare(topology))
        return lambda positions, cells: self._asked(lambda: evaluate(positions, cells))

    def plain(self, dtype: str = "float64") -> ForceField | None:
        return self._sound.plain(dtype)

    def _asked(self, ask: Callable[[], Result]) -> Result:
        try:
            return ask()
        except (MDProtocolError, *NOBODYS) as error:
            self.refused = error
            raise
        except BaseException as error:
            if asked_to_stop(error):
                raise
            self.refused = NoAnswer(f"the model raised {told(error)}")
            raise self.refused from error

    def blaming(self, flawed: Callable[[], Result]) -> Result:
        """What the flaw makes of the sound model.

        Raises:
            PluginError: the flaw's own code raised.
        """
        try:
            return flawed()
        except BaseException as error:
            if error is self.refused or isinstance(error, NOBODYS) or asked_to_stop(error):
                raise
            raise PluginError(f"the planted fault raised {told(error)}") from error


def blamed(sound: ForceField, prepare: Callable[[ForceField, Topology], Evaluator], topology: Topology) -> Evaluator:
    """The faulty evaluator that a flaw makes of a sound model; an error of its own is a PluginError."""
    part = SoundPart(sound)
    evaluate = part.blaming(lambda: prepare(part, topology))

    def answer(positions: torch.Tensor, cells: torch.Tensor) -> Evaluation:
        return part.blaming(lambda: evaluate(positions, cells))

    return answer
