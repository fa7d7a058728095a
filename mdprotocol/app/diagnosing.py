"""Causes of failed criteria: follow-up calculations after a run, and what they say when its results are judged."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mdprotocol.app.sources import Prepared
from mdprotocol.app.workers import Workers
from mdprotocol.assess.diagnose import against_reference, diagnose, in_order, rows_of, without_physics
from mdprotocol.contracts import Component, Metric, ProbeMetric, TaskFailure
from mdprotocol.engine import tasks
from mdprotocol.engine.events import ProbeFinished
from mdprotocol.errors import StoreError
from mdprotocol.plan import Plan
from mdprotocol.plan.followup import FollowUp, Rerun
from mdprotocol.plan.metrics import split_quantity
from mdprotocol.plan.types import Run
from mdprotocol.protocol.typed import without_options
from mdprotocol.registry import Registry
from mdprotocol.store import ResultsFolder
from mdprotocol.verdicts import CriterionResult, Diagnosis, Level, ModelVerdict, Outcome

SECONDS, NICE_SECONDS = 18.0, 1.5
"""Of the processor, for all models together; and for a model that failed nothing but what would be nice."""
MOST_RERUNS, MOST_SYSTEMS = 3, 3
WEIGHT = (Level.MUST, Level.SHOULD, Level.NICE)


def follow_up(
    prepared: Prepared,
    plan: Plan,
    verdicts: Sequence[ModelVerdict],
    folder: ResultsFolder,
    workers: Workers,
    on_event: Callable[[Any], None],
) -> None:
    """Calculate what may tell why criteria failed, for each model that failed one; what is there already stays."""
    failing = [verdict for verdict in verdicts if followed(verdict, plan.study.metrics)]
    wanted = [_task(verdict, prepared, plan, folder, SECONDS / len(failing)) for verdict in failing]
    wanted = [task for task in wanted if task.structures and _stored(folder, task.path) != task.subject]
    jobs = [(task, folder.root.absolute()) for task in wanted]
    for place, result in workers.beside(tasks.follow_up, jobs) if jobs else ():
        if isinstance(result, TaskFailure):  # whatever goes wrong here, the verdict needs no cause
            on_event(ProbeFinished(f"{wanted[place].model} diagnosis", problem=str(result)))


def causes_of(
    verdict: ModelVerdict, metrics: Mapping[str, Metric], folder: ResultsFolder, registry: Registry
) -> list[Diagnosis]:
    """Causes of a verdict's failed criteria, from the follow-up stored with these very runs."""
    path = f"diagnosis/{verdict.model}.nc"
    subject = _stored(folder, path)
    if not subject:
        return []
    try:
        if any(folder.identity(run) != identity for run, identity in dict(json.loads(subject)["runs"]).items()):
            return []
        rows = rows_of(folder.load(path))
    except (StoreError, KeyError, ValueError, TypeError, RecursionError):  # not one of ours
        return []
    return list(diagnose(verdict, metrics, rows, list(_probes(metrics, registry).values())))


def _stored(folder: ResultsFolder, path: str) -> str:
    """What a stored follow-up belongs to; empty where there is none that can be read."""
    try:
        return str((folder.attributes(path) or {}).get("subject", ""))
    except StoreError:
        return ""


def followed(verdict: ModelVerdict, metrics: Mapping[str, Metric]) -> list[CriterionResult]:
    """Failed criteria that have a cause in the model's physics; those that decide first."""
    found = [
        result
        for result in verdict.criteria
        if result.outcome is Outcome.FAIL
        and (metric := metrics.get(split_quantity(result.quantity)[0])) is not None
        and not without_physics(metric)
    ]
    return sorted(found, key=lambda result: WEIGHT.index(result.level))


# ------------------------------------------------------------------------------------------------ what is calculated


