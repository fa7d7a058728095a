"""A reference that goes wrong on a frame, in whatever way, costs that label, and says why."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from engine_kit import SpringModel, make_batch, settings, springs, triangle

from mdprotocol.contracts import Evaluation, ForceField, Model
from mdprotocol.engine.batch import run_batch
from mdprotocol.store import ResultsFolder
from mdprotocol_plugins.integrators.velocity_verlet import VelocityVerlet


class Odd(ForceField):
    """Springs that go wrong at every second evaluation."""

    def __init__(self, how: str) -> None:
        self.how, self.calls = how, 0

    def prepare(self, topology: Any) -> Any:
        evaluate = springs().prepare(topology)

        def answer(positions: torch.Tensor, cells: torch.Tensor) -> Any:
            found, self.calls = evaluate(positions, cells), self.calls + 1
            return found if self.calls % 2 else self.wrong(found)

        return answer

    def wrong(self, found: Evaluation) -> Any:
        if self.how == "raises":
            raise ZeroDivisionError("no such luck")
        if self.how == "no memory":
            raise MemoryError("too large")
        if self.how == "nothing":
            return None
        if self.how == "fewer atoms":
            return Evaluation(found.energy, found.forces[:-1])
        if self.how == "infinite":
            return Evaluation(found.energy, found.forces * float("inf"))
        found.errors[0] = "SCF did not converge"
        return found


class OddModel(Model):
    """Springs that go wrong at every second evaluation."""

    type: Literal["odd"] = "odd"
    how: str

    def load(self, base: Path) -> ForceField:
        return Odd(self.how)


SAID = {
    "raises": "frame 2: it raised ZeroDivisionError: no such luck (test_broken_reference.py, line ",
    "nothing": "frame 2: it raised AttributeError: ",
    "fewer atoms": "frame 2: it gave forces of shape (2, 3) for 3 atoms",
    "infinite": "frame 2: its energy or forces are not finite",
    "says so": "frame 2: SCF did not converge",
}


@pytest.mark.parametrize("how", SAID)
def test_it_costs_the_label_and_not_the_run(tmp_path: Path, how: str) -> None:
    run = settings(VelocityVerlet(), 10, record_every=1, reference_every=2)
    batch = make_batch(run, SpringModel(), triangle(1.02), copies=1, reference=OddModel(how=how))
    (outcome,) = run_batch(batch, tmp_path, lambda event: None)
    assert outcome.outcome == "completed"
    found = ResultsFolder(tmp_path).load(outcome.run + ".nc")
    assert found["sample_frame"].values.tolist() == [0, 4, 8]
    assert np.isfinite(found["reference_force"].values).all()
    assert found.attrs["reference_failures"] == 3
    assert found.attrs["reference_failure_detail"].startswith(SAID[how])


def test_out_of_memory_is_no_failure_of_the_reference(tmp_path: Path) -> None:
    """It is a matter of the machine, and another time there may be more."""
    run = settings(VelocityVerlet(), 10, record_every=1, reference_every=2)
    batch = make_batch(run, SpringModel(), triangle(1.02), copies=1, reference=OddModel(how="no memory"))
    with pytest.raises(MemoryError):
        run_batch(batch, tmp_path, lambda event: None)
    assert ResultsFolder(tmp_path).run_ids() == []
