"""The protocol as data: what may stand in the YAML file, with units in the names and bounds on every number.

`Protocol` is typed by the contracts (`Integrator`, `Metric`, ...); `protocol.typed` builds the subclass in which each
of them is the union of the registered plugins, so that YAML validates straight into components.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, model_validator

from mdprotocol.contracts import Executor, Integrator, Metric, Model, Reporter, SystemSource
from mdprotocol.verdicts import Level

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
"""Names become folder and file names, so they are slugs."""
Positive = Annotated[float, Field(gt=0)]
Temperature = Annotated[float, Field(gt=0, le=20_000)]
Timestep = Annotated[float, Field(ge=1e-4, le=20)]
"""fs; with the bounds of the others below, no number of steps is too large to count."""
Interval = Annotated[float, Field(gt=0, le=1e10)]
Duration = Annotated[float, Field(gt=0, le=1e7)]
"""ps; ten microseconds are beyond any acceptance test, and beyond any disk."""

REFERENCE = "reference"
"""Name under which the reference's own runs are stored; no model may take it."""

MOST_LOOKS = 3
"""Looks at results while replicas are added: each costs confidence, and the third rarely still pays."""

DIMS = ("system", "simulation", "temperature")
"""Coordinates of a measurement that a criterion can select (`where`) and group by (`per`)."""


class Section(BaseModel):
    """Base of all parts of a protocol: immutable, unknown keys refused."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


class Guards(Section):
    """What ends a run early, as a failure with its cause."""

    max_temperature_factor: Annotated[float, Field(gt=1)] = 5.0
    """Runaway: kinetic temperature above this multiple of the target plus `max_temperature_offset_K`, and above what a
    molecule of few degrees of freedom reaches by chance in equilibrium (once in 10^9 draws)."""
    max_temperature_offset_K: Annotated[float, Field(ge=0)] = 500.0
    bond_stretch: Annotated[float, Field(gt=1)] | None = 1.8
    """Broken bond: an initial bond longer than this multiple of its initial length; null switches it off."""
    new_bond: Annotated[float, Field(gt=0, le=1.2)] | None = 0.85
    """New bond: two atoms not bonded at the start closer than this multiple of the sum of their covalent radii."""
    check_every_fs: Interval = 5.0


class Equilibration(Section):
    """A thermostatted stage before production; its frames are not kept."""

    integrator: SerializeAsAny[Integrator] | None = None
    """Langevin with a friction of 10/ps where none is given."""
    duration_ps: Duration = 1.0
    timestep_fs: Timestep = 0.5


class Addition(Section):
    """Replicas beyond the planned ones, for some of a simulation's runs: what `run --until-decided` adds, a look at a time.

    They step in batches of their own, so that finished runs stay as they are; replica k has the same seed however many
    there are. Where the reference runs its own trajectories, it runs these too.
    """

    replicas: Annotated[int, Field(ge=1, le=10_000)]
    """Replicas in all, the planned ones and earlier additions included."""
    models: list[Name] | None = None
    systems: list[Name] | None = None
    temperatures_K: list[Temperature] | None = None
    timesteps_fs: list[Timestep] | None = None
    """Which runs; all of the simulation's where absent."""
    look: Annotated[int, Field(ge=1)] = 1
    """After which look at the results they were added."""
    why: str = ""


