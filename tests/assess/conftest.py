"""A small protocol with its runs on disk: two systems, two temperatures, and numbers that each test chooses."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
import xarray as xr

from mdprotocol.assess import Measurements, judge_models, measure, to_dataset
from mdprotocol.contracts import (
    ComparisonMetric,
    ForceField,
    Integrator,
    Metric,
    Model,
    ProbeMetric,
    Quantity,
    Structure,
    Subject,
    SystemSource,
    Values,
)
from mdprotocol.errors import NotMeasurable
from mdprotocol.plan import Probe, Run, Study, expand_runs
from mdprotocol.plan.identity import settings_facts
from mdprotocol.protocol.schema import Protocol
from mdprotocol.store import ResultsFolder
from mdprotocol.verdicts import ModelVerdict


class AnyModel(Model):
    """Never loaded: judging needs no model."""

    type: Literal["any"] = "any"
    flavour: str = "student"

    def load(self, base: Path) -> ForceField:
        raise AssertionError("judging must not load a model")


class AnySystem(SystemSource):
    """Never built: judging needs no structure."""

    type: Literal["any"] = "any"

    def build(self, name: str, base: Path) -> Structure:
        raise AssertionError("judging must not build a system")


class AnyIntegrator(Integrator):
    """Never stepped: judging needs no dynamics."""

    type: Literal["any"] = "any"

    def step(self, state: Any, update_forces: Any, streams: Any) -> None:
        raise AssertionError("judging must not step")


POOLS = ("mean", "rms", "total", "proportion", "max", "same")


class Level(Metric):
    """Gives the mean of `signal`, pooled in every way; and by element where the run names elements."""

    type: Literal["level"] = "level"
    needs: ClassVar = frozenset({"signal"})
    quantities: ClassVar = {name: Quantity("eV", f"signal, {name}", name) for name in POOLS} | {
        "by_element": Quantity("eV", "signal by element"),
        "fixed": Quantity("eV", "signal, the same in every replica", deterministic=True),
    }

    def measure(self, run: xr.Dataset) -> Values:
        value = float(run["signal"].values.mean())
        if value == 99:
            raise NotMeasurable("99 is no number")
        if value == 98:
            raise ZeroDivisionError("a fault of the metric")
        found: dict[str, Any] = dict.fromkeys((*POOLS, "fixed"), value)
        elements = str(run.attrs.get("elements", "")).split()
        if elements:
            values = [value + k for k in range(len(elements))]
            found["by_element"] = xr.DataArray(values, {"element": elements}, dims="element")
        return found


class Difference(ComparisonMetric):
    """Model's minus the reference's signal."""

    type: Literal["difference"] = "difference"
    needs: ClassVar = frozenset({"signal"})
    quantities: ClassVar = {"signed": Quantity("eV", "difference")}

    def compare(self, run: xr.Dataset, reference: xr.Dataset) -> Values:
        return {"signed": float(run["signal"].mean() - reference["signal"].mean())}


class Examined(ProbeMetric):
    """Gives what the probe stored."""

    type: Literal["examined"] = "examined"
    needs: ClassVar = frozenset({"found"})
    quantities: ClassVar = {"found": Quantity("ms", "what the probe found", "max")}

    def probe(self, subject: Subject) -> xr.Dataset:
        raise AssertionError("judging must not probe")

    def measure(self, run: xr.Dataset) -> Values:
        return {"found": float(run["found"])}


SIMULATION = {"integrator": AnyIntegrator(), "timestep_fs": 1.0, "duration_ps": 1.0, "temperatures_K": [100, 300]}


@dataclass
class World:
    """A protocol, its planned runs and probes, and a results folder that the test fills."""

    folder: ResultsFolder
    criteria: Mapping[str, Mapping[str, Any]]
    replicas: int = 4
    extra: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Metric] = field(
        default_factory=lambda: {"level": Level(), "difference": Difference(), "examined": Examined()}
    )
    identity: str = ""
    reference: str = ""
    """Flavour of the reference, which then runs too; none by default. The model's flavour is `student`."""

    @property
    def protocol(self) -> Protocol:
        simulation = SIMULATION | {"replicas": self.replicas, "reference_trajectory": bool(self.reference)}
        plain: dict[str, Any] = {
            "mdprotocol": 1,
            "name": "world",
            "models": {"student": AnyModel()},
            "systems": {"water": AnySystem(), "methane": AnySystem()},
            "simulations": {"nve": simulation},
            "criteria": self.criteria,
            "reference": AnyModel(flavour=self.reference) if self.reference else None,
        }
        return Protocol.model_validate(plain | dict(self.extra))

    @property
    def runs(self) -> list[Run]:
        return list(expand_runs(self.protocol))

    @property
    def probes(self) -> list[Probe]:
        examined = Examined()
        return [
            Probe(model, system, "examined", examined, 1, (1,), self.identity)
            for model in self.protocol.models
            for system in self.protocol.systems
        ]

    def fill(self, value: Callable[[Run], float | None], **attrs: Any) -> World:
        """Write every run whose signal is not None."""
        for run in self.runs:
            signal = value(run)
            if signal is not None:
                self.write(run, signal, **attrs)
        return self

    def write(self, run: Run, signal: float, **attrs: Any) -> None:
        """Write one run with a constant signal."""
        facts = {
            "model": run.model, "system": run.system, "simulation": run.simulation, "temperature_K": run.temperature_K,
            "replica": run.replica, "seed": str(run.seed), "settings": json.dumps(settings_facts(run.settings)),
            "outcome": "completed", "failure_kind": "", "failure_time_fs": -1.0, "identity": "ab" * 32,
        }  # fmt: skip
        variables = {"signal": ("frame", np.full(3, float(signal)), {"units": "eV"})}
        self.folder.write_dataset(run.path, xr.Dataset(variables, attrs=facts | attrs))

    def write_probe(self, probe: Probe, found: float, **attrs: Any) -> None:
        """Write one probe."""
        variables = {"found": ((), float(found), {"units": "ms"})}
        self.folder.write_dataset(probe.path, xr.Dataset(variables, attrs={"identity": "cd" * 32} | attrs))

    @property
    def study(self) -> Study:
        return Study(self.protocol, self.metrics, tuple(self.runs), tuple(self.probes))

    def measure(self) -> Measurements:
        return measure(self.study, self.folder)

    def dataset(self, found: Measurements | None = None) -> xr.Dataset:
        """Measurements as they are stored."""
        return to_dataset(found or self.measure(), self.study)

    def judge(self, measurements: Measurements | None = None) -> ModelVerdict:
        """The verdict on the one model."""
        found = measurements or self.measure()
        (verdict,) = judge_models(self.study, found)
        return verdict


@pytest.fixture(autouse=True)
def _no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests do not pull the plug; waiting for the disk would be most of their time."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


@pytest.fixture
def world(tmp_path: Path) -> Callable[..., World]:
    """Make a world: `world({"name": {"level": "must", "metric": "level.mean", "max": 1}}, replicas=4, ...)`."""

    def make(criteria: Mapping[str, Mapping[str, Any]] | None = None, **options: Any) -> World:
        chosen = criteria or {"low": {"level": "must", "metric": "level.mean", "max": 1}}
        return World(ResultsFolder(tmp_path / "results"), chosen, **options)

    return make


@pytest.fixture
def spread() -> Callable[..., Callable[[Run], float]]:
    """Signals `centre + width × (replica pattern with mean 0)`."""

    def make(centre: float, width: float, pattern: Sequence[float] = (-1, 1, -0.5, 0.5)) -> Callable[[Run], float]:
        return lambda run: centre + width * pattern[run.replica % len(pattern)]

    return make
