"""From a batch's work folder to its runs' files: labels and plain frames first, then one NetCDF file a run, by slabs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from mdprotocol.contracts import ForceField, Structure, Topology
from mdprotocol.engine.dataset import without_frames
from mdprotocol.engine.journal import History, Journal
from mdprotocol.engine.known import known_labels, label_key
from mdprotocol.engine.labels import Labels
from mdprotocol.engine.plain import PlainFrames
from mdprotocol.engine.stopping import Stop
from mdprotocol.engine.unchanged import check_unchanged
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
        wanted = [b for b, run in enumerate(self.batch.runs) if self.folder.identity(run.path) != run.identity]
        labels = self._labels(wanted, structures, history, tick)
        self._check_unchanged()  # what is written now is the work of these files and of no others
        outcomes, plain = [], PlainFrames(self.model)
        for b, (run, structure) in enumerate(zip(self.batch.runs, structures, strict=True)):
            if b in wanted:
                self._write(b, run, structure, history, labels.get(b), plain)
            attrs = self.folder.attributes(run.path) or {"outcome": "missing", "failure_kind": ""}
            outcomes.append(RunOutcome(run.id, attrs["outcome"], attrs["failure_kind"]))
            tick()
            self.stop.leave_if_asked()
        return outcomes

    def _write(
        self,
        b: int,
        run: Run,
        structure: Structure,
        history: History,
        labels: Labels | None,
        plain: PlainFrames,
    ) -> None:
        attributes, checked = plain.of(history, b, structure, plain_frames_of(run.settings))
        parts = [Growing("frame", history.frames(b), history.slabs(b)), *checked]
        if labels is not None:
            attributes, parts = attributes | labels.attributes(), [*parts, *labels.parts()]
        fixed = without_frames(run, structure, history.endings[b], float(self.dof[b]), self.model.kernel)
        self.folder.write_growing(run.path, fixed.assign_attrs(attributes), parts)
        self.folder.forget_problem(run.id)

    def _labels(
        self, wanted: Sequence[int], structures: Sequence[Structure], history: History, tick: Callable[[], None]
    ) -> dict[int, Labels]:
        """The reference's labels of these copies, all made; none where the batch has no reference."""
        reference, found = self._reference(), dict[int, Labels]()
        for b in wanted if reference is not None else ():
            assert reference is not None
            run, structure = self.batch.runs[b], structures[b]
            key = self._label_key(structure)
            with known_labels(self.folder, run.path, key) as known:
                every = self.batch.settings.reference_every
                found[b] = Labels(self.work, history, b, structure, reference, every, known, key)
                found[b].make(self.stop, tick)
        return found

    def _check_unchanged(self) -> None:
        batch = self.batch
        check_unchanged(batch.component, batch.base, batch.runs[0].model_digest)
        if batch.reference is not None:
            check_unchanged(batch.reference, batch.base, batch.reference_digest, "reference")

    def _label_key(self, structure: Structure) -> str:
        assert self.batch.reference is not None
        return label_key(self.batch.reference, Path(self.batch.base), structure)

    def _reference(self) -> ForceField | None:
        """The reference that labels this batch; none for its own trajectories, which need no second opinion."""
        batch = self.batch
        if batch.reference is None or not batch.settings.reference_every or batch.model == REFERENCE:
            return None
        reference = batch.reference.load(Path(batch.base))
        check_unchanged(batch.reference, batch.base, batch.reference_digest, "reference")
        return reference