class Simulation(Section):
    """Runs with one integrator: temperatures × replicas × time steps for each chosen system."""

    integrator: SerializeAsAny[Integrator]
    timestep_fs: Timestep | Annotated[list[Timestep], Field(min_length=1, max_length=32)]
    """One time step, or a list: each becomes a simulation of its own, named `<name>_<dt>fs`."""
    duration_ps: Duration
    temperatures_K: Annotated[list[Temperature], Field(min_length=1, max_length=64)]
    replicas: Annotated[int, Field(ge=1, le=10_000)] = 4
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] | None = None
    """One seed a replica; derived from the protocol's seed where absent, and for replicas that are added."""
    systems: list[Name] | None = None
    """Names of systems; all where absent."""
    models: list[Name] | None = None
    """Names of models; all where absent."""
    equilibration: Equilibration | None = None
    record_every_fs: Interval = 10.0
    reference_every_fs: Interval | None = 100.0
    """Frames given to the reference; null for none. Rounded to a multiple of `record_every_fs`."""
    reference_trajectory: bool = False
    """Run the reference too, with the same seeds, as the model named `reference`: for comparison metrics."""
    guards: Guards = Guards()
    additions: list[Addition] = []
    """Replicas added after a look at the results; `run --until-decided` writes them into the resolved protocol."""

    @model_validator(mode="after")
    def _seeds_fit(self) -> Simulation:
        if self.seeds is not None and len(self.seeds) != self.replicas:
            raise ValueError(f"seeds has {len(self.seeds)} entries for {self.replicas} replicas; give one a replica")
        return self


class Criterion(Section):
    """A bound on a measured quantity.

    It is judged in every condition that `per` spans and `where` keeps; replicas are the independent units of a condition, and
    the criterion's outcome is that of its worst one.
    """

    level: Level
    metric: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_]+$")]
    """`<metric>.<quantity>`; the metric is a key of `metrics:` or the type of a registered metric."""
    max: float | None = None
    min: float | None = None
    units: str | None = None
    """If given, it must be the quantity's unit: a guard against bounds in the wrong unit."""
    where: dict[Literal["system", "simulation", "temperature"], str | float | list[str | float]] = {}
    """Coordinates to keep; a simulation with a list of time steps may be named by its own name or an expanded one."""
    per: list[Literal["system", "simulation", "temperature"]] = ["system", "simulation", "temperature"]
    """Dims that span the conditions; over the dims left out, values are pooled like replicas."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    description: str = ""

    @model_validator(mode="after")
    def _bounded(self) -> Criterion:
        if self.max is None and self.min is None:
            raise ValueError("a criterion needs `max`, `min` or both")
        if self.max is not None and self.min is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}")
        return self


class FailedRuns(Section):
    """How many failed runs a verdict may overlook, of those that `must` criteria draw on; without it, none."""

    max: Annotated[int, Field(ge=1)]
    """Of one model, over all of its `must` criteria together."""
    reason: Annotated[str, Field(pattern=r"\S")]
    """Why they say nothing against a model; the first sentence of the verdict quotes it."""


class RecommendedUse(Section):
    """A use granted to a model when everything it requires has passed, or a warning given when something failed."""

    use: str
    requires: list[str] = []
    """Criteria by name, or `must`, `should`, `nice` for all criteria of that level: all must have passed."""
    if_failed: list[str] = []
    """Makes it a warning ("not for MD"), given where at least one of these criteria or levels has failed."""
    text: str = ""

    @model_validator(mode="after")
    def _has_a_rule(self) -> RecommendedUse:
        if bool(self.requires) == bool(self.if_failed):
            raise ValueError("a use needs either `requires` (what must have passed) or `if_failed` (a warning)")
        return self


class Expectation(Section):
    """What was promised of one model against another: a ratio of a quantity, shown beside what was measured.

    It informs. What is to decide is a criterion's bound on the quantity itself.
    """

    metric: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_]+$")]
    """`<metric>.<quantity>`; measured because some criterion uses the metric."""
    of: Name
    to: Name
    """Models: the ratio is the quantity of `of` divided by that of `to`, a geometric mean over the systems of both."""
    min: Positive | None = None
    max: Positive | None = None
    description: str = ""

    @model_validator(mode="after")
    def _bounded(self) -> Expectation:
        if self.max is None and self.min is None:
            raise ValueError("an expectation needs `max`, `min` or both")
        if self.max is not None and self.min is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}")
        return self


class SelfTest(Section):
    """How `mdprotocol selftest` tries this protocol out: with the same metrics and bounds, on fewer and shorter runs."""

    changes: dict[Annotated[str, Field(pattern=r"^(simulations|metrics)\.[^=]+$")], Any] = {}
    """What is smaller in the self-test, by path: `simulations.nve.duration_ps: 1`. Bounds and models stay as they are;
    a path into a simulation or metric that the protocol does not have (any more) changes nothing."""
    without: list[str] = []
    """Criteria left out because they mean nothing here: trials beside each other share the machine (timings). Those of
    simulations that `changes` sets to null are left out by themselves."""
    power: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Share of the planted faults that must be caught, each by a criterion that should see it."""
    sound: Annotated[int, Field(ge=1, le=10_000)] = 20
    """Repetitions without a fault, each with other seeds: none may be rejected."""
    sizes: dict[str, Positive] = {}
    """Sizes of planted faults where they differ from the catalogue's."""