def _task(
    verdict: ModelVerdict,
    prepared: Prepared,
    plan: Plan,
    folder: ResultsFolder,
    seconds: float,
) -> FollowUp:
    metrics = plan.study.metrics
    failed = followed(verdict, metrics)
    own = {run.id: run for run in plan.study.runs_of(verdict.model)}
    reruns = _reruns(failed, metrics, own)
    systems = [rerun.run.system for rerun in reruns] + [s for result in failed for s in _systems(result, own)]
    chosen = list(dict.fromkeys(systems))[:MOST_SYSTEMS]
    probes = _probes(metrics, prepared.registry)
    quick = all(result.level is Level.NICE for result in failed)
    stored = [next((r.path for r in own.values() if r.system == system), "") for system in chosen]
    stored += [f"probes/{verdict.model}/{system}/{name}.nc" for system in chosen for name in metrics]
    paths = [*(rerun.run.path for rerun in reruns), *stored]
    subject = {
        "runs": {path: folder.identity(path) for path in dict.fromkeys(paths) if path and folder.identity(path)},
        "criteria": [result.name for result in failed],
        "probes": sorted(probes),
    }
    return FollowUp(
        model=verdict.model,
        component=prepared.protocol.models[verdict.model],
        base=str(prepared.base.absolute()),
        structures={system: plan.structures[system] for system in chosen},
        probes=probes,
        reruns=reruns,
        seed=prepared.protocol.seed,
        subject=json.dumps(subject, sort_keys=True),
        seconds=min(seconds, NICE_SECONDS) if quick else seconds,
        quick=quick,
        done=_done(plan, verdict.model, probes, folder),
    )


def _done(
    plan: Plan, model: str, probes: Mapping[str, ProbeMetric], folder: ResultsFolder
) -> dict[tuple[str, str], str]:
    """Paths of the model's finished probes by system and type of the metric: those need not be done again."""
    return {
        (probe.system, probe.component.type): probe.path
        for probe in plan.study.probes_of(model)
        if probe.component.type in probes and folder.identity(probe.path) == probe.identity
    }


def _probes(metrics: Mapping[str, Metric], registry: Registry) -> dict[str, ProbeMetric]:
    """Probes with signs, by type: with the protocol's own options where it has them, else as they are by default.

    A follow-up has neither a reference nor the protocol's dynamics, so a probe that needs one of them is left out.
    """
    classes = (cls for cls in registry.classes("metrics") if _follows_up(cls) and without_options(cls))
    default = {cls.type_name(): cls(type=cls.type_name()) for cls in classes}
    own = {metric.type: metric for metric in reversed(list(metrics.values())) if _follows_up(type(metric))}
    probes = [probe for probe in (default | own).values() if isinstance(probe, ProbeMetric)]
    return {probe.type: probe for probe in in_order(probes)}


def _follows_up(cls: type[Component]) -> bool:
    return issubclass(cls, ProbeMetric) and bool(cls.signs) and not (cls.needs_reference or cls.needs_dynamics)


def _systems(result: CriterionResult, runs: Mapping[str, Run]) -> Iterator[str]:
    """Systems of the condition that decided."""
    if result.worst is None:
        return
    found = result.worst.measurement
    if "system" in found.where:
        yield str(found.where["system"])
    else:
        yield from (runs[run].system for run in found.runs if run in runs)


def _reruns(
    failed: Sequence[CriterionResult], metrics: Mapping[str, Metric], runs: Mapping[str, Run]
) -> tuple[Rerun, ...]:
    """The worst run of each criterion on trajectories, each once, with all criteria that it is the worst of."""
    found: dict[str, dict[str, CriterionResult]] = {}
    for result in failed:
        metric = metrics[split_quantity(result.quantity)[0]]
        if not isinstance(metric, ProbeMetric) and not against_reference(metric) and not metric.signs:
            worst = _worst_run(result)
            if worst in runs:
                found.setdefault(worst, {})[result.name] = result
    return tuple(
        Rerun(
            run=runs[run],
            criteria=tuple(results),
            quantities={r.quantity: metrics[split_quantity(r.quantity)[0]] for r in results.values()},
        )
        for run, results in list(found.items())[:MOST_RERUNS]
    )


def _worst_run(result: CriterionResult) -> str:
    """The run of the deciding condition whose own value lies furthest beyond the bound."""
    if result.worst is None or not result.worst.measurement.runs:
        return ""
    found = result.worst.measurement
    if len(found.samples) != len(found.runs):
        return found.runs[0]
    least = -math.inf if result.minimum is None else result.minimum
    most = math.inf if result.maximum is None else result.maximum
    beyond = [max(value - most, least - value) for value in found.samples]
    return found.runs[beyond.index(max(beyond))]
