"""Faults of the evidence: a variable that is not there, runs that were skipped, a reference that labels itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mdprotocol.faults.fault import Change
from mdprotocol.faults.planting import planted
from mdprotocol.plan.types import Batch, Plan
from mdprotocol.protocol.schema import REFERENCE
from mdprotocol.store import ResultsFolder

LABEL = "reference_force"


@dataclass(frozen=True)
class LostVariable(Change):
    """A variable is missing in the file of one run: the reference's forces, or the velocities where there are none."""

    def planned(self, plan: Plan, label: str) -> Plan:
        return plan

    def spoil(self, plan: Plan, folder: ResultsFolder) -> None:
        runs = [run for run in plan.runs if run.model != REFERENCE and folder.exists(run.path)]
        labelled = [run for run in runs if run.settings.reference_every] or runs
        for run in labelled[:1]:
            with folder.open(run.path) as stored:
                dataset = stored.load()
            lost = LABEL if LABEL in dataset.variables else "velocity"
            folder.write_dataset(run.path, dataset.drop_vars(lost))


@dataclass(frozen=True)
class SkippedSimulation(Change):
    """The first simulation of every model is never run."""

    def planned(self, plan: Plan, label: str) -> Plan:
        first = next((run.simulation for run in plan.runs if run.model != REFERENCE), "")
        # What was not run must not be taken over from elsewhere either, so these runs are others than the sound ones.
        marked = planted(plan, label, lambda batch: replace(batch) if batch.runs[0].simulation == first else batch)
        kept = (b for b in marked.batches if b.model == REFERENCE or b.runs[0].simulation != first)
        return replace(marked, batches=tuple(kept))


@dataclass(frozen=True)
class OwnReference(Change):
    """Frames are labelled by the model itself in place of the reference: every error is zero."""

    def planned(self, plan: Plan, label: str) -> Plan:
        def batch(one: Batch) -> Batch:
            return replace(one, reference=one.component, reference_digest="") if one.reference is not None else one

        return planted(plan, label, batch)
