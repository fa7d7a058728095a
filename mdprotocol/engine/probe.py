"""Probes of one model, one after the other: short calculations on the model itself."""

from __future__ import annotations

from pathlib import Path

from mdprotocol.components import Subject
from mdprotocol.engine import events
from mdprotocol.engine.batch import Emit
from mdprotocol.errors import MDProtocolError
from mdprotocol.plan.types import ProbeBatch
from mdprotocol.store import ResultsFolder


def run_probes(batch: ProbeBatch, root: Path, emit: Emit) -> None:
    """Do every probe of a model and write its dataset; a probe that fails is reported and leaves no file."""
    folder = ResultsFolder(root)
    force_field = batch.component.load(Path(batch.base))
    for probe in batch.probes:
        label = f"{probe.model} {probe.system} {probe.metric}"
        emit(events.ProbeStarted(label))
        subject = Subject(force_field, batch.structures[probe.system], probe.seed, probe.batch_sizes)
        try:
            dataset = probe.component.probe(subject)
            facts = {"identity": probe.identity, "model": probe.model, "system": probe.system, "metric": probe.metric}
            folder.write_dataset(probe.path, dataset.assign_attrs(facts))
            emit(events.ProbeFinished(label))
        except MDProtocolError as error:
            emit(events.ProbeFinished(label, problem=str(error)))
        except Exception as error:
            # A third party's probe must not take the others with it; its criterion will be NOT MEASURED.
            emit(events.ProbeFinished(label, problem=f"{type(error).__name__}: {error}"))
