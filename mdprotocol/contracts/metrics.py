"""Metrics: numbers from the dataset of one run, of two, or from a short calculation on the model itself."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np

from mdprotocol.contracts.base import Component
from mdprotocol.contracts.integrators import Integrator
from mdprotocol.contracts.models import ForceField
from mdprotocol.contracts.properties import Property, Sign
from mdprotocol.contracts.roles import Role
from mdprotocol.contracts.structures import Structure
from mdprotocol.errors import NotMeasurable

if TYPE_CHECKING:
    import xarray as xr


Pool = Literal["mean", "rms", "max", "min", "total", "proportion", "same"]
"""How replicas become one value: mean or root mean square (t interval), total (an exact count), proportion of runs
(exact binomial), max or min (an extreme, no interval), same (identical by nature, such as a number of parameters)."""


@dataclass(frozen=True)
class Quantity:
    """What a metric measures: its units, meaning and how replicas are pooled."""

    units: str
    long_name: str
    pool: Pool = "mean"
    over_time: Literal["", "average", "slope"] = ""
    """How longer runs sharpen it, for the advice where a verdict is open: an average over the run, a slope in time, or
    not at all (or not known)."""
    positive: bool = False
    """A size, which cannot be negative whatever the model: its interval ends above zero (see assess/statistics)."""
    beside: tuple[str, ...] = ()
    """It can be fooled alone: no model is approved by it unless one of these quantities of the metric is judged beside it."""
    deterministic: bool = False
    """The same in every replica of a condition by its nature, whatever the model: only then is a value without scatter
    known. Of any other quantity identical samples say nothing about the scatter, and leave a verdict open."""
    role: Role | None = None
    """What it is a measure of, where a report shows it beside others; None where it stands in the full tables only."""
    asks: Literal["", "kernel", "parameters"] = ""
    """What it asks of a model that not every one has (`Model.lacks`): a base's criterion applies where one has it."""


Values = Mapping[str, "float | xr.DataArray"]
"""Quantity name -> value; a DataArray adds dims (element, time bin) with coords. NaN is refused: raise NotMeasurable."""


class Metric(Component):
    """Base of metrics on trajectories: numbers from the dataset of one run; replicas are pooled by the judge."""

    quantities: ClassVar[Mapping[str, Quantity]]
    needs: ClassVar[frozenset[str]] = frozenset()
    """Dataset variables without which it is NOT MEASURED."""
    measures_failed: ClassVar[bool] = True
    """Whether the frames of a failed run up to its failure mean something to it; if not, it is never asked about one."""
    tests: ClassVar[frozenset[Property]] = frozenset()
    """Properties that it tests: it should see every fault that breaks one of them, and a diagnosis knows what moves it."""
    signs: ClassVar[tuple[Sign, ...]] = ()
    """Numbers by which it recognises a broken property. A diagnosis looks at them, and calculates a probe that has some."""

    def inapplicable(self, quantity: str, structure: Structure) -> str:
        """Why a quantity says nothing of a structure, whatever the model; empty where it applies.

        A base's criterion is judged on those of its child's systems to which it applies: "a periodic system does not turn".
        """
        return ""

    @abstractmethod
    def measure(self, run: xr.Dataset) -> Values:
        """Measure one run (dims `frame, atom, xyz`; variables in `mdprotocol.variables`; settings in `attrs`).

        A failed run has its frames up to the failure.

        Raises:
            NotMeasurable: this run cannot be measured, with the reason.
        """


class ComparisonMetric(Metric):
    """Base of metrics that compare a model's trajectory with the reference's own (`reference_trajectory: true`)."""

    def measure(self, run: xr.Dataset) -> Values:
        raise TypeError(f"{self.type} compares two runs; call compare(run, reference)")

    @abstractmethod
    def compare(self, run: xr.Dataset, reference: xr.Dataset) -> Values:
        """Measure one run against the reference's run of the same system, simulation, temperature, replica and seed.

        Raises:
            NotMeasurable: as in `Metric.measure`.
        """


class ReplicaComparison(ComparisonMetric):
    """Base of comparisons that need the reference's other replicas too, as the yardstick of what a difference means."""

    def compare(self, run: xr.Dataset, reference: xr.Dataset) -> Values:
        return self.compare_replicas(run, reference, ())

    @abstractmethod
    def compare_replicas(self, run: xr.Dataset, reference: xr.Dataset, others: Sequence[xr.Dataset]) -> Values:
        """As `compare`, given also the reference's completed runs of the same system, simulation and temperature.

        Args:
            others: the reference's replicas of every other seed; empty where there is one replica.
        """


@dataclass(frozen=True)
class Dynamics:
    """How one simulation of the protocol moves a system."""

    simulation: str
    integrator: Integrator
    timestep_fs: float
    temperatures_K: tuple[float, ...]

    @property
    def middle_temperature_K(self) -> float:
        """The middle one of its temperatures; the lower of two."""
        return sorted(self.temperatures_K)[(len(self.temperatures_K) - 1) // 2]


class Propagate(Protocol):
    """Short dynamics of the subject; its docstring is that of `mdprotocol.engine.propagate.propagate`."""

    def __call__(
        self,
        integrator: Integrator,
        timestep_fs: float,
        steps: int,
        *,
        temperature_K: float = 300.0,
        seed: int = 0,
        record_every: int = 1,
        positions: np.ndarray | None = None,
        velocities: np.ndarray | None = None,
    ) -> xr.Dataset: ...


def _without_engine(*args: Any, **options: Any) -> xr.Dataset:
    raise NotMeasurable(
        "this subject was made without an engine; mdprotocol.testing.subjects.make_subject gives it one"
    )


@dataclass(frozen=True)
class Subject:
    """What a probe examines: a loaded model on one system.

    Attributes:
        batch_sizes: batch sizes that the protocol's runs use for this system, smallest first.
        reference: the teacher; None where the protocol has none, or the probe does not say `needs_reference`.
        dynamics: how the protocol's simulations move this system; empty unless the probe says `needs_dynamics`.
        propagate: short dynamics of the model on this system, as a dataset in the layout of a run.
    """

    force_field: ForceField
    structure: Structure
    seed: int
    batch_sizes: tuple[int, ...] = (1,)
    reference: ForceField | None = None
    dynamics: tuple[Dynamics, ...] = ()
    propagate: Propagate = _without_engine


class ProbeMetric(Metric):
    """Base of metrics that need the model itself and no trajectory (timing, symmetry, parameters).

    What a probe says it needs is given to it in the `Subject`, and enters its identity: it is done again when that changes.
    """

    needs_reference: ClassVar[bool] = False
    needs_dynamics: ClassVar[bool] = False
    alone: ClassVar[bool] = False
    """It measures time or memory: nothing may run beside it."""

    @abstractmethod
    def probe(self, subject: Subject) -> xr.Dataset:
        """Do the calculation; the dataset is stored, and `measure` is given it back when judging (no torch there).

        Raises:
            NotMeasurable, NoAnswer, StructureError: there is no answer; the reason is stored in place of a dataset
                and becomes NOT MEASURED, and `measure` is not called.
        """
