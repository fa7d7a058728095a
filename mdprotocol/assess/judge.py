"""Judge: criteria against measurements, and the decision on each model. The rules, all of them:

Condition  PASS where the whole confidence interval lies within the bound. FAIL where the whole of a stricter interval lies
           outside (see below). NOT MEASURED where any planned run has no value, or where `where` names a condition that
           this model was not planned for. Else INCONCLUSIVE, with the number of replicas, or picoseconds, that would
           decide it.
Criterion  its worst condition, in the order FAIL, NOT MEASURED, INCONCLUSIVE, PASS.
Model      any `must` FAIL: REJECTED. Else any `must` that is not PASS, or no `must` at all: UNDECIDED. Else APPROVED.
           A failed run that a `must` criterion draws on, beyond those that the protocol tolerates (`failed_runs`):
           REJECTED, whatever the criterion's number says (failed_runs.py).
           Criteria that would compare the reference with itself do not apply to it (plan/itself.py): with a `must`
           criterion among them it is UNDECIDED at best. Must criteria that were dropped are listed in the verdict.

Pooled     A condition that pools several systems, simulations or temperatures is INCONCLUSIVE where it would pass, but one
conditions of them lies clearly beyond the bound by itself (conditions.py).

Why the two intervals differ: APPROVED claims that every condition of every `must` criterion keeps its bound, which is an
intersection-union test (Berger 1982, Technometrics 24, 295): testing each condition at c holds the whole at c, and nothing has
to be corrected. REJECTED claims that some condition of some `must` criterion breaks its bound, and over many chance finds one.
The failures of all conditions of all `must` criteria are therefore judged together with Holm's correction (familywise.py):
with confidence c not one of them is false. `should` and `nice` criteria reject nobody: each is corrected for its own conditions.

Counts (`total`) are judged as they are, because a protocol that allows no crash asks what happened; the chance that may
still be behind them is told beside them ("0 of 36 crashed: at most 8 % with 95 % confidence").

Looks: where replicas are added until a verdict is reached (`looks` in the protocol, --until-decided), every look judges
at 1 - (1 - c)/looks, PASS and FAIL alike. Over all looks together c holds, whatever decided when to stop (Bonferroni; an
alpha spent in equal parts, as in Pocock 1977, Biometrika 64, 191, but without his allowance for the looks' correlation).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mdprotocol.assess.advice import advise
from mdprotocol.assess.alone import judged_alone
from mdprotocol.assess.conditions import hidden
from mdprotocol.assess.decision import decide, recommend
from mdprotocol.assess.failed_runs import failed_runs
from mdprotocol.assess.familywise import ConditionTest, Strictness, holm
from mdprotocol.assess.measurements import Measurements
from mdprotocol.assess.notes import chance_note, dropped_criteria, installation_check, notes_of
from mdprotocol.assess.pooling import Pooled, measured_conditions, pooled
from mdprotocol.contracts import Quantity
from mdprotocol.plan import CriterionCondition, Run, Study, split_quantity
from mdprotocol.plan.guards import blind_spots
from mdprotocol.plan.itself import left_out_note, without
from mdprotocol.plan.twice import pooled_twice
from mdprotocol.protocol.schema import Criterion, Protocol, RecommendedUse
from mdprotocol.verdicts import INSTALLATION_CHECK, ConditionResult, CriterionResult, Level, ModelVerdict, Outcome

BADNESS = (Outcome.FAIL, Outcome.NOT_MEASURED, Outcome.INCONCLUSIVE, Outcome.PASS)


def judge_models(study: Study, measurements: Measurements) -> list[ModelVerdict]:
    """The verdict on every model of the protocol; the reference's own trajectories are not judged."""
    return [_judge_model(model, study, measurements) for model in study.protocol.models]


def _judge_model(model: str, study: Study, measurements: Measurements) -> ModelVerdict:
    protocol, planned, dropped = study.protocol, study.runs_of(model), study.left_out(model)
    drafts = [_draft(name, model, study, measurements) for name in protocol.criteria if name not in dropped]
    levels = _levels(drafts)
    results = [_result(draft, levels[draft.name]) for draft in drafts]
    outcomes = [measurements.outcomes.get(run.id, "missing") for run in planned]
    failed = failed_runs(study, model, measurements)
    itself = [name for name in dropped if protocol.criteria[name].level is Level.MUST]
    decision, reasons = decide(results, failed, itself, judged_alone(study, model))
    deciding = [name for name in study.of_level(Level.MUST) if name not in dropped]
    drawn = [run for name in deciding for run in study.drawn_on(name, model)]
    too_small = installation_check(protocol, max((run.length_ps for run in drawn), default=0.0))
    refused = f"{INSTALLATION_CHECK}: {too_small}" if too_small else ""
    tested = max((level.tests for name in deciding for level in levels[name]), default=0)
    return ModelVerdict(
        model=model,
        decision=decision,
        reasons=tuple(reasons),
        criteria=tuple(results),
        recommendations=tuple(recommend(_uses(protocol, dropped, itself), results, failed, itself, refused)),
        runs_planned=len(planned),
        runs_completed=outcomes.count("completed"),
        runs_failed=outcomes.count("failed"),
        runs_missing=outcomes.count("missing"),
        notes=((left_out_note(dropped),) if dropped else ())
        + tuple(notes_of(protocol, model, decision, results, tested)),
        dropped=tuple(dropped_criteria(protocol, itself)),
        guards=tuple(_blind(protocol, drawn)),
        installation_check=too_small,
    )


def _uses(protocol: Protocol, dropped: Sequence[str], itself: Sequence[str]) -> list[RecommendedUse]:
    """The recommended uses, requiring only criteria that apply; a must criterion stays required."""
    return without(protocol.recommendations, [name for name in dropped if name not in itself])


