"""What each criterion will be measured from, and which criteria could never be measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mdprotocol.contracts import Metric, ProbeMetric
from mdprotocol.contracts.properties import STABILITY
from mdprotocol.plan.conditions import conditions
from mdprotocol.plan.findings import Findings
from mdprotocol.plan.itself import against_itself
from mdprotocol.plan.metrics import needs_labels, needs_reference_run, quantity_of, split_quantity
from mdprotocol.plan.select import (
    SYSTEM_ONLY,
    Combination,
    Value,
    in_words,
    named,
    select,
    unselected,
)
from mdprotocol.plan.steps import labels_of
from mdprotocol.plan.study import Study
from mdprotocol.plan.types import CriterionSource, Probe, Run
from mdprotocol.protocol.places import Path
from mdprotocol.protocol.schema import DIMS, REFERENCE, Criterion, Protocol
from mdprotocol.verdicts import Level

_NEEDS_INTERVAL = ("mean", "rms", "proportion")
"""Ways of pooling whose uncertainty comes from the spread between replicas."""
SHOWN = 4
"""Conditions that a message lists."""


def sources_of(study: Study, findings: Findings) -> tuple[CriterionSource, ...]:
    """The runs or probes behind every criterion; problems and warnings go to `findings`."""
    return tuple(_source(name, study, findings) for name in study.protocol.criteria)


def _source(name: str, study: Study, findings: Findings) -> CriterionSource:
    protocol, runs = study.protocol, study.runs
    criterion = protocol.criteria[name]
    metric_name, quantity = split_quantity(criterion.metric)
    metric = study.metrics[metric_name]
    units = quantity_of(metric, quantity).units
    models = [model for model in protocol.models if not against_itself(protocol, model, metric)]
    _warn_itself(protocol, models, findings)
    if not models:
        return CriterionSource(name, criterion.metric, units, {})
    chosen: list[Run] | list[Probe]
    if isinstance(metric, ProbeMetric):
        own = [probe for probe in study.probes if probe.metric == metric_name]
        chosen = _examinable(name, criterion, metric, own, protocol, findings)
    else:
        own_runs = [run for run in runs if run.model in models]
        chosen = _measurable(name, criterion, metric, own_runs, runs, findings)
        _find_few_labels(name, protocol, metric, chosen, findings)
        _warn_single(name, criterion, quantity_of(metric, quantity).pool, chosen, findings)
        if not named(criterion, "simulation"):
            _warn_less(name, models, chosen, findings)
    _warn_models(name, models, chosen, findings)
    by_model = {model: tuple(item.id for item in chosen if item.model == model) for model in models}
    return CriterionSource(name, criterion.metric, units, by_model)


def examinable(metric: ProbeMetric, probes: Sequence[Probe]) -> list[Probe]:
    """Those probes that can be measured: with a simulation of their system, where the metric needs one."""
    return [probe for probe in probes if probe.dynamics or not metric.needs_dynamics]


def measurable(metric: Metric, scope: Sequence[Run], runs: Sequence[Run]) -> list[Run]:
    """Those runs from which the metric can be measured: with the labels, or the run of the reference, that it needs.

    Args:
        runs: all runs, the reference's too.
    """
    if needs_labels(metric):
        return [run for run in scope if run.settings.reference_every > 0]
    if needs_reference_run(metric):
        paired = {_partner(run) for run in runs if run.model == REFERENCE}
        return [run for run in scope if _partner(run) in paired]
    return list(scope)


def _examinable(
    name: str,
    criterion: Criterion,
    metric: ProbeMetric,
    probes: list[Probe],
    protocol: Protocol,
    findings: Findings,
) -> list[Probe]:
    """Those probes in the criterion's scope that can be measured; a problem where `where` names what cannot."""
    chosen = select(probes, criterion)
    if metric.needs_reference and protocol.reference is None and chosen:
        findings.error(("criteria", name, "metric"), f"'{metric.type}' needs a reference; give one under `reference:`")
        return chosen
    moved = examinable(metric, chosen)
    if named(criterion, "system"):
        nothing = "no simulation moves it" if metric.needs_dynamics else "no probe examines it"
        _find_unselected(name, criterion, moved, examinable(metric, probes), SYSTEM_ONLY, nothing, findings)
    elif not chosen:
        findings.error(("criteria", name, "where"), f"no system is left on which '{metric.type}' could be measured")
    elif not moved:
        findings.error(("criteria", name, "metric"), f"'{metric.type}' needs a simulation of the systems it examines")
    return chosen


