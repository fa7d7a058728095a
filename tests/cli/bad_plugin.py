"""One of every component; each goes wrong in the way that `how` says, by default in none."""

from __future__ import annotations

import functools
import sys
from typing import Any, Literal

import numpy as np

from mdprotocol.api import (
    Evaluation,
    Executor,
    ForceField,
    Integrator,
    Metric,
    Model,
    ProbeMetric,
    Quantity,
    Reporter,
    Structure,
    SystemSource,
    Teacher,
    attempt,
    hookimpl,
)


def perhaps(how: str, where: str) -> Any:
    """What goes wrong here: `where: what`; None where nothing does."""
    place, _, what = how.partition(": ")
    if place != where:
        return None
    if what == "raises":
        raise ZeroDivisionError("no such luck")
    if what == "leaves":
        sys.exit(0)
    return {"None": (None,), "text": ("text",), "number": (7,), "bytes": (b"bytes",)}.get(what, (what,))


def or_else(how: str, where: str, sound: Any) -> Any:
    found = perhaps(how, where)
    return sound if found is None else found[0]


class BadField(ForceField):
    kernel = "bad"

    def __init__(self, how: str) -> None:
        self.how = how

    def prepare(self, topology: Any) -> Any:
        import torch

        def evaluate(positions: Any, cells: Any) -> Any:
            found = Evaluation(torch.zeros(topology.copies, dtype=torch.float64), -positions)
            wrong = or_else(self.how, "evaluate", "")
            if wrong == "short":
                found.forces = found.forces[:-1]
            elif wrong == "numpy":
                found = Evaluation(found.energy.numpy(), found.forces.numpy())
            elif wrong == "foreign copy":
                found.errors[99] = "who?"
            elif wrong == "integers":
                found.forces = found.forces.long()
            elif wrong == "complex":
                found.forces = found.forces.to(torch.complex128)
            elif wrong == "moves":
                positions += 1.0
            elif wrong != "":
                return wrong
            return found

        return or_else(self.how, "prepare", evaluate)


class BadModel(Model):
    """A model."""

    type: Literal["bad"] = "bad"
    how: str = ""

    def load(self, base: Any) -> Any:
        return or_else(self.how, "load", BadField(self.how))

    def files(self, base: Any) -> Any:
        return or_else(self.how, "files", ())

    def packages(self) -> Any:
        return or_else(self.how, "packages", ())

    def inspect(self, base: Any, structures: Any) -> Any:
        return or_else(self.how, "inspect", iter(()))


class BadReference(Teacher):
    """A reference."""

    type: Literal["bad_reference"] = "bad_reference"
    how: str = ""

    def load(self, base: Any) -> Any:
        return or_else(self.how, "load", BadField(self.how))


class BadSystem(SystemSource):
    """A system."""

    type: Literal["bad"] = "bad"
    how: str = ""

    def build(self, name: str, base: Any) -> Any:
        wrong = or_else(self.how, "build", "")
        numbers, positions = np.array([8, 1, 1]), np.array([[0.0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]])
        masses, cell, pbc = np.array([16.0, 1, 1]), np.zeros((3, 3)), np.zeros(3, dtype=bool)
        if wrong == "nan":
            positions[0] = np.nan
        elif wrong == "short":
            masses = masses[:2]
        elif wrong == "massless":
            masses[0] = 0.0
        elif wrong == "lists":
            return Structure(name, [8, 1, 1], positions.tolist(), [16, 1, 1], [[0] * 3] * 3, [False] * 3)
        elif wrong == "empty":
            return Structure(name, numbers[:0], positions[:0], masses[:0], cell, pbc)
        elif wrong == "unknown element":
            numbers[0] = 222
        elif wrong != "":
            return wrong
        return Structure(name, numbers, positions, masses, cell, pbc)

    def files(self, base: Any) -> Any:
        return or_else(self.how, "files", ())


