"""The contracts a plugin fulfils. A component is its own options: a frozen pydantic model with one verb.

    Model, Reference   load()            -> ForceField      energy and forces of a batch
    SystemSource       build()           -> Structure       one molecule or periodic structure
    Integrator         start(), step()                      advances a batch in place
    Metric             measure(run)      -> values          numbers from the dataset of one run
    ComparisonMetric   compare(run, ref) -> values          the same from a run and the reference's run of equal seed
    ReplicaComparison  compare_replicas(run, ref, others)   the same, with the reference's other replicas as yardstick
    ProbeMetric        probe(), measure()                   numbers from a short calculation on the model itself
    Reporter           render(report)    -> files           one kind of output
    Executor           execute(tasks)    -> results         where and how tasks run

A component's `type` is a `Literal` with its name in the protocol; field names carry their units (`timestep_fs`); the
first line of the docstring is its summary in `mdprotocol plugins` and in the JSON schema. Torch is imported by no
module here: judging and reporting work without it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from mdprotocol.errors import NotMeasurable, ReferenceFailure
from mdprotocol.verdicts import CriterionResult, Measurement, ModelVerdict

if TYPE_CHECKING:
    import torch
    import xarray as xr


class Component(BaseModel):
    """Base of all components: immutable, refuses unknown options, validates defaults."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    type: str

    @classmethod
    def type_name(cls) -> str:
        """Name of the component in a protocol: the default of its `type` field."""
        return str(cls.model_fields["type"].default)

    @classmethod
    def summary(cls) -> str:
        """First line of the docstring."""
        return (cls.__doc__ or "").strip().partition("\n")[0]


# --------------------------------------------------------------------------------------------------- structures


@dataclass(frozen=True)
class Structure:
    """A molecule or a periodic structure, before any dynamics.

    Attributes:
        name: name in the protocol.
        numbers: (n,) atomic numbers, int64.
        positions: (n, 3) Å, float64.
        masses: (n,) amu, float64.
        cell: (3, 3) Å, rows are cell vectors; zeros when open.
        pbc: (3,) bool.
        charge: total charge, e.
        provenance: where the geometry comes from (method, file, hash).
    """

    name: str
    numbers: np.ndarray
    positions: np.ndarray
    masses: np.ndarray
    cell: np.ndarray
    pbc: np.ndarray
    charge: int = 0
    provenance: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def periodic(self) -> bool:
        return bool(np.any(self.pbc))


@dataclass(frozen=True)
class Topology:
    """What stays the same while a batch moves: B copies of structures with N atoms in all, one after the other.

    Attributes:
        numbers: (N,) atomic numbers, int64.
        masses: (N,) amu.
        offsets: (B+1,) int64; the atoms of copy b are offsets[b]:offsets[b+1].
        cells: (B, 3, 3) Å; zeros when open.
        pbc: (B, 3) bool.
        charges: (B,) int64.
    """

    numbers: np.ndarray
    masses: np.ndarray
    offsets: np.ndarray
    cells: np.ndarray
    pbc: np.ndarray
    charges: np.ndarray

    @classmethod
    def of(cls, structures: Sequence[Structure]) -> Topology:
        """The batch made of these structures in this order."""
        counts = [len(s) for s in structures]
        return cls(
            numbers=np.concatenate([s.numbers for s in structures]).astype(np.int64),
            masses=np.concatenate([s.masses for s in structures]).astype(np.float64),
            offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            cells=np.stack([np.asarray(s.cell, dtype=np.float64) for s in structures]),
            pbc=np.stack([np.asarray(s.pbc, dtype=bool) for s in structures]),
            charges=np.array([s.charge for s in structures], dtype=np.int64),
        )

    @property
    def copies(self) -> int:
        return len(self.offsets) - 1

    @property
    def owner(self) -> np.ndarray:
        """(N,) index of the copy that each atom belongs to."""
        return np.repeat(np.arange(self.copies), np.diff(self.offsets))

    @property
    def periodic(self) -> bool:
        return bool(np.any(self.pbc))