def _measurable(
    name: str,
    criterion: Criterion,
    metric: Metric,
    own: list[Run],
    runs: Sequence[Run],
    findings: Findings,
) -> list[Run]:
    """Those runs in the criterion's scope from which the metric can be measured; a problem where there is none.

    Args:
        own: runs of the models that the criterion applies to.
        runs: all runs, the reference's too.
    """
    path: Path = ("criteria", name)
    scope = select(own, criterion)
    if _find_unselected(name, criterion, scope, own, DIMS, "no simulation runs it", findings):
        return scope
    if not scope:
        findings.error((*path, "where"), "no run is left by `where`, so this could never be measured", key=True)
        return []
    scope = measurable(metric, scope, runs)
    if not scope:
        reason = (
            "frames labelled by the reference; set `reference_every_fs` in a simulation that `where` keeps"
            if needs_labels(metric)
            else "the reference's own runs; set `reference_trajectory: true` in a simulation that `where` keeps"
        )
        findings.error((*path, "metric"), f"'{metric.type}' could never be measured here: it needs {reason}")
    else:
        _find_unselected(name, criterion, scope, scope, DIMS, f"no run has what '{metric.type}' needs of it", findings)
    return scope


def _find_unselected(
    name: str,
    criterion: Criterion,
    chosen: Sequence[Run | Probe],
    own: Sequence[Run | Probe],
    dims: Sequence[str],
    nothing: str,
    findings: Findings,
) -> bool:
    """Note what `where` names and no model has as problems, what some models lack as warnings; whether a problem is there.

    Args:
        chosen: what the criterion would be measured from.
        own: all that could be chosen, were it named.
        nothing: what is said of a combination that selects nothing.
    """
    lost = unselected(chosen, criterion, dims)
    pairs = dict.fromkeys((dim, value) for combination in lost for dim, value in combination.items())
    alone = [(dim, value) for dim, value in pairs if unselected(own, _alone(criterion, dim, value), dims)]
    for dim, value in alone:
        text = f"`where` names {in_words({dim: value})}, but {nothing}; {_there_is(dim, own)}"
        findings.error(_place(name, criterion, dim, value), text)
    rest = [c for c in lost if not any(c[dim] == value for dim, value in alone)]
    if rest:
        text = f"`where` names {_some(map(in_words, rest))}, but {nothing}; there is {_some(_nearest(own, rest[0]))}"
        findings.error(("criteria", name, "where"), text, key=True)
    for model in dict.fromkeys(item.model for item in chosen):
        missing = unselected([item for item in chosen if item.model == model], criterion, dims)
        fewer = [c for c in missing if c not in lost]
        if fewer:
            text = (
                f"`where` names {_some(map(in_words, fewer))}, which model '{model}' does not have: it is not measured"
            )
            findings.warn(("criteria", name, "where"), f"{text}, and the model's verdict stays open")
    return bool(lost)


def _alone(criterion: Criterion, dim: str, value: Value) -> Criterion:
    """The criterion if `where` named this value only."""
    return criterion.model_copy(update={"where": {dim: value}})


def _place(name: str, criterion: Criterion, dim: str, value: Value) -> Path:
    """Place of a value that `where` names."""
    listed = {str(key): found for key, found in criterion.where.items()}[dim]
    path: Path = ("criteria", name, "where", dim)
    return (*path, listed.index(value)) if isinstance(listed, list) else path


def _there_is(dim: str, items: Sequence[Run | Probe]) -> str:
    found = dict.fromkeys(item.coordinates[dim] for item in items)
    texts = [in_words({dim: value}) for value in found]
    return f"there is {_some(texts)}" if texts else "there is nothing that it could be measured from"


def _nearest(items: Sequence[Run | Probe], combination: Combination) -> list[str]:
    """What there is, beginning with what has most in common with a combination."""
    found = {in_words(item.coordinates): item.coordinates for item in items}

    def common(text: str) -> int:
        return sum(found[text].get(dim) == value for dim, value in combination.items())

    return sorted(found, key=lambda text: -common(text))