class BadIntegrator(Integrator):
    """An integrator."""

    type: Literal["bad"] = "bad"
    how: str = ""

    def start(self, state: Any, streams: Any) -> None:
        if or_else(self.how, "start", "") == "extra":
            state.extra["text"] = "text"

    def step(self, state: Any, update_forces: Any, streams: Any) -> None:
        wrong = or_else(self.how, "step", "")
        state.positions += state.velocities * state.timestep
        if wrong == "nan":
            state.positions[0] = float("nan")
        elif wrong == "cut":
            state.positions = state.positions[:-1]
        elif wrong == "single":
            state.velocities = state.velocities.float()
        elif wrong == "grows":
            state.extra["more"] = state.positions.clone()
        update_forces()


class BadMetric(Metric):
    """A metric."""

    type: Literal["bad"] = "bad"
    quantities = {"x": Quantity("1", "x")}
    how: str = ""

    def measure(self, run: Any) -> Any:
        wrong = or_else(self.how, "measure", "")
        if wrong == "keys":
            return {"x": 1.0, 3: 1.0, "y": 2.0}
        if wrong == "huge":
            return {"x": 10**400}
        if wrong == "twice":
            import xarray as xr

            return {"x": xr.DataArray([1.0, 9.0], {"part": ["a", "a"]}, dims="part")}
        if wrong == "mixed":
            import xarray as xr

            return {"x": xr.DataArray(np.ones(2), {"part": np.array(["a", 3], dtype=object)}, dims="part")}
        if wrong == "slash":
            import xarray as xr

            return {"x": xr.DataArray(np.ones(2), {"a/b": ["a", "b"]}, dims="a/b")}
        if wrong == "writes":
            run["position"].values[:] = 0.0
        elif wrong != "":
            return wrong
        return {"x": 1.0}


class BadProbe(ProbeMetric):
    """A probe."""

    type: Literal["bad_probe"] = "bad_probe"
    quantities = {"x": Quantity("1", "x")}
    how: str = ""

    def probe(self, subject: Any) -> Any:
        import xarray as xr

        sound = xr.Dataset({"x": ((), 1.0, {"units": "1"})})
        wrong = or_else(self.how, "probe", sound)
        return xr.Dataset({"x": 1.0}) if isinstance(wrong, str) and wrong == "unitless" else wrong

    def measure(self, run: Any) -> Any:
        return or_else(self.how, "measure", {"x": 1.0})


class BadReporter(Reporter):
    """A reporter."""

    type: Literal["bad"] = "bad"
    how: str = ""

    def render(self, report: Any) -> Any:
        wrong = or_else(self.how, "render", {"bad.txt": b"sound"})
        if isinstance(wrong, str) and wrong.startswith("file "):
            return {wrong.removeprefix("file "): b"forged"}
        if wrong == "content":
            return {"bad.txt": "no bytes"}
        return wrong


class BadExecutor(Executor):
    """An executor."""

    type: Literal["bad"] = "bad"
    how: str = ""

    def execute(self, work: Any, tasks: Any, on_event: Any, setup: Any) -> Any:
        wrong = or_else(self.how, "execute", "")
        setup()
        for place, task in enumerate(tasks):
            if wrong == "loses":
                continue
            result = attempt(functools.partial(work, task, on_event))
            if wrong == "foreign":
                yield 99, result
            elif wrong == "garbage":
                yield wrong
            elif wrong == "exception":
                yield place, ValueError("whose?")
            else:
                yield place, result
            if wrong == "twice":
                yield place, result


@hookimpl
def mdprotocol_models() -> Any:
    return [BadModel]


@hookimpl
def mdprotocol_references() -> Any:
    return [BadReference]


@hookimpl
def mdprotocol_systems() -> Any:
    return [BadSystem]


@hookimpl
def mdprotocol_integrators() -> Any:
    return [BadIntegrator]


@hookimpl
def mdprotocol_metrics() -> Any:
    return [BadMetric, BadProbe]


@hookimpl
def mdprotocol_reporters() -> Any:
    return [BadReporter]


@hookimpl
def mdprotocol_executors() -> Any:
    return [BadExecutor]
