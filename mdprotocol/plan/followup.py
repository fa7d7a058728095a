"""A follow-up as data: what is calculated for a model that failed, and how its rows are called. Nothing is done here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mdprotocol.contracts import Metric, Model, ProbeMetric, Structure
from mdprotocol.plan.types import Run

PROBE, AS_RUN, HALF_STEP, DOUBLE = "probe", "as run", "half time step", "float64"
"""What a row comes from: a probe of the potential, or the failing run again, as it was or with one thing changed."""
TRIPPED = "tripped"
"""Quantity of a rerun: 1 where what the guards watch happened, else 0."""


@dataclass(frozen=True)
class Rerun:
    """A failing run, and the quantities of failed criteria that are measured on it again.

    Attributes:
        criteria: names of the criteria of which it is the worst run.
        quantities: `metric.quantity` -> the metric.
    """

    run: Run
    criteria: tuple[str, ...]
    quantities: Mapping[str, Metric]


@dataclass(frozen=True)
class FollowUp:
    """What is calculated for one model.

    Attributes:
        structures: by system; those with the clearest failures first.
        probes: by name, all of them on every system while there is time.
        subject: what this belongs to, as JSON: runs by path with their identities, criteria, probes.
        quick: without the reruns in float64, which take longest.
        done: by system and type, paths of probes that are finished with the options that stand in `probes`.
        seconds: no calculation is begun after so much time of the processor: a busy machine tells no less than an idle one.
    """

    model: str
    component: Model
    base: str
    structures: Mapping[str, Structure]
    probes: Mapping[str, ProbeMetric]
    reruns: tuple[Rerun, ...]
    seed: int
    subject: str
    seconds: float = 15.0
    quick: bool = False
    done: Mapping[tuple[str, str], str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return f"diagnosis/{self.model}.nc"
