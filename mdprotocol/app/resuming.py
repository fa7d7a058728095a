"""What is left to do in a results folder, and why something could not be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mdprotocol.contracts import TaskFailure
from mdprotocol.plan import Plan
from mdprotocol.plan.estimate import batch_seconds
from mdprotocol.plan.types import Batch, Probe, ProbeBatch, Run
from mdprotocol.store import ResultsFolder
from mdprotocol.store.work import unfinished


def pending(plan: Plan, folder: ResultsFolder) -> tuple[list[Batch], list[ProbeBatch]]:
    """Batches and probes that are not finished.

    A batch that was begun keeps its composition, because bits may depend on who steps together; its work folder says
    what that is. Runs that are finished are in no other batch, and never run again.
    """
    missing = {run.id: run for run in plan.runs if _missing(folder, run)}
    begun = _begun(plan, folder, missing)
    taken = {run.id for batch in begun for run in batch.runs}
    fresh = [_only(batch, [run for run in batch.runs if run.id in missing.keys() - taken]) for batch in plan.batches]
    batches = sorted([*begun, *(batch for batch in fresh if batch.runs)], key=lambda batch: -batch_seconds(batch))
    probes = [
        _only(batch, [probe for probe in batch.probes if _missing(folder, probe)]) for batch in plan.probe_batches
    ]
    return batches, [batch for batch in probes if batch.probes]


def _missing(folder: ResultsFolder, item: Run | Probe) -> bool:
    return folder.identity(item.path) != item.identity


def _only(batch: Any, items: Sequence[Any]) -> Any:
    return replace(batch, **{"runs" if isinstance(batch, Batch) else "probes": tuple(items)})


def _begun(plan: Plan, folder: ResultsFolder, missing: Mapping[str, Run]) -> list[Batch]:
    """Batches with a work folder whose runs are all still planned; other work folders are no use to anybody."""
    planned = {run.id: (run, batch) for batch in plan.batches for run in batch.runs}
    found: list[Batch] = []
    for work, facts in unfinished(folder):
        named = _named(facts)
        runs = [planned[id][0] for id, identity in named if id in planned and planned[id][0].identity == identity]
        taken = {run.id for batch in found for run in batch.runs}
        wanted = missing.keys() - taken
        batch = None
        if (
            len(runs) == len(named) > 0
            and any(run.id in wanted for run in runs)
            and not taken & {run.id for run in runs}
        ):
            structures = {run.system: plan.structures[run.system] for run in runs}
            batch = replace(planned[runs[0].id][1], runs=tuple(runs), structures=structures)
        if batch is not None and batch.key == work.key:
            found.append(batch)
        else:  # under another name it would not be found again
            work.remove()
    return found


def _named(facts: Any) -> list[tuple[str, str]]:
    """Ids and identities of a work folder's runs; none where its header is not one of ours."""
    try:
        return [(str(run["id"]), str(run["identity"])) for run in facts["runs"]]
    except (KeyError, TypeError):
        return []


def forget_problems(folder: ResultsFolder, tasks: Sequence[Batch | ProbeBatch]) -> None:
    """These are tried again, so what kept them from being done is past."""
    for item in (item for task in tasks for item in _items(task)):
        folder.forget_problem(item.id)


def keep_problem(folder: ResultsFolder, task: Batch | ProbeBatch, failure: TaskFailure) -> None:
    """A task was lost: what it has not finished gets the reason."""
    for item in _items(task):
        if _missing(folder, item):
            folder.write_problem(item.id, item.identity, str(failure))


def _items(task: Batch | ProbeBatch) -> Sequence[Run | Probe]:
    return task.runs if isinstance(task, Batch) else task.probes