class LabelRules(Section):
    """When the reference's labels are enough to compare with; a comparison without enough is NOT MEASURED.

    A reference that gives no label fails where a geometry is strained: where the model's error is often largest.
    """

    max_failed_share: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of a run's planned labels that may have failed, or be missing."""
    least: Annotated[int, Field(ge=1)] = 2
    """Labels of a run below which nothing is compared with them."""


class Protocol(Section):
    """A protocol: models, systems, simulations, metrics and the criteria that decide, written down beforehand."""

    mdprotocol: Literal[1]
    """Version of this format."""
    name: Name
    description: str = ""
    extends: str | None = None
    """Another protocol that this one changes: mappings are merged, everything else replaced; null removes a key."""
    replaces: list[str] = []
    """Sections that this file replaces as a whole where it extends another: `[systems]`."""
    plugins: list[str] = []
    """Modules of installed plugins; others, and paths relative to this file, only with --allow-local-plugins."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    looks: Annotated[int, Field(ge=1, le=MOST_LOOKS)] = 1
    """How often the results may be looked at while replicas are added; each look judges at 1 - (1 - confidence)/looks.
    `run --until-decided` sets it."""
    models: Annotated[dict[Name, SerializeAsAny[Model]], Field(min_length=1)]
    reference: SerializeAsAny[Model] | None = None
    labels: LabelRules = LabelRules()
    """When the reference's labels are enough to compare with."""
    systems: Annotated[dict[Name, SerializeAsAny[SystemSource]], Field(min_length=1)]
    apart: list[Name] = []
    """Systems that no simulation runs, and no probe examines, unless it names them; `where: {system: "*"}` means all."""
    simulations: dict[Name, Simulation] = {}
    metrics: dict[Name, SerializeAsAny[Metric]] = {}
    """Metrics with options of their own; any registered metric can be used in a criterion without standing here."""
    criteria: Annotated[dict[Name, Criterion], Field(min_length=1)]
    failed_runs: FailedRuns | None = None
    """Failed runs that are tolerated. A model with more of them among the runs that `must` criteria draw on is REJECTED,
    whatever these criteria measured."""
    installation_check: bool = False
    """This protocol checks an installation and no model: it recommends nothing, whatever the verdict."""
    least_length_ps: Annotated[float, Field(ge=0, le=1e7)] = 5.0
    """A protocol whose longest run that a `must` criterion draws on is shorter recommends nothing."""
    expectations: dict[Name, Expectation] = {}
    dropped: dict[Name, str] = {}
    """Must criteria of a parent that were dropped or lowered, and how; filled in by the program."""
    left_out: dict[str, str] = {}
    """What a parent says of systems, simulations, a reference or models that are not here (`criteria.rotation`), and why it
    does not apply; filled in by the program."""
    recommendations: list[RecommendedUse] = []
    reports: list[SerializeAsAny[Reporter]] | None = None
    """Reporters; all registered ones with their defaults where absent."""
    executor: SerializeAsAny[Executor] | None = None
    """`processes` with one worker a core where absent."""
    selftest: SelfTest = SelfTest()

    def plain(self) -> dict[str, Any]:
        """The resolved protocol as plain data, every default written out."""
        return self.model_dump(mode="json")
