"""Probes of one model, one after the other: short calculations on the model itself."""

from __future__ import annotations

import functools
from pathlib import Path

from mdprotocol.contracts import ForceField, Structure, Subject
from mdprotocol.engine import events
from mdprotocol.engine.batch import Emit
from mdprotocol.engine.inert import inert
from mdprotocol.engine.propagate import propagate
from mdprotocol.engine.unchanged import check_unchanged
from mdprotocol.errors import MDProtocolError, NotMeasurable, asked_to_stop, in_words
from mdprotocol.plan.types import Probe, ProbeBatch
from mdprotocol.store import ResultsFolder


def run_probes(batch: ProbeBatch, root: Path, emit: Emit) -> None:
    """Do every probe of a model and write its dataset; a probe that fails is reported and leaves no file."""
    folder = ResultsFolder(root)
    force_field = batch.component.load(Path(batch.base))
    check_unchanged(batch.component, batch.base, batch.probes[0].model_digest)
    teacher = batch.reference.load(Path(batch.base)) if batch.reference else None
    _check_reference(batch)
    why_nothing = functools.cache(lambda system: inert(force_field, batch.structures[system]))
    for probe in batch.probes:
        label = f"{probe.model} {probe.system} {probe.metric}"
        emit(events.ProbeStarted(label))
        try:
            if _examines_forces(probe) and (reason := why_nothing(probe.system)):
                raise NotMeasurable(reason)
            subject = _subject(probe, batch.structures[probe.system], force_field, teacher)
            dataset = probe.component.probe(subject)
            check_unchanged(batch.component, batch.base, probe.model_digest)
            _check_reference(batch)
            facts = {"identity": probe.identity, "model": probe.model, "system": probe.system, "metric": probe.metric}
            facts["model_digest"] = probe.model_digest
            folder.write_dataset(probe.path, dataset.assign_attrs(facts))
            emit(events.ProbeFinished(label))
        except BaseException as error:
            if asked_to_stop(error):
                raise
            # A third party's probe must not take the others with it; its criterion will be NOT MEASURED.
            problem = str(error) if isinstance(error, MDProtocolError) else in_words(error)
            folder.write_problem(probe.id, probe.identity, problem)
            emit(events.ProbeFinished(label, problem=problem))


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
