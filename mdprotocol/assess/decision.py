"""From the outcomes of criteria to the decision on a model and the uses it is recommended for."""

from __future__ import annotations

from collections.abc import Sequence

from mdprotocol.protocol.schema import RecommendedUse
from mdprotocol.verdicts import CriterionResult, Decision, Level, Outcome, Recommendation

PROBLEMS = (
    (Outcome.FAIL, "failed"),
    (Outcome.NOT_MEASURED, "could not be measured"),
    (Outcome.INCONCLUSIVE, "could not be decided with this many replicas"),
)


def decide(results: Sequence[CriterionResult]) -> tuple[Decision, list[str]]:
    """The decision and its reasons, in sentences."""
    must = [result for result in results if result.level is Level.MUST]
    if not must:
        return Decision.UNDECIDED, ["the protocol has no `must` criterion, so nothing can approve a model"]
    reasons = list(_sentences(must))
    if any(result.outcome is Outcome.FAIL for result in must):
        return Decision.REJECTED, reasons
    if reasons:
        return Decision.UNDECIDED, reasons
    return Decision.APPROVED, [
        f"all {len(must)} must criteria passed" if len(must) > 1 else "the must criterion passed"
    ]


def _sentences(must: Sequence[CriterionResult]) -> list[str]:
    found = []
    for outcome, what in PROBLEMS:
        names = [result.name for result in must if result.outcome is outcome]
        if names:
            each = "criteria" if len(must) > 1 else "criterion"
            found.append(f"{len(names)} of {len(must)} must {each} {what}: {', '.join(names)}")
    return found


def recommend(uses: Sequence[RecommendedUse], results: Sequence[CriterionResult]) -> list[Recommendation]:
    """A use is granted where everything that it requires has passed; a warning where something it names has failed."""
    return [_warning(use, results) if use.if_failed else _recommendation(use, results) for use in uses]


def _recommendation(use: RecommendedUse, results: Sequence[CriterionResult]) -> Recommendation:
    needed = _named(use.requires, results)
    unknown = [name for name in use.requires if name not in set(Level) and all(r.name != name for r in results)]
    blocked = [r.name for r in needed if r.outcome is not Outcome.PASS] + unknown
    return Recommendation(use.use, bool(needed) and not blocked, tuple(blocked), use.text)


def _warning(use: RecommendedUse, results: Sequence[CriterionResult]) -> Recommendation:
    failed = tuple(r.name for r in _named(use.if_failed, results) if r.outcome is Outcome.FAIL)
    return Recommendation(use.use, bool(failed), text=use.text, warning=True, because=failed)


def _named(names: Sequence[str], results: Sequence[CriterionResult]) -> list[CriterionResult]:
    """Criteria by their own name or that of their level."""
    return [result for result in results if result.name in names or result.level.value in names]
