"""What happens while tasks run, as picklable facts for whoever watches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mdprotocol.contracts import TaskFailure


@dataclass(frozen=True)
class Event:
    """Base of all events; `label` names the task: model, system, simulation."""

    label: str


@dataclass(frozen=True)
class BatchStarted(Event):
    """A batch begins: its runs, atoms, and the steps before it (equilibration included)."""

    runs: int
    atoms: int
    steps: int
    timestep_fs: float


@dataclass(frozen=True)
class Progress(Event):
    """A batch goes on. `drift` is the live drift in meV/atom/ps (NaN before the second frame)."""

    step: int
    steps: int
    alive: int
    seconds: float
    ns_per_day: float
    drift: float
    temperature_K: float


@dataclass(frozen=True)
class RunFailed(Event):
    """A run has left its batch."""

    run: str
    kind: str
    detail: str


@dataclass(frozen=True)
class BatchFinished(Event):
    """All runs of a batch are on disk."""

    runs: int
    failed: int
    seconds: float


@dataclass(frozen=True)
class ProbeStarted(Event):
    """A probe begins."""


@dataclass(frozen=True)
class ProbeFinished(Event):
    """A probe is on disk; `problem` says why it is not, where it is not."""

    problem: str = ""


@dataclass(frozen=True)
class Notice(Event):
    """Something the user should know: a fallback, a stand-in."""

    text: str


@dataclass(frozen=True)
class TaskFailed(Event):
    """A task ended without its results; its runs are missing and the verdict will say so."""

    detail: str

    @classmethod
    def of(cls, failure: TaskFailure) -> TaskFailed:
        return cls("task", str(failure))