class SystemSource(Component):
    """Base of systems: builds one structure."""

    @abstractmethod
    def build(self, name: str, base: Path) -> Structure:
        """Build the structure.

        Args:
            name: the system's name in the protocol.
            base: folder of the protocol, against which relative paths are read.

        Raises:
            StructureError: the structure cannot be built; the text says why.
        """

    def files(self, base: Path) -> tuple[Path, ...]:
        """Files that it is built from: options that name them are rewritten where a protocol moves to another folder."""
        return ()


# -------------------------------------------------------------------------------------------- models, references


@dataclass
class Evaluation:
    """Energies and forces of a batch.

    Attributes:
        energy: (B,) eV, float64.
        forces: (N, 3) eV/Å, float64.
        errors: reason by copy index, where the model gave no answer for a copy (its values are then NaN).
        stress: computes, when called, the stress (B, 3, 3) eV/Å³ at the same positions: dE/dstrain over the volume,
            positive where the cell wants to shrink; to be called before the positions tensor is changed. None where the
            model has none, or a copy is not periodic.
    """

    energy: torch.Tensor
    forces: torch.Tensor
    errors: dict[int, str] = field(default_factory=dict)
    stress: Callable[[], torch.Tensor] | None = None


Evaluator = Callable[["torch.Tensor"], Evaluation]
"""Positions (N, 3) Å float64 -> Evaluation. It may keep state between calls (neighbour lists, SCF guesses)."""


class ForceField(ABC):
    """A loaded model: gives evaluators for batches. One copy never influences another."""

    parameters: int = 0
    """Number of trainable parameters; 0 where the notion does not apply."""
    weights_bytes: int = 0
    """Memory of the parameters and buffers, bytes."""
    dtype: str = "float64"
    device: str = "cpu"
    """Where it computes. The engine keeps the moving state there, and evaluators answer where the positions are; between two
    looks of the guards or frames nothing should make the host wait for it."""
    kernel: str = "torch"
    """What evaluates it: torch, fused, ase, tblite, ..."""
    remembers: bool = False
    """Whether an answer may depend on earlier calls of an evaluator (a density carried over as the next guess). The
    engine then takes a new evaluator every few hundred steps, so that a run that was interrupted there is bitwise equal."""
    notices: tuple[str, ...] = ()
    """What the user should know about how it was loaded (a fallback, a stand-in): shown once and kept in provenance."""

    @abstractmethod
    def prepare(self, topology: Topology) -> Evaluator:
        """An evaluator for batches of this topology.

        Raises:
            StructureError: the model cannot treat it (unknown element, periodic system, charge).
        """

    def plain(self, dtype: str = "float64") -> ForceField | None:
        """The same model without its fast paths, in plain torch and this precision; None where there is nothing plainer.

        What a fast kernel is checked against, before it runs and on frames of every run; what a speed-up is measured over.
        """
        return None

    def calculator(self) -> Any:
        """A new ASE calculator where the model is one, else None: for loops that do without the batched contract."""
        return None

    def flops(self, structure: Structure) -> float | None:
        """Floating-point operations of one evaluation of this structure; None where nobody has counted them."""
        return None

    def evaluate(self, structure: Structure, positions: np.ndarray | None = None) -> tuple[float, np.ndarray]:
        """Energy (eV) and forces (n, 3) eV/Å of one structure, as numpy; for probes and tests.

        Raises:
            ReferenceFailure: the model gave no answer.
        """
        import torch

        where = structure.positions if positions is None else positions
        result = self.prepare(Topology.of([structure]))(torch.as_tensor(np.ascontiguousarray(where, dtype=np.float64)))
        if result.errors:
            raise ReferenceFailure("; ".join(result.errors.values()))
        return float(result.energy[0]), result.forces.detach().cpu().numpy()


