"""What a verdict says beside its outcomes: chances behind counts, the correction for many conditions, replicas added, criteria
that were dropped, and whether the protocol is more than a check of the installation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from mdprotocol.assess.statistics import most_likely
from mdprotocol.contracts import Quantity
from mdprotocol.plan.itself import ITSELF
from mdprotocol.plan.metrics import split_quantity
from mdprotocol.protocol.schema import Addition, Criterion, Protocol
from mdprotocol.verdicts import ConditionResult, CriterionResult, Decision, Level, Outcome

NO_RUN = "no must criterion draws on a run"


def chance_note(criterion: Criterion, quantity: Quantity, results: Sequence[ConditionResult]) -> str:
    """`0 of 36 crashed: at most 8 % with 95 % confidence`, over all conditions of a count of events; else empty.

    Conditions of the metric's own dims (failures by cause) would count a run more than once: nothing is said of them.
    """
    dims = {dim for condition in results for dim in condition.measurement.where} - {"model", *criterion.per}
    samples = np.array([x for condition in results for x in condition.measurement.samples])
    measured = all(condition.outcome is not Outcome.NOT_MEASURED for condition in results)
    if quantity.pool != "total" or dims or not measured or len(samples) == 0 or not np.isin(samples, (0, 1)).all():
        return ""
    hits, confidence = int(samples.sum()), criterion.confidence
    chance = 100 * most_likely(hits, len(samples), confidence)
    event = split_quantity(criterion.metric)[1].replace("_", " ")
    most = f"{chance:.0f}" if chance >= 10 else f"{chance:.2g}"
    return f"{hits} of {len(samples)} {event}: at most {most} % with {100 * confidence:g} % confidence"


def dropped_criteria(protocol: Protocol, itself: Sequence[str]) -> Iterator[str]:
    """Must criteria that were not applied, each with the reason: `forces: null in child.yaml`.

    Args:
        itself: those that would compare the reference with itself.
    """
    yield from (f"{name}: {ITSELF}" for name in itself)
    yield from (f"{name}: {how}" for name, how in protocol.dropped.items())


def installation_check(protocol: Protocol, longest_ps: float) -> str:
    """Why a protocol recommends nothing, whatever its verdict; empty where it may.

    Args:
        longest_ps: length of the longest planned run that a must criterion draws on; 0 where there is none.
    """
    if protocol.installation_check:
        return "the protocol declares itself one"
    if longest_ps >= protocol.least_length_ps * (1 - 1e-9):
        return ""
    drawn = f"the longest run that a must criterion draws on takes {longest_ps:g} ps" if longest_ps else NO_RUN
    return f"{drawn}; below {protocol.least_length_ps:g} ps (least_length_ps) nothing is recommended"


def notes_of(
    protocol: Protocol, model: str, decision: Decision, results: Sequence[CriterionResult], tests: int
) -> Iterator[str]:
    """Notes of a verdict.

    Args:
        tests: number of conditions with a sampling error in all `must` criteria.
    """
    must = [result for result in results if result.level is Level.MUST]
    if decision is Decision.REJECTED and tests > 1:
        confidence = min((protocol.criteria[result.name].confidence for result in must), default=0.95)
        yield (
            f"failures are judged together over {tests} conditions of all must criteria (Holm's correction): the chance that "
            f"any of them is false is at most {100 * (1 - confidence):.2g} %"
        )
    yield from (f"{result.name}: {result.note}" for result in results if result.note)
    yield from (f"left out: {place}: {why}" for place, why in protocol.left_out.items())
    if protocol.looks > 1:
        yield (
            f"replicas could be added at up to {protocol.looks} looks: each judges at a confidence of "
            f"1 - (1 - c)/{protocol.looks}, so that c holds over all of them"
        )
    for name, simulation in protocol.simulations.items():
        own = [a for a in simulation.additions if a.models is None or model in a.models]
        for look in sorted({addition.look for addition in own}):
            yield _added(name, simulation.replicas, [addition for addition in own if addition.look == look], look)


def _added(simulation: str, planned: int, additions: Sequence[Addition], look: int) -> str:
    """`nve: replicas added after look 1, up to 12 instead of 4 in 3 conditions, because energy_drift is inconclusive`."""
    most = max(addition.replicas for addition in additions)
    conditions = f"{len(additions)} condition{'s' * (len(additions) > 1)}"
    why = "; ".join(dict.fromkeys(addition.why for addition in additions if addition.why))
    because = f", because {why}" if why else ""
    return f"{simulation}: replicas added after look {look}, up to {most} instead of {planned} in {conditions}{because}"
