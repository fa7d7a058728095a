"""Probes of one model, one after the other: short calculations on the model itself."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import xarray as xr

from mdprotocol.contracts import ForceField, ProbeMetric, Structure, Subject, TaskFailure, attempt
from mdprotocol.engine import events
from mdprotocol.engine.batch import Emit
from mdprotocol.engine.inert import inert
from mdprotocol.engine.propagate import propagate
from mdprotocol.engine.unchanged import check_unchanged
from mdprotocol.errors import REFUSALS, MDProtocolError, NotMeasurable
from mdprotocol.plan.types import Probe, ProbeBatch
from mdprotocol.store import ResultsFolder


def run_probes(batch: ProbeBatch, root: Path, emit: Emit) -> dict[str, TaskFailure]:
    """Do every probe of a model and write its dataset.

    A probe that has no answer (`REFUSALS`) is stored as one that failed, with the reason. One that cannot be done at all is
    reported and leaves no file: it must not take the others with it, and its criterion will be NOT MEASURED.

    Returns:
        The failures of the latter, by the probe's id.
    """
    folder = ResultsFolder(root)
    force_field = batch.component.load(Path(batch.base))
    check_unchanged(batch.component, batch.base, batch.probes[0].model_digest)
    teacher = batch.reference.load(Path(batch.base)) if batch.reference else None
    _check_reference(batch)
    why_nothing = functools.cache(lambda system: inert(force_field, batch.structures[system]))
    failures: dict[str, TaskFailure] = {}
    for probe in batch.probes:
        label = f"{probe.model} {probe.system} {probe.metric}"
        emit(events.ProbeStarted(label))
        subject = _subject(probe, batch.structures[probe.system], force_field, teacher)
        ended = attempt(functools.partial(_do, batch, probe, subject, why_nothing, folder))
        problem = ""
        if isinstance(ended, TaskFailure):
            failures[probe.id] = ended
            problem = str(ended.error) if isinstance(ended.error, MDProtocolError) else str(ended)
            folder.write_problem(probe.id, probe.identity, problem)
        emit(events.ProbeFinished(label, problem=problem))
    return failures


def _do(
    batch: ProbeBatch, probe: Probe, subject: Subject, why_nothing: Callable[[str], str], folder: ResultsFolder
) -> None:
    """Do one probe, and write its dataset if the model is still the one that was planned."""
    if _examines_forces(probe) and (reason := why_nothing(probe.system)):
        raise NotMeasurable(reason)
    dataset = probed(probe.component, subject)
    check_unchanged(batch.component, batch.base, probe.model_digest)
    _check_reference(batch)
    facts = {"identity": probe.identity, "model": probe.model, "system": probe.system, "metric": probe.metric}
    facts["model_digest"] = probe.model_digest
    folder.write_dataset(probe.path, dataset.assign_attrs(facts))


def probed(metric: ProbeMetric, subject: Subject) -> xr.Dataset:
    """The dataset of a probe; where it has no answer, one that says why, so that the reason reaches the verdict."""
    try:
        return metric.probe(subject)
    except REFUSALS as error:
        return xr.Dataset(attrs={"outcome": "failed", "failure_detail": str(error)})


def _check_reference(batch: ProbeBatch) -> None:
    if batch.reference is not None:
        check_unchanged(batch.reference, batch.base, batch.reference_digest, "reference")


def _examines_forces(probe: Probe) -> bool:
    """Whether it asks what the force field does; one that runs alone and moves nothing only times or weighs it."""
    return not probe.component.alone or probe.component.needs_dynamics


def _subject(probe: Probe, structure: Structure, force_field: ForceField, teacher: ForceField | None) -> Subject:
    return Subject(
        force_field=force_field,
        structure=structure,
        seed=probe.seed,
        batch_sizes=probe.batch_sizes,
        reference=teacher if probe.component.needs_reference else None,
        dynamics=probe.dynamics,
        propagate=functools.partial(propagate, force_field, structure),
    )