def _some(texts: Iterable[str]) -> str:
    """The first of some texts, and how many more there are."""
    listed = list(texts)
    rest = len(listed) - SHOWN
    return ", ".join(listed[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _find_few_labels(name: str, protocol: Protocol, metric: Metric, scope: Sequence[Run], findings: Findings) -> None:
    """Runs that plan fewer labels than a comparison needs: a problem where none plans enough, else a warning."""
    if not needs_labels(metric):
        return
    least = protocol.labels.least
    few = [run for run in scope if labels_of(run.settings) < least]
    for base in dict.fromkeys(run.base_simulation for run in few):
        counts = {labels_of(run.settings) for run in few if run.base_simulation == base}
        planned = " or ".join(f"{count} label{'s' * (count != 1)}" for count in sorted(counts))
        text = (
            f"gives a run {planned}, and criterion '{name}' needs {least} of each run (`labels: least`); "
            "label more often, or run longer"
        )
        path: Path = ("simulations", base, "reference_every_fs")
        if len(few) == len(scope):
            findings.error(path, text)
        else:
            findings.warn(path, text)


def _partner(run: Run) -> tuple[object, ...]:
    return (*run.condition, run.replica, run.seed)


def _warn_single(name: str, criterion: Criterion, pool: str, runs: list[Run], findings: Findings) -> None:
    if pool in _NEEDS_INTERVAL and any(len(one.members) == 1 for one in conditions(runs, criterion.per)):
        findings.warn(
            ("criteria", name),
            "a condition with a single run has no confidence interval; use more replicas, or fewer dims in `per`",
        )


def warn_untouched(study: Study, findings: Findings) -> None:
    """Warn of systems that no simulation runs: the verdict says nothing of how they move."""
    touched = {run.system for run in study.runs}
    for name in study.protocol.systems if study.runs else ():
        if name not in touched:
            findings.warn(("systems", name), "no simulation runs it, so that nothing is said of how it moves")


def warn_failures(study: Study, findings: Findings) -> None:
    """Warn of runs whose failure no criterion on stability sees, and of must criteria that allow failures in vain."""
    protocol, metrics, runs = study.protocol, study.metrics, study.runs
    on_stability = {
        name: criterion
        for name, criterion in protocol.criteria.items()
        if STABILITY in metrics[split_quantity(criterion.metric)[0]].tests
    }
    watched = {run.id for criterion in on_stability.values() for run in select(runs, criterion)}
    for simulation in dict.fromkeys(run.simulation for run in runs):
        own = [run for run in runs if run.simulation == simulation and run.model != REFERENCE]
        blind = [run for run in own if run.id not in watched]
        if blind:
            whose = "its runs" if len(blind) == len(own) else f"its runs of {_conditions(blind)}"
            findings.warn(
                ("simulations", blind[0].base_simulation),
                f"{simulation}: no criterion on {STABILITY.name} covers {whose}, so that no number need show when they fail",
            )
    for name, criterion in on_stability.items() if protocol.failed_runs is None else ():
        if criterion.level is Level.MUST and _allows_failures(metrics, criterion):
            findings.warn(
                ("criteria", name),
                "allows failed runs, but a model with a failed run that a must criterion draws on is REJECTED; "
                "declare those that are tolerated: failed_runs: {max: ..., reason: ...}",
            )


def _conditions(runs: Sequence[Run]) -> str:
    return ", ".join(dict.fromkeys(f"{run.system} at {run.temperature_K:g} K" for run in runs))


def _allows_failures(metrics: Mapping[str, Metric], criterion: Criterion) -> bool:
    """Whether its bound is kept by runs of which some have failed: a count of one, a share below one."""
    metric_name, quantity = split_quantity(criterion.metric)
    pool = quantity_of(metrics[metric_name], quantity).pool
    if pool == "total":
        return criterion.max is None or criterion.max >= 1
    return pool == "proportion" and (criterion.min is None or criterion.min < 1)


def _warn_itself(protocol: Protocol, models: Sequence[str], findings: Findings) -> None:
    for model in protocol.models:
        if model not in models:
            findings.warn(("models", model), "is the reference; criteria that compare with it do not apply to it")


def _warn_models(name: str, models: Sequence[str], chosen: Sequence[Run | Probe], findings: Findings) -> None:
    measured = {item.model for item in chosen}
    for model in models if chosen else ():
        if model not in measured:
            findings.warn(("criteria", name), f"not measured for model '{model}', whose verdict then stays open")


def _warn_less(name: str, models: Sequence[str], chosen: Sequence[Run], findings: Findings) -> None:
    """A simulation that a model does not run is missing from what the criterion says of it, and nothing names it."""
    simulations: dict[str, dict[str, None]] = {}
    for run in chosen:
        simulations.setdefault(run.model, {})[run.simulation] = None
    everywhere = dict.fromkeys(simulation for own in simulations.values() for simulation in own)
    for model in models:
        lacking = [simulation for simulation in everywhere if simulation not in simulations.get(model, everywhere)]
        if lacking:
            text = f"speaks of less for model '{model}', which does not run {', '.join(lacking)}"
            findings.warn(("criteria", name), text)
