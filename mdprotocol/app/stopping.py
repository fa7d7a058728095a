"""Runs that can no longer change a verdict, found between batches: `run --stop-when-decided`.

Only an exact failure is final while runs are missing: a run that crashed has crashed, whatever the others do. A failure of
a mean is not, because the correction for many cells grows with the cells that are still to come.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from mdprotocol.assess import judge_models, measure
from mdprotocol.assess.failed_runs import runs_behind
from mdprotocol.contracts import Metric
from mdprotocol.errors import StoreError
from mdprotocol.plan import Plan
from mdprotocol.plan.estimate import batch_seconds
from mdprotocol.plan.metrics import quantity_of, split_quantity
from mdprotocol.plan.types import Batch, Run
from mdprotocol.protocol.schema import REFERENCE, Protocol
from mdprotocol.store import ResultsFolder
from mdprotocol.verdicts import Level, ModelVerdict, Outcome

FILE = "skipped.json"
GROWING = ("total", "max")
"""Exact pools that more runs can only make larger: a count, and the largest value."""


def simulate_while_open(
    protocol: Protocol,
    metrics: Mapping[str, Metric],
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
    behind = {
        model: runs_behind(protocol, metrics, [run for run in plan.runs if run.model == model])
        for model in protocol.models
    }
    while queue:
        failed = {model: final_failures(protocol, metrics, plan, folder, model) for model in protocol.models}
        for batch in [batch for batch in queue if not _matters(batch, protocol, behind, failed)]:
            queue.remove(batch)
            why = f"not run: the verdict could no longer change ({', '.join(sorted(failed[batch.model]))} failed)"
            skipped |= {run.id: why for run in batch.runs}
        wave, queue = queue[:at_once], queue[at_once:]
        if wave:
            simulate(wave)
    folder.write_json(FILE, {"runs": skipped})


def final_failures(
    protocol: Protocol, metrics: Mapping[str, Metric], plan: Plan, folder: ResultsFolder, model: str
) -> set[str]:
    """Criteria that this model has failed by a count or an extreme, which no further run can undo."""
    exact = {name: c for name, c in protocol.criteria.items() if _is_exact(c.metric, metrics)}
    used = {
        name: metric
        for name, metric in metrics.items()
        if any(split_quantity(c.metric)[0] == name for c in exact.values())
    }
    if not exact:
        return set()
    own = [run for run in plan.runs if run.model == model and folder.identity(run.path) == run.identity]
    asked = protocol.model_copy(update={"criteria": exact, "models": {model: protocol.models[model]}})
    (verdict,) = judge_models(asked, used, own, plan.probes, measure(asked, used, own, plan.probes, folder))
    return {
        result.name for result in verdict.criteria if result.outcome is Outcome.FAIL and _stays(protocol, result.name)
    }


def _is_exact(quantity: str, metrics: Mapping[str, Metric]) -> bool:
    metric, name = split_quantity(quantity)
    return metric in metrics and quantity_of(metrics[metric], name).pool in GROWING


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


def excused(
    protocol: Protocol,
    metrics: Mapping[str, Metric],
    runs: Sequence[Run],
    verdict: ModelVerdict,
    skipped: Collection[str],
) -> set[str]:
    """Ids of the model's runs that were left out and could not change its verdict, as it is now.

    A verdict by other criteria may depend on what was left out under the first ones.

    Args:
        runs: all planned runs.
        skipped: ids of the runs that were left out.
    """
    own = [run for run in runs if run.model == verdict.model]
    failed = {result.name for result in verdict.criteria if result.outcome is Outcome.FAIL}
    if not failed:
        return set()
    return {run.id for run in own if run.id in skipped} - needed(protocol, runs_behind(protocol, metrics, own), failed)


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
