"""Faults in a plan: everything of the models under test may be changed, and nothing of the reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mdprotocol.plan.identity import hashed
from mdprotocol.plan.types import Batch, Plan, Probe, ProbeBatch, Run
from mdprotocol.protocol.schema import REFERENCE


def planted(
    plan: Plan,
    label: str,
    batch: Callable[[Batch], Batch] = lambda one: one,
    probes: Callable[[ProbeBatch], ProbeBatch] = lambda one: one,
) -> Plan:
    """The plan with its models' batches and probes changed.

    Runs and probes of a changed batch get a new identity (what is not changed can be taken over from a sound run of the
    plan). The reference's own runs are never given to `batch`.
    """
    batches = [one if one.model == REFERENCE else _batch(one, batch(one), label) for one in plan.batches]
    examined = [_probes(one, probes(one), label) for one in plan.probe_batches]
    runs = {run.id: run for one in batches for run in one.runs}
    found = {probe.id: probe for one in examined for probe in one.probes}
    study = replace(
        plan.study,
        runs=tuple(runs[run.id] for run in plan.runs),
        probes=tuple(found[probe.id] for probe in plan.probes),
    )
    return replace(
        plan,
        study=study,
        batches=tuple(batches),
        probe_batches=tuple(examined),
    )


def _batch(before: Batch, after: Batch, label: str) -> Batch:
    if after is before:
        return before
    runs = tuple(
        replace(run, settings=after.settings, identity=_marked(run, label), model_digest="") for run in after.runs
    )
    return replace(after, runs=runs)


def _probes(before: ProbeBatch, after: ProbeBatch, label: str) -> ProbeBatch:
    if after is before:
        return before
    if after.component is not before.component:
        changed = {probe.id for probe in after.probes}
    else:
        old = {probe.id: probe for probe in before.probes}
        changed = {probe.id for probe in after.probes if probe != old[probe.id]}
    marked = [replace(p, identity=_marked(p, label), model_digest="") if p.id in changed else p for p in after.probes]
    return replace(after, probes=tuple(marked))


def _marked(item: Run | Probe, label: str) -> str:
    return hashed([item.identity, label])