class Model(Component):
    """Base of models: a force field under test."""

    @abstractmethod
    def load(self, base: Path) -> ForceField:
        """Load the force field; paths are relative to `base`, the folder of the protocol.

        Raises:
            CheckpointError: the checkpoint cannot be read or is not what it says.
        """

    def files(self, base: Path) -> tuple[Path, ...]:
        """Files that determine the model: they must exist, and their SHA-256 enters a run's identity.

        Options that name one of them, or a folder that holds some, are paths: they are rewritten where a protocol moves.
        """
        return ()

    def sources(self, base: Path) -> Mapping[str, Path]:
        """Files of other code that computes it, by names that do not depend on where they lie (`pack/module.py`).

        Their SHA-256 enters a run's identity, so that edited code is never taken for the code that was tested. Its own
        class need not be among them. `judge` and `check` ask too: nothing may be imported to find them.
        """
        return {}

    def packages(self) -> tuple[str, ...]:
        """Names of other packages that compute it (import names, or distributions): their versions enter a run's identity."""
        return ()

    def inspect(self, base: Path, structures: Sequence[Structure]) -> Iterator[str]:
        """What a look at the files tells before anything is loaded: why it cannot treat one of these structures.

        `check` and `run` ask before the first step, so that an unsound checkpoint or an unknown element costs seconds.
        Nothing by default; a model that can tell cheaply should.

        Raises:
            CheckpointError: a file is not what it says.
        """
        return iter(())


class Reference(Model):
    """Base of references: a teacher that forces, energies and trajectories are compared with."""


# ----------------------------------------------------------------------------------------------------- integrators


class RandomStreams(ABC):
    """One random generator per copy, so that a copy's noise never depends on its neighbours in the batch."""

    @abstractmethod
    def normal_atoms(self) -> torch.Tensor:
        """(N, 3) standard normal numbers."""

    @abstractmethod
    def normal(self, count: int) -> torch.Tensor:
        """(B, count) standard normal numbers."""

    @abstractmethod
    def gamma(self, shape: torch.Tensor) -> torch.Tensor:
        """(B,) numbers from Gamma(shape_b, 1)."""


@dataclass
class MDState:
    """The moving part of a batch; integrators change it in place. All tensors are float64, on the model's device.

    Attributes:
        positions (N, 3) Å; velocities (N, 3) Å/fs; forces (N, 3) eV/Å; energy (B,) eV (potential).
        masses: (N, 1) eV fs²/Å².
        owner: (N,) int64, copy of each atom.  copies: B.
        temperature: (B,) K, target.  dof: (B,) degrees of freedom.
        timestep: fs.
        bath_energy: (B,) eV that the thermostat has put into the copy; conserved = K + V - bath_energy.
        extra: an integrator's own variables (thermostat momenta, ...), each (B, ...).
    """

    MOVING: ClassVar[tuple[str, ...]] = ("positions", "velocities", "forces", "energy", "bath_energy")
    """What changes from step to step, with `extra`; all else is the same throughout a stage."""

    positions: torch.Tensor
    velocities: torch.Tensor
    forces: torch.Tensor
    energy: torch.Tensor
    masses: torch.Tensor
    owner: torch.Tensor
    copies: int
    temperature: torch.Tensor
    dof: torch.Tensor
    timestep: float
    bath_energy: torch.Tensor
    extra: dict[str, torch.Tensor] = field(default_factory=dict)

    def copy(self) -> MDState:
        """A copy of all that moves, where it is; what is the same at every step is shared."""
        tensors = {name: getattr(self, name).clone() for name in self.MOVING}
        return replace(self, **tensors, extra={name: value.clone() for name, value in self.extra.items()})

    def on_host(self) -> MDState:
        """This state in the memory of the CPU: itself where it is there already. A GPU is waited for."""
        if self.positions.device.type == "cpu":
            return self
        tensors = {f.name: getattr(self, f.name).cpu() for f in fields(self) if f.type == "torch.Tensor"}
        return replace(self, **tensors, extra={name: value.cpu() for name, value in self.extra.items()})

    def kinetic_energy(self) -> torch.Tensor:
        """(B,) eV: sum over the atoms of a copy of m v²/2."""
        per_atom = 0.5 * (self.masses * self.velocities**2).sum(dim=1)
        return per_atom.new_zeros(self.copies).index_add(0, self.owner, per_atom)


class Integrator(Component):
    """Base of integrators: advances every copy of a batch by one step."""

    thermostatted: ClassVar[bool] = False
    conserves_momentum: ClassVar[bool] = True
    """Whether momentum (and, in an open system, angular momentum) stays; if not, all 3N degrees of freedom are free."""
    conserves: ClassVar[str] = "total energy K + V"
    """The conserved quantity in words; its value is K + V - bath_energy."""

    def start(self, state: MDState, streams: RandomStreams) -> None:
        """Set up `state.extra`; called once, with forces and energy up to date. Nothing by default."""

    @abstractmethod
    def step(self, state: MDState, update_forces: Callable[[], None], streams: RandomStreams) -> None:
        """Advance by `state.timestep`; call `update_forces()` after each change of the positions that needs forces."""