def _blind(protocol: Protocol, runs: Sequence[Run]) -> Iterator[str]:
    """Guards that see little in the simulations of these runs: `nve: bond_stretch is off, ...`."""
    for base in dict.fromkeys(run.base_simulation for run in runs):
        for guard, text in blind_spots(protocol.simulations[base]):
            yield f"{base}: {guard}: {text}"


@dataclass(frozen=True)
class _Draft:
    """A criterion with its conditions, before the conditions of all criteria are judged together."""

    name: str
    criterion: Criterion
    quantity: Quantity | None
    reason: str
    conditions: tuple[Pooled, ...]
    confidence: float

    @property
    def tests(self) -> list[ConditionTest]:
        """Conditions that were measured."""
        found = [one for one in self.conditions if not one.measurement.reason]
        return [ConditionTest(self.criterion, one, self.confidence) for one in found]


def _draft(name: str, model: str, study: Study, measurements: Measurements) -> _Draft:
    """Pool the conditions of one criterion for one model."""
    criterion, metric = study.protocol.criteria[name], study.metric_of(name)
    quantity = metric.quantities.get(split_quantity(criterion.metric)[1]) if metric else None
    conditions = study.conditions_of(name, model)
    confidence = 1 - (1 - criterion.confidence) / study.protocol.looks
    reason = _nothing(criterion, quantity, conditions) or pooled_twice(study, name, model)
    found: list[Pooled] = []
    if quantity is not None and not reason:
        least = -math.inf if criterion.min is None else criterion.min
        most = math.inf if criterion.max is None else criterion.max
        grouped = measured_conditions(criterion.metric, conditions, measurements)
        found = [pooled(criterion.metric, quantity, condition, confidence).facing(least, most) for condition in grouped]
    return _Draft(name, criterion, quantity, reason, tuple(found), confidence)


def _levels(drafts: Sequence[_Draft]) -> dict[str, list[Strictness]]:
    """How clear each measured condition's failure had to be, by criterion: all `must` criteria together, each other alone."""
    together = [draft for draft in drafts if draft.criterion.level is Level.MUST]
    families = [together, *([draft] for draft in drafts if draft.criterion.level is not Level.MUST)]
    found: dict[str, list[Strictness]] = {}
    for family in families:
        levels = iter(holm([test for draft in family for test in draft.tests]))
        found |= {draft.name: [next(levels) for _ in draft.tests] for draft in family}
    return found


def _result(draft: _Draft, levels: Sequence[Strictness]) -> CriterionResult:
    criterion = draft.criterion
    judged = [_judge_condition(test, level) for test, level in zip(draft.tests, levels, strict=True)]
    absent = [
        ConditionResult(one.measurement, Outcome.NOT_MEASURED) for one in draft.conditions if one.measurement.reason
    ]
    results = _sorted(draft, [*judged, *absent])
    return CriterionResult(
        name=draft.name,
        level=criterion.level,
        description=criterion.description,
        quantity=criterion.metric,
        units=draft.quantity.units if draft.quantity else (criterion.units or ""),
        minimum=criterion.min,
        maximum=criterion.max,
        outcome=results[0].outcome if results else Outcome.NOT_MEASURED,
        conditions=tuple(results),
        reason=draft.reason,
        note=chance_note(criterion, draft.quantity, results) if draft.quantity else "",
    )


def _sorted(draft: _Draft, results: Sequence[ConditionResult]) -> list[ConditionResult]:
    """The deciding condition first; the order of the plan among equals."""
    order = {id(one.measurement): index for index, one in enumerate(draft.conditions)}
    planned = sorted(results, key=lambda condition: order[id(condition.measurement)])
    return sorted(
        planned, key=lambda condition: (BADNESS.index(condition.outcome), -_excess(draft.criterion, condition))
    )


def _nothing(criterion: Criterion, quantity: Quantity | None, conditions: Sequence[CriterionCondition]) -> str:
    """Why nothing at all can be judged; empty where there is something."""
    if quantity is None:
        return f"there is no quantity {criterion.metric}"
    if criterion.units is not None and criterion.units != quantity.units:
        return f"the bound is in {criterion.units}, but {criterion.metric} in {quantity.units}"
    return "" if conditions else "no run or probe was planned that it could be measured from"


def _excess(criterion: Criterion, condition: ConditionResult) -> float:
    """How far the value lies beyond the nearer bound, in its units; negative inside; -inf where not measured."""
    value = condition.measurement.value
    if math.isnan(value):
        return -math.inf
    beyond = [value - criterion.max] if criterion.max is not None else []
    below = [criterion.min - value] if criterion.min is not None else []
    return max(beyond + below)


def _judge_condition(test: ConditionTest, level: Strictness) -> ConditionResult:
    found = test.pooled.measurement
    within = test.within(test.confidence)
    if level.failed and not within:
        return ConditionResult(found, Outcome.FAIL)
    beyond = hidden(test)
    if within and not beyond:
        return ConditionResult(found, Outcome.PASS)
    if beyond and test.least <= found.value <= test.most:
        return ConditionResult(found, Outcome.INCONCLUSIVE, beyond)  # more replicas cannot make it pass
    own = [run.length_ps for run, _, _ in test.pooled.condition.readings if isinstance(run, Run)]
    advice = advise(test, level, own)
    return ConditionResult(
        found, Outcome.INCONCLUSIVE, "; ".join(filter(None, (beyond, advice.text))), advice.more_replicas
    )


def inconclusive(result: CriterionResult) -> Iterator[ConditionResult]:
    """Conditions of a criterion that more replicas would decide."""
    return (c for c in result.conditions if c.outcome is Outcome.INCONCLUSIVE and c.more_replicas is not None)
