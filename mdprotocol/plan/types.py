"""A plan as data: runs, the batches that step together, probes, and what each criterion is measured from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from mdprotocol.contracts import Dynamics, Integrator, Model, ProbeMetric, Structure
from mdprotocol.protocol.schema import Equilibration, Guards
from mdprotocol.units import FS_PER_PS

if TYPE_CHECKING:
    from mdprotocol.plan.study import Study

Coordinate = str | float


@dataclass(frozen=True)
class RunSettings:
    """What a batch of runs has in common: everything of a simulation but temperature and replica, in whole steps."""

    integrator: Integrator
    timestep_fs: float
    steps: int
    record_every: int
    """Steps between frames; the frame of step 0 is always there."""
    reference_every: int
    """Frames between two labels; 0 for none."""
    guard_every: int
    guards: Guards
    equilibration: Equilibration | None


class Condition(NamedTuple):
    """What the replicas of a run have in common, whatever the model; of a probe, the system alone."""

    system: str
    simulation: str | None = None
    temperature: float | None = None
    """K."""

    @property
    def coordinates(self) -> dict[str, Coordinate]:
        """The coordinates that there are, by dim name."""
        return {dim: value for dim, value in self._asdict().items() if value not in (None, "")}


@dataclass(frozen=True)
class Run:
    """One model × system × simulation × temperature × replica."""

    model: str
    system: str
    simulation: str
    temperature_K: float
    replica: int
    seed: int
    settings: RunSettings
    identity: str
    """SHA-256 over everything that determines the run's dataset."""
    model_digest: str = ""
    """SHA-256 over what the model is made from: files, code, versions, options."""
    stage: int = 0
    """0 as planned; k where the simulation's k-th addition brought it. It steps with runs of its own stage only."""
    base_simulation: str = ""
    """Name of the simulation in the protocol, before a list of time steps was expanded; `simulation` where not given."""

    def __post_init__(self) -> None:
        if not self.base_simulation:
            object.__setattr__(self, "base_simulation", self.simulation)

    @property
    def condition(self) -> Condition:
        return Condition(self.system, self.simulation, float(self.temperature_K))

    @property
    def coordinates(self) -> dict[str, Coordinate]:
        """Coordinates by dim name, the model in front; replicas of a condition have the same."""
        return {"model": self.model, **self.condition.coordinates}

    @property
    def length_ps(self) -> float:
        """Planned length, equilibration apart."""
        return self.settings.steps * self.settings.timestep_fs / FS_PER_PS

    @property
    def id(self) -> str:
        """Relative path in the results folder, without suffix: runs/<model>/<system>/<simulation>/T300K_r0."""
        return f"runs/{self.model}/{self.system}/{self.simulation}/T{self.temperature_K:g}K_r{self.replica}"

    @property
    def path(self) -> str:
        return self.id + ".nc"


@dataclass(frozen=True)
class Probe:
    """One probe metric on one model × system."""

    model: str
    system: str
    metric: str
    component: ProbeMetric
    seed: int
    batch_sizes: tuple[int, ...]
    identity: str
    model_digest: str = ""
    dynamics: tuple[Dynamics, ...] = ()
    """How the protocol moves the system; empty unless the metric says `needs_dynamics`."""

    @property
    def condition(self) -> Condition:
        return Condition(self.system)

    @property
    def coordinates(self) -> dict[str, Coordinate]:
        """Coordinates by dim name, the model in front."""
        return {"model": self.model, **self.condition.coordinates}

    @property
    def id(self) -> str:
        return probe_id(self.model, self.system, self.metric)

    @property
    def path(self) -> str:
        return self.id + ".nc"


def probe_id(model: str, system: str, metric: str) -> str:
    """Relative path in the results folder, without suffix."""
    return f"probes/{model}/{system}/{metric}"


@dataclass(frozen=True)
class Batch:
    """Runs of one model and one RunSettings that step together (one or several systems). Fixed at planning."""

    model: str
    component: Model
    reference: Model | None
    settings: RunSettings
    runs: tuple[Run, ...]
    structures: Mapping[str, Structure]
    base: str
    """Folder of the protocol, for relative paths."""
    reference_digest: str = ""
    """SHA-256 over what the reference is made from."""

    @property
    def key(self) -> str:
        """Name of its work folder: a digest of which runs step together, in which order. Two batches never share one."""
        text = " ".join(f"{run.id} {run.identity}" for run in self.runs)
        return f"{self.model}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


@dataclass(frozen=True)
class ProbeBatch:
    """Probes of one model, done one after the other in one task (timing must not compete with itself)."""

    model: str
    component: Model
    probes: tuple[Probe, ...]
    structures: Mapping[str, Structure]
    base: str
    reference: Model | None = None
    """Where a probe says `needs_reference`."""
    reference_digest: str = ""


@dataclass(frozen=True)
class CriterionSource:
    """What a criterion will be measured from."""

    criterion: str
    quantity: str
    units: str
    runs: Mapping[str, tuple[str, ...]]
    """Model -> ids of the runs (or probes)."""


@dataclass(frozen=True)
class Plan:
    """Everything that will be done, known before the first step."""

    study: Study
    batches: tuple[Batch, ...]
    probe_batches: tuple[ProbeBatch, ...]
    structures: Mapping[str, Structure]
    sources: tuple[CriterionSource, ...]
    warnings: tuple[str, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def runs(self) -> tuple[Run, ...]:
        return self.study.runs

    @property
    def probes(self) -> tuple[Probe, ...]:
        return self.study.probes

    @property
    def atom_steps(self) -> int:
        """Atoms × steps over all runs, equilibration included: what the time estimate is made of."""
        return sum(len(self.structures[r.system]) * total_steps(r.settings) for r in self.runs)


def total_steps(settings: RunSettings) -> int:
    """Steps of a run, equilibration included."""
    stage = settings.equilibration
    return settings.steps + (round(stage.duration_ps * 1000 / stage.timestep_fs) if stage else 0)