# --------------------------------------------------------------------------------------------------------- metrics

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


Values = Mapping[str, "float | xr.DataArray"]
"""Quantity name -> value; a DataArray adds dims (element, time bin) with coords. NaN is refused: raise NotMeasurable."""


class Metric(Component):
    """Base of metrics on trajectories: numbers from the dataset of one run; replicas are pooled by the judge."""

    quantities: ClassVar[Mapping[str, Quantity]]
    needs: ClassVar[frozenset[str]] = frozenset()
    """Dataset variables without which it is NOT MEASURED."""

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
        """Do the calculation; the dataset is stored, and `measure` is given it back when judging (no torch there)."""


# --------------------------------------------------------------------------------------------- reports, execution


@dataclass(frozen=True)
class RunRow:
    """One run in a report's table of runs."""

    run: str
    model: str
    system: str
    simulation: str
    temperature_K: float
    replica: int
    outcome: str
    failure: str = ""
    time_ps: float = math.nan
    """How long it ran: until its failure, or to its end; NaN where it is missing."""


@dataclass(frozen=True)
class Figure:
    """One figure of a report.

    Attributes:
        path: relative path in the results folder, `figures/<name>.png`.
        title, caption: one line; what to look for.
        png: the picture; empty where there was nothing to draw.
        missing: why there is no picture, else empty.
        model: the model it shows; empty where it shows all.
    """

    path: str
    title: str
    caption: str
    png: bytes = b""
    missing: str = ""
    model: str = ""


@dataclass(frozen=True)
class Report:
    """All that a reporter may show. Nothing is computed from it but layout."""

    name: str
    description: str
    verdicts: Sequence[ModelVerdict]
    measurements: Sequence[Measurement]
    runs: Sequence[RunRow]
    protocol: Mapping[str, Any]
    """The resolved protocol as plain data."""
    provenance: Mapping[str, Any]
    open_run: Callable[[str], xr.Dataset]
    """Run id -> its dataset (lazy)."""
    command: str = ""
    """Command that reproduces the results."""
    figures: Callable[[], Sequence[Figure]] = tuple
    """Draws all figures; once, however many reporters ask."""

    def criteria(self) -> Iterator[tuple[ModelVerdict, CriterionResult]]:
        """Every criterion of every model."""
        for verdict in self.verdicts:
            for criterion in verdict.criteria:
                yield verdict, criterion


class Reporter(Component):
    """Base of reporters: writes one kind of output into the results folder."""

    @abstractmethod
    def render(self, report: Report) -> Mapping[str, bytes]:
        """Relative path -> content of each file; the caller writes them atomically."""


Task = TypeVar("Task")
Result = TypeVar("Result")


class Staff(Protocol):
    """Workers that stay; see `Executor.staff`."""

    def execute(
        self, work: Callable[[Any, Callable[[Any], None]], Any], tasks: Sequence[Any], on_event: Callable[[Any], None]
    ) -> Iterator[Any]:
        """As `Executor.execute`."""


class Executor(Component):
    """Base of executors: runs independent tasks, in any order, with a determinate result each."""

    @abstractmethod
    def execute(
        self,
        work: Callable[[Task, Callable[[Any], None]], Result],
        tasks: Sequence[Task],
        on_event: Callable[[Any], None],
        setup: Callable[[], None],
    ) -> Iterator[Result | BaseException]:
        """Run `work(task, emit)` for every task; yield each result as it comes, or the exception that ended it.

        The exception says which task it ended by its attribute `task`, the place among `tasks` from 0.

        Args:
            work: a picklable function; `emit(event)` sends picklable progress events to `on_event` in the caller.
            setup: a picklable function called once in every worker before its first task.
        """

    def staff(self, setup: Callable[[], None], most: int) -> AbstractContextManager[Staff | None]:
        """Workers that stay for several calls, set up and waiting when the context begins; None where none are kept.

        Args:
            setup: as for `execute`.
            most: more would have nothing to do.
        """
        return nullcontext()
