"""Faults in a plan: everything of the models under test may be changed, and nothing of the reference.

How a fault is planted follows from its base (`mdprotocol.contracts.faults`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace

from mdprotocol.contracts import Fault, Integrator, LabelFault, ModelFault, MotionFault, SkippedFault, SystemFault
from mdprotocol.faults.wrapping import FaultyIntegrator, FaultyModel
from mdprotocol.plan.identity import hashed
from mdprotocol.plan.types import Batch, Plan, Probe, ProbeBatch, Run
from mdprotocol.protocol.schema import REFERENCE


@functools.singledispatch
def plant(fault: Fault, plan: Plan) -> Plan:
    """The plan with the fault in it; what the fault changes has an identity of its own.

    A fault of finished files leaves the plan as it is (see `mdprotocol.faults.spoiling`).
    """
    return plan


@plant.register
def _plant_model(fault: ModelFault, plan: Plan) -> Plan:
    """Every model under test has this flaw, in its runs and in its probes."""

    def batch(one: Batch) -> Batch:
        return replace(one, component=FaultyModel.of(one.component, fault))

    def probes(one: ProbeBatch) -> ProbeBatch:
        return replace(one, component=FaultyModel.of(one.component, fault))

    return planted(plan, fault.label, batch, probes)


@plant.register
def _plant_motion(fault: MotionFault, plan: Plan) -> Plan:
    """Every simulation at constant energy, and every probe that moves a system so, uses the faulty integrator."""

    def faulty(sound: Integrator) -> Integrator:
        return sound if sound.thermostatted else FaultyIntegrator(sound=sound, fault=fault)

    def batch(one: Batch) -> Batch:
        sound = one.settings.integrator
        return one if sound.thermostatted else replace(one, settings=replace(one.settings, integrator=faulty(sound)))

    def moved(probe: Probe) -> Probe:
        return replace(probe, dynamics=tuple(replace(d, integrator=faulty(d.integrator)) for d in probe.dynamics))

    def probes(one: ProbeBatch) -> ProbeBatch:
        found = tuple(moved(probe) for probe in one.probes)
        return replace(one, probes=found) if any(probe.dynamics for probe in found) else one

    return planted(plan, fault.label, batch, probes)


@plant.register
def _plant_system(fault: SystemFault, plan: Plan) -> Plan:
    """Other atoms move in every run of the models."""

    def batch(one: Batch) -> Batch:
        return replace(one, structures={name: fault.altered(s) for name, s in one.structures.items()})

    return planted(plan, fault.label, batch)


@plant.register
def _plant_label(fault: LabelFault, plan: Plan) -> Plan:
    """Something else labels frames wherever the reference does."""

    def batch(one: Batch) -> Batch:
        if one.reference is None:
            return one
        return replace(one, reference=fault.labelled_by(one.component, one.reference), reference_digest="")

    return planted(plan, fault.label, batch)


@plant.register
def _plant_skipped(fault: SkippedFault, plan: Plan) -> Plan:
    """Some simulations are run by no model."""
    simulations = list(dict.fromkeys(run.simulation for run in plan.runs if run.model != REFERENCE))
    gone = set(fault.skipped(simulations))
    # What was not run must not be taken over from elsewhere either, so these runs are others than the sound ones.
    marked = planted(plan, fault.label, lambda one: replace(one) if one.runs[0].simulation in gone else one)
    kept = (one for one in marked.batches if one.model == REFERENCE or one.runs[0].simulation not in gone)
    return replace(marked, batches=tuple(kept))


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
