"""The study: a protocol with all that follows from it, derived once. What comes after planning works from it alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from mdprotocol.contracts import Metric, ProbeMetric
from mdprotocol.errors import UsageError
from mdprotocol.plan.conditions import CriterionCondition, conditions, members_of
from mdprotocol.plan.expand import expand_probes, expand_runs
from mdprotocol.plan.findings import Findings
from mdprotocol.plan.itself import left_out
from mdprotocol.plan.metrics import metrics_of, split_quantity
from mdprotocol.plan.select import select
from mdprotocol.plan.types import Probe, Run
from mdprotocol.protocol.schema import Protocol
from mdprotocol.registry import Registry
from mdprotocol.verdicts import Level


@dataclass(frozen=True)
class Study:
    """What `check` prints, the engine runs, the judge judges and a report shows.

    Attributes:
        metrics: by their name in the protocol.
        runs: of all models, and the reference's own.
        probes: of all models.
    """

    protocol: Protocol
    metrics: Mapping[str, Metric]
    runs: tuple[Run, ...]
    probes: tuple[Probe, ...]

    @property
    def items(self) -> tuple[Run | Probe, ...]:
        """Everything that is computed, runs first."""
        return (*self.runs, *self.probes)

    def runs_of(self, model: str) -> tuple[Run, ...]:
        """Runs of a model, in the order of the plan."""
        return tuple(run for run in self.runs if run.model == model)

    def probes_of(self, model: str) -> tuple[Probe, ...]:
        """Probes of a model, in the order of the plan."""
        return tuple(probe for probe in self.probes if probe.model == model)

    def metric_of(self, criterion: str) -> Metric | None:
        """The metric that a criterion judges; None where the study has none of this name."""
        return self.metrics.get(self._metric_name(criterion))

    def conditions_of(self, criterion: str, model: str) -> tuple[CriterionCondition, ...]:
        """The conditions in which a criterion judges a model; none where nothing was planned that it could speak about."""
        return self._conditions[criterion, model]

    def drawn_on(self, criterion: str, model: str) -> tuple[Run, ...]:
        """Runs of a model that a criterion speaks about; none where its metric examines the model itself."""
        if isinstance(self.metric_of(criterion), ProbeMetric):
            return ()
        return tuple(select(self.runs_of(model), self.protocol.criteria[criterion]))

    def left_out(self, model: str) -> list[str]:
        """Names of the criteria that do not apply to a model, because it is the reference."""
        return left_out(self.protocol, model, self.metrics)

    def of_level(self, level: Level) -> list[str]:
        """Names of the criteria of a level."""
        return [name for name, criterion in self.protocol.criteria.items() if criterion.level is level]

    def narrowed(self, model: str, criteria: Collection[str], runs: Sequence[Run]) -> Study:
        """The study of one model by some of its criteria and runs, with the metrics that these criteria need."""
        kept = {name: criterion for name, criterion in self.protocol.criteria.items() if name in criteria}
        used = {self._metric_name(name) for name in kept}
        models = {model: self.protocol.models[model]}
        return Study(
            protocol=self.protocol.model_copy(update={"criteria": kept, "models": models}),
            metrics={name: metric for name, metric in self.metrics.items() if name in used},
            runs=tuple(runs),
            probes=self.probes_of(model),
        )

    def _metric_name(self, criterion: str) -> str:
        return split_quantity(self.protocol.criteria[criterion].metric)[0]

    @cached_property
    def _conditions(self) -> dict[tuple[str, str], tuple[CriterionCondition, ...]]:
        return {
            (name, model): conditions(members_of(self._examined(name, model), criterion), criterion.per)
            for name, criterion in self.protocol.criteria.items()
            for model in self.protocol.models
        }

    def _examined(self, criterion: str, model: str) -> Sequence[Run | Probe]:
        """Everything of a model that the criterion's metric is measured on, before `where`."""
        if not isinstance(self.metric_of(criterion), ProbeMetric):
            return self.runs_of(model)
        name = self._metric_name(criterion)
        return [probe for probe in self.probes_of(model) if probe.metric == name]


def make_study(protocol: Protocol, registry: Registry, findings: Findings | None = None) -> Study:
    """Expand a protocol; identities are "" until a plan or a results folder gives them.

    Args:
        findings: what was found so far, with the document that gives problems their places.

    Raises:
        ProtocolError: with every problem found so far.
    """
    found = Findings() if findings is None else findings
    runs = expand_runs(protocol, found)
    metrics: Mapping[str, Metric] = {}
    try:
        metrics = metrics_of(protocol, registry)
    except UsageError as error:
        found.error(("criteria",), str(error), key=True)
    found.raise_problems()
    return Study(protocol, metrics, runs, expand_probes(protocol, metrics, runs))
