"""From a batch's work folder to its runs' files: labels and plain frames first, then one NetCDF file a run, by slabs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from mdprotocol.contracts import ForceField, Structure, Topology
from mdprotocol.engine.dataset import without_frames
from mdprotocol.engine.journal import History, Journal
from mdprotocol.engine.known import LABELLED_BY, known_labels, label_key
from mdprotocol.engine.labels import Labels
from mdprotocol.engine.plain import PlainFrames
from mdprotocol.engine.stopping import Stop
from mdprotocol.plan.steps import plain_frames_of
from mdprotocol.plan.types import Batch, Run
from mdprotocol.protocol.schema import REFERENCE
from mdprotocol.store import ResultsFolder
from mdprotocol.store.netcdf import Growing
from mdprotocol.store.work import Work


@dataclass(frozen=True)
class RunOutcome:
    """What became of a run."""

    run: str
    outcome: str
    failure_kind: str = ""


@dataclass(frozen=True)
class Writing:
    """Writes the runs of a batch that has come to its end.

    Attributes:
        dof: (B,) degrees of freedom in production.
        model: what has moved the runs; its plain form evaluates some frames again.
    """

    batch: Batch
    folder: ResultsFolder
    work: Work
    journal: Journal
    dof: torch.Tensor
    model: ForceField
    stop: Stop

    def run(self, tick: Callable[[], None]) -> list[RunOutcome]:
        """Write every run's file; those that are there already (of a batch that was killed meanwhile) stay.

        Args:
            tick: called after each run, as a sign of life.
        """
        structures = [self.batch.structures[run.system] for run in self.batch.runs]
        history = self.journal.history(Topology.of(structures).offsets)
        reference, outcomes, plain = self._reference(), [], PlainFrames(self.model)
        for b, (run, structure) in enumerate(zip(self.batch.runs, structures, strict=True)):
            if self.folder.identity(run.path) != run.identity:
                self._write(b, run, structure, history, reference, plain, tick)
            attrs = self.folder.attributes(run.path) or {"outcome": "missing", "failure_kind": ""}
            outcomes.append(RunOutcome(run.id, attrs["outcome"], attrs["failure_kind"]))
            self.stop.leave_if_asked()
            tick()
        return outcomes

    def _write(
        self,
        b: int,
        run: Run,
        structure: Structure,
        history: History,
        reference: ForceField | None,
        plain: PlainFrames,
        tick: Callable[[], None],
    ) -> None:
        attributes, checked = plain.of(history, b, structure, plain_frames_of(run.settings))
        parts = [Growing("frame", history.frames(b), history.slabs(b)), *checked]
        if reference is not None:
            key = self._label_key(structure)
            with known_labels(self.folder, run.path, key) as known:
                every = self.batch.settings.reference_every
                labels = Labels(self.work, history, b, structure, reference, every, known)
                labels.make(self.stop, tick)
            attributes, parts = attributes | labels.attributes(), [*parts, *labels.parts()]
            attributes[LABELLED_BY] = key
        fixed = without_frames(run, structure, history.endings[b], float(self.dof[b]), self.model.kernel)
        self.folder.write_growing(run.path, fixed.assign_attrs(attributes), parts)
        self.folder.forget_problem(run.id)

    def _label_key(self, structure: Structure) -> str:
        assert self.batch.reference is not None
        return label_key(self.batch.reference, Path(self.batch.base), structure)

    def _reference(self) -> ForceField | None:
        """The reference that labels this batch; none for its own trajectories, which need no second opinion."""
        batch = self.batch
        if batch.reference is None or not batch.settings.reference_every or batch.model == REFERENCE:
            return None
        return batch.reference.load(Path(batch.base))
