"""Whose error it is: a refusal of the sound model is an observation, an error in a flaw's own code is a bug."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from mdprotocol.contracts import Evaluation, Evaluator, ForceField, Topology
from mdprotocol.errors import Interrupted, NoAnswer, PluginError, StructureError
from mdprotocol.faults.blame import blamed
from mdprotocol.testing.structures import molecule_structure

TOPOLOGY = Topology.of([molecule_structure("H2O")])
POSITIONS = torch.zeros(3, 3, dtype=torch.float64)
CELLS = torch.zeros(1, 3, 3, dtype=torch.float64)


class Sound(ForceField):
    """Raises what its test says, when it is prepared or when it is asked."""

    def __init__(self, prepare: BaseException | None = None, evaluate: BaseException | None = None) -> None:
        self.errors = prepare, evaluate

    def prepare(self, topology: Topology) -> Evaluator:
        raise_it(self.errors[0])

        def evaluate(positions: torch.Tensor, cells: torch.Tensor) -> Evaluation:
            raise_it(self.errors[1])
            return Evaluation(torch.zeros(1, dtype=torch.float64), -positions)

        return evaluate


def raise_it(error: BaseException | None) -> None:
    if error is not None:
        raise error


def no_flaw(sound: ForceField, topology: Topology) -> Evaluator:
    return sound.prepare(topology)


def flaw_that_raises(
    prepare: BaseException | None = None, evaluate: BaseException | None = None
) -> Callable[[ForceField, Topology], Evaluator]:
    def prepared(sound: ForceField, topology: Topology) -> Evaluator:
        raise_it(prepare)
        ask = sound.prepare(topology)

        def answer(positions: torch.Tensor, cells: torch.Tensor) -> Evaluation:
            found = ask(positions, cells)
            raise_it(evaluate)
            return found

        return answer

    return prepared


def asked(sound: ForceField, flaw: Any) -> Evaluation:
    return blamed(sound, flaw, TOPOLOGY)(POSITIONS, CELLS)


def test_a_flaw_that_raises_nothing_changes_nothing() -> None:
    assert float(asked(Sound(), no_flaw).energy[0]) == 0


@pytest.mark.parametrize("when", ["prepare", "evaluate"])
def test_what_the_sound_model_raises_is_a_refusal(when: str) -> None:
    with pytest.raises(StructureError, match="no Cu"):
        asked(Sound(**{when: StructureError("no Cu")}), no_flaw)
    with pytest.raises(NoAnswer, match="ValueError: array must not contain infs"):
        asked(Sound(**{when: ValueError("array must not contain infs")}), no_flaw)


@pytest.mark.parametrize("when", ["prepare", "evaluate"])
@pytest.mark.parametrize("error", [ZeroDivisionError("0 bonds"), StructureError("it cannot plant"), SystemExit(0)])
def test_what_the_flaw_raises_is_a_bug(when: str, error: BaseException) -> None:
    with pytest.raises(PluginError, match=r"the planted fault raised .*test_blame.py, line") as caught:
        asked(Sound(), flaw_that_raises(**{when: error}))
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [MemoryError("too large"), torch.OutOfMemoryError("CUDA"), Interrupted(2)])
def test_memory_and_signals_are_nobody_s(error: BaseException) -> None:
    for sound, flaw in ((Sound(evaluate=error), no_flaw), (Sound(), flaw_that_raises(evaluate=error))):
        with pytest.raises(type(error)):
            asked(sound, flaw)
