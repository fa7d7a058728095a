"""Trials of a self-test: an error in a fault's code, or a lack of memory, is shown and catches nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mdprotocol.app.selftesting import _Bench, smaller
from mdprotocol.app.sources import Prepared, Source
from mdprotocol.app.trials import TRIAL, code_of_all
from mdprotocol.app.workers import Workers
from mdprotocol.assess.selftest import Power
from mdprotocol.contracts import (
    Evaluation,
    Evaluator,
    Fault,
    ForceField,
    ModelFault,
    MotionFault,
    RecordFault,
    Size,
    SystemFault,
    Topology,
    properties,
)
from mdprotocol.errors import StructureError
from mdprotocol.registry import build_registry

REPLICAS, UNKNOWN = 5, 99
PROTOCOL = f"""\
mdprotocol: 1
name: small
models: {{trap: {{type: harmonic_trap}}}}
systems: {{water: {{type: builtin, name: water}}}}
simulations:
  nve:
    integrator: {{type: velocity_verlet}}
    timestep_fs: 0.5
    duration_ps: 0.01
    record_every_fs: 1
    temperatures_K: [10]
    replicas: {REPLICAS}
    guards: {{bond_stretch: null, new_bond: null, max_temperature_factor: 1000000}}
criteria:
  no_crash: {{level: must, metric: stability.crashed, max: 0}}
  gradient: {{level: must, metric: force_consistency.relative, max: 0.003}}
selftest: {{sound: 1, power: 0.5}}
executor: {{type: serial}}
"""


class Raising(ModelFault):
    """Raises, when a batch is prepared or when it is asked; or has the sound model refuse."""

    type: str = "raising"
    how: str = ""
    breaks = frozenset({properties.CONSERVATIVE})

    def prepare(self, sound: ForceField, topology: Topology) -> Evaluator:
        how = self.how or self.type
        if how == "prepare":
            raise ZeroDivisionError("a bug in the fault")
        if how == "refuses":
            return sound.prepare(replace(topology, numbers=np.full_like(topology.numbers, UNKNOWN)))
        evaluate = sound.prepare(topology)

        def answer(positions: torch.Tensor, cells: torch.Tensor) -> Evaluation:
            if how == "evaluate":
                raise ZeroDivisionError("a bug in the fault")
            if how == "memory" or (how == "memory for half" and topology.copies == REPLICAS):
                raise MemoryError("too large")
            return evaluate(positions, cells)

        return answer


class Shrinking(Raising):
    """Refuses, and has a bug where it is small."""

    amount: float = 1.0
    sized = Size("amount", "1")

    def prepare(self, sound: ForceField, topology: Topology) -> Evaluator:
        return Raising(how="evaluate" if self.amount < 0.3 else "refuses").prepare(sound, topology)


class RaisingStep(MotionFault):
    """A step with a bug."""

    type: str = "step"
    breaks = frozenset({properties.CONSERVATION})

    def step(self, sound: Any, state: Any, update_forces: Any, streams: Any) -> None:
        raise ZeroDivisionError("a bug in the step")


class Unplantable(SystemFault):
    """It cannot be planted."""

    type: str = "altered"
    breaks = frozenset({properties.LANDSCAPE})

    def altered(self, structure: Any) -> Any:
        raise ZeroDivisionError("a bug in the plan")


class Unspoilable(RecordFault):
    """It cannot change the files."""

    type: str = "spoil"
    breaks = frozenset({properties.EVIDENCE})

    def spoiled(self, runs: Any) -> Any:
        raise ZeroDivisionError("a bug in the files")


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    (tmp_path / "small.yaml").write_text(PROTOCOL)
    return smaller(Source(tmp_path / "small.yaml", plugins=("mdprotocol.testing.plugins",)))


@pytest.fixture
def tried(prepared: Prepared, tmp_path: Path) -> Callable[..., Power]:
    def trial(faults: Sequence[Fault], sizes: bool = False) -> Power:
        with Workers(prepared.protocol, prepared.registry, lambda event: None) as workers:
            return _Bench(prepared, tmp_path / "trials", workers).power("trap", faults, 1, sizes)

    return trial


@pytest.fixture
def picky(prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model refuses an element."""
    model = type(prepared.protocol.models["trap"])
    load = model.load

    def loaded(self: Any, base: Path) -> ForceField:
        field = load(self, base)
        prepare = field.prepare

        def refusing(topology: Topology) -> Evaluator:
            if UNKNOWN in topology.numbers:
                raise StructureError("this model knows no such element")
            return prepare(topology)

        field.prepare = refusing  # type: ignore[method-assign]
        return field

    monkeypatch.setattr(model, "load", loaded)


BUGS = {
    Raising(type="prepare"): "PluginError: the planted fault raised ZeroDivisionError",
    Raising(type="evaluate"): "PluginError: the planted fault raised ZeroDivisionError",
    Raising(type="memory"): "MemoryError: too large",
    RaisingStep(): "ZeroDivisionError: a bug in the step",
    Unplantable(): "ZeroDivisionError: a bug in the plan",
    Unspoilable(): "ZeroDivisionError: a bug in the files",
}


def test_errors_are_kept_and_are_neither_caught_nor_missed(tried: Any, tmp_path: Path) -> None:
    power = tried(list(BUGS))
    assert power.faults == ()
    found = {broken.fault.name: broken.problems for broken in power.broken}
    assert list(found) == [fault.type for fault in BUGS]
    for fault, said in BUGS.items():
        (problem, traceback), *_ = found[fault.type].items()
        assert said in problem, fault
        assert "test_trials.py" in traceback, fault
    assert not power.met
    assert len(list(tmp_path.glob(f"trials/*/{TRIAL}"))) == 1  # the sound one: the others are to be done again


def test_a_batch_that_is_too_large_for_the_memory_goes_in_halves(tried: Any) -> None:
    power = tried([Raising(type="memory for half")])
    assert power.broken == ()
    assert power.faults[0].outcomes["no_crash"].name == "PASS"


def test_a_refusal_of_the_sound_model_is_an_observation(tried: Any, picky: None) -> None:
    power = tried([Raising(type="refuses")])
    assert power.broken == ()
    assert set(power.faults[0].by) == {"no_crash", "gradient"}
    assert power.met


def test_the_code_of_every_plugin_counts(tmp_path: Path) -> None:
    plugin = tmp_path / "own_metric.py"
    text = """
from typing import ClassVar, Literal
from mdprotocol.api import Metric, Quantity, hookimpl

class Own(Metric):
    '''Own.'''
    type: Literal["own_of_test"] = "own_of_test"
    quantities: ClassVar = {"x": Quantity("1", "x")}
    def measure(self, run):
        return {"x": 1.0}

@hookimpl
def mdprotocol_metrics():
    return [Own]
"""
    plugin.write_text(text)
    without, first = code_of_all(build_registry()), code_of_all(build_registry([str(plugin)]))
    assert first == code_of_all(build_registry([str(plugin)])) != without
    plugin.write_text(text.replace("1.0", "2.0"))
    assert code_of_all(build_registry([str(plugin)])) != first


def test_a_smaller_size_that_breaks_ends_the_search_and_is_an_error(tried: Any, picky: None) -> None:
    power = tried([Shrinking()], sizes=True)
    (seen,) = power.faults
    assert (seen.caught, seen.smallest) == (True, 0.5)
    assert [broken.fault.size for broken in power.broken] == [0.25, 0.125]
