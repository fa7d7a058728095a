"""Runs that can no longer change a verdict, found between batches: `run --stop-when-decided`.

Only an exact failure is final while runs are missing: a run that crashed has crashed, whatever the others do. A failure of
a mean is not, because the correction for many conditions grows with the conditions that are still to come.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from mdprotocol.assess import judge_models, measure
from mdprotocol.assess.failed_runs import runs_behind
from mdprotocol.errors import StoreError
from mdprotocol.plan import Plan, Study
from mdprotocol.plan.estimate import batch_seconds
from mdprotocol.plan.metrics import quantity_of, split_quantity
from mdprotocol.plan.types import Batch
from mdprotocol.protocol.schema import REFERENCE, Protocol
from mdprotocol.store import ResultsFolder
from mdprotocol.verdicts import Level, ModelVerdict, Outcome

FILE = "skipped.json"
GROWING = ("total", "max")
"""Exact pools that more runs can only make larger: a count, and the largest value."""


def simulate_while_open(
    plan: Plan,
    folder: ResultsFolder,
    batches: Sequence[Batch],
    simulate: Callable[[Sequence[Batch]], None],
    at_once: int,
) -> None:
    """Simulate batches, the shortest first, as long as their runs can change a verdict; list the others in `skipped.json`.

    Args:
        simulate: simulates some batches to their end.
        at_once: batches between two looks, enough to keep all workers busy.
    """
    queue, skipped = sorted(batches, key=batch_seconds), dict[str, str]()
    behind = {model: runs_behind(plan.study, model) for model in plan.study.protocol.models}
    while queue:
        failed = {model: final_failures(plan.study, folder, model) for model in behind}
        for batch in [batch for batch in queue if not _matters(batch, plan.study.protocol, behind, failed)]:
            queue.remove(batch)
            why = f"not run: the verdict could no longer change ({', '.join(sorted(failed[batch.model]))} failed)"
            skipped |= {run.id: why for run in batch.runs}
        wave, queue = queue[:at_once], queue[at_once:]
        if wave:
            simulate(wave)
    folder.write_json(FILE, {"runs": skipped})


def final_failures(study: Study, folder: ResultsFolder, model: str) -> set[str]:
    """Criteria that this model has failed by a count or an extreme, which no further run can undo."""
    exact = [name for name in study.protocol.criteria if _is_exact(study, name)]
    if not exact:
        return set()
    there = [run for run in study.runs_of(model) if folder.identity(run.path) == run.identity]
    asked = study.narrowed(model, exact, there)
    (verdict,) = judge_models(asked, measure(asked, folder))
    failed = [result.name for result in verdict.criteria if result.outcome is Outcome.FAIL]
    return {name for name in failed if _stays(study.protocol, name)}


def _is_exact(study: Study, criterion: str) -> bool:
    metric, (_, quantity) = study.metric_of(criterion), split_quantity(study.protocol.criteria[criterion].metric)
    return metric is not None and quantity_of(metric, quantity).pool in GROWING


def _stays(protocol: Protocol, name: str) -> bool:
    """Whether more runs leave the failure: only an upper bound on what can only grow does."""
    return protocol.criteria[name].min is None


def _matters(
    batch: Batch,
    protocol: Protocol,
    behind: Mapping[str, Mapping[str, tuple[str, ...]]],
    failed: Mapping[str, set[str]],
) -> bool:
    """Whether the model's decision or one of its uses still depends on a run of this batch."""
    if batch.model == REFERENCE or not failed[batch.model]:
        return True
    ids = {run.id for run in batch.runs}
    return bool(ids & needed(protocol, behind[batch.model], failed[batch.model]))


def needed(protocol: Protocol, behind: Mapping[str, tuple[str, ...]], failed: set[str]) -> set[str]:
    """Ids of the runs that can still change a verdict in which these criteria have failed.

    Args:
        behind: ids of the runs whose failure counts against each criterion.
    """
    return {run for name in _open_criteria(protocol, failed) for run in behind[name]}


def _open_criteria(protocol: Protocol, failed: set[str]) -> set[str]:
    """Criteria that can still change a verdict in which `failed` have failed for good."""
    must = set(_named(protocol, [Level.MUST]))
    found = set() if must & failed else must
    for use in protocol.recommendations:
        names = set(_named(protocol, use.requires or use.if_failed))
        # A use is refused, and a warning given, as soon as one of its criteria has failed.
        found |= set() if names & failed else names
    return found - failed


def _named(protocol: Protocol, names: Sequence[str]) -> Iterator[str]:
    return (name for name, c in protocol.criteria.items() if name in names or c.level.value in names)


def excused(study: Study, verdict: ModelVerdict, skipped: Collection[str]) -> set[str]:
    """Ids of the model's runs that were left out and could not change its verdict, as it is now.

    A verdict by other criteria may depend on what was left out under the first ones.

    Args:
        skipped: ids of the runs that were left out.
    """
    failed = {result.name for result in verdict.criteria if result.outcome is Outcome.FAIL}
    if not failed:
        return set()
    own = {run.id for run in study.runs_of(verdict.model) if run.id in skipped}
    return own - needed(study.protocol, runs_behind(study, verdict.model), failed)


def skipped(folder: ResultsFolder) -> dict[str, str]:
    """Run id -> why it was left out, for runs that were."""
    found = folder.read_facts(FILE).get("runs", {})
    if not isinstance(found, dict):
        raise StoreError(f"{folder.root / FILE} is damaged: `runs` is no JSON object")
    return {run: str(why) for run, why in found.items()}


def none_skipped(folder: ResultsFolder) -> None:
    """Forget what an earlier run left out: this one leaves out nothing."""
    if folder.exists(FILE):
        folder.write_json(FILE, {"runs": {}})
