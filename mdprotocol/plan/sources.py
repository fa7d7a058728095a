"""What each criterion will be measured from, and which criteria could never be measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mdprotocol.components import Metric, ProbeMetric
from mdprotocol.plan.findings import Findings
from mdprotocol.plan.itself import against_itself
from mdprotocol.plan.metrics import needs_labels, needs_reference_run, quantity_of, split_quantity
from mdprotocol.plan.select import cells, coordinates, select
from mdprotocol.plan.types import CriterionSource, Probe, Run
from mdprotocol.protocol.places import Path
from mdprotocol.protocol.schema import REFERENCE, Criterion, Protocol

_NEEDS_INTERVAL = ("mean", "rms", "proportion")
"""Ways of pooling whose uncertainty comes from the spread between replicas."""


def sources_of(
    protocol: Protocol,
    metrics: Mapping[str, Metric],
    runs: Sequence[Run],
    probes: Sequence[Probe],
    findings: Findings | None = None,
) -> tuple[CriterionSource, ...]:
    """The runs or probes behind every criterion; problems and warnings go to `findings`."""
    found = findings or Findings()
    return tuple(_source(name, protocol, metrics, runs, probes, found) for name in protocol.criteria)


def _source(
    name: str,
    protocol: Protocol,
    metrics: Mapping[str, Metric],
    runs: Sequence[Run],
    probes: Sequence[Probe],
    findings: Findings,
) -> CriterionSource:
    criterion = protocol.criteria[name]
    metric_name, quantity = split_quantity(criterion.metric)
    metric = metrics[metric_name]
    units = quantity_of(metric, quantity).units
    models = [model for model in protocol.models if not against_itself(protocol, model, metric)]
    _warn_itself(protocol, models, findings)
    if not models:
        return CriterionSource(name, criterion.metric, units, {})
    chosen: list[Run] | list[Probe]
    if isinstance(metric, ProbeMetric):
        chosen = select([probe for probe in probes if probe.metric == metric_name], criterion)
        if not chosen:
            findings.error(("criteria", name, "where"), f"no system is left on which '{metric.type}' could be measured")
        elif metric.needs_reference and protocol.reference is None:
            findings.error(
                ("criteria", name, "metric"), f"'{metric.type}' needs a reference; give one under `reference:`"
            )
        elif metric.needs_dynamics and not any(probe.dynamics for probe in chosen):
            findings.error(
                ("criteria", name, "metric"), f"'{metric.type}' needs a simulation of the systems it examines"
            )
    else:
        chosen = _measurable(name, metric, [r for r in select(runs, criterion) if r.model in models], runs, findings)
        _warn_single(name, criterion, quantity_of(metric, quantity).pool, chosen, findings)
    _warn_models(name, models, chosen, findings)
    by_model = {model: tuple(item.id for item in chosen if item.model == model) for model in models}
    return CriterionSource(name, criterion.metric, units, by_model)


def _measurable(name: str, metric: Metric, scope: list[Run], runs: Sequence[Run], findings: Findings) -> list[Run]:
    """Those runs in the criterion's scope from which the metric can be measured; a problem where there is none."""
    path: Path = ("criteria", name)
    if not scope:
        findings.error((*path, "where"), "no run is left by `where`, so this could never be measured", key=True)
        return []
    if needs_labels(metric):
        scope = [run for run in scope if run.settings.reference_every > 0]
        reason = "frames labelled by the reference; set `reference_every_fs` in a simulation that `where` keeps"
    elif needs_reference_run(metric):
        own = {_partner(run) for run in runs if run.model == REFERENCE}
        scope = [run for run in scope if _partner(run) in own]
        reason = "the reference's own runs; set `reference_trajectory: true` in a simulation that `where` keeps"
    if not scope:
        findings.error((*path, "metric"), f"'{metric.type}' could never be measured here: it needs {reason}")
    return scope


def _partner(run: Run) -> tuple[object, ...]:
    return (*list(coordinates(run).values())[1:], run.replica, run.seed)


def _warn_single(name: str, criterion: Criterion, pool: str, runs: list[Run], findings: Findings) -> None:
    if pool in _NEEDS_INTERVAL and any(len(cell) == 1 for cell in cells(runs, criterion).values()):
        findings.warn(
            ("criteria", name),
            "a cell with a single run has no confidence interval; use more replicas, or fewer dims in `per`",
        )


def _warn_itself(protocol: Protocol, models: Sequence[str], findings: Findings) -> None:
    for model in protocol.models:
        if model not in models:
            findings.warn(("models", model), "is the reference; criteria that compare with it do not apply to it")


def _warn_models(name: str, models: Sequence[str], chosen: Sequence[Run] | Sequence[Probe], findings: Findings) -> None:
    measured = {item.model for item in chosen}
    for model in models if chosen else ():
        if model not in measured:
            findings.warn(("criteria", name), f"not measured for model '{model}', whose verdict then stays open")
