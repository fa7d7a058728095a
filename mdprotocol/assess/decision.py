"""From the outcomes of criteria to the decision on a model and the uses it is recommended for."""

from __future__ import annotations

from collections.abc import Sequence

from mdprotocol.assess.failed_runs import Failures
from mdprotocol.protocol.schema import RecommendedUse
from mdprotocol.verdicts import CriterionResult, Decision, Level, Outcome, Recommendation

PROBLEMS = (
    (Outcome.FAIL, "failed"),
    (Outcome.NOT_MEASURED, "could not be measured"),
    (Outcome.INCONCLUSIVE, "could not be decided with this many replicas"),
)


def decide(
    results: Sequence[CriterionResult], failed: Failures, itself: Sequence[str] = (), alone: Sequence[str] = ()
) -> tuple[Decision, list[str]]:
    """The decision and its reasons, in sentences; failed runs that the protocol tolerates are the first.

    Args:
        failed: the failed runs behind the criteria.
        itself: must criteria that would compare the reference with itself: what they ask is not known.
        alone: why must criteria do not approve by themselves.
    """
    must = [result for result in results if result.level is Level.MUST]
    reasons = [*filter(None, (failed.overlooked, failed.rejects)), *_sentences(must)]
    if failed.rejects or any(result.outcome is Outcome.FAIL for result in must):
        return Decision.REJECTED, reasons
    if itself:
        each = "criteria do" if len(itself) > 1 else "criterion does"
        reasons.append(f"{len(itself)} must {each} not apply to the reference itself: {', '.join(itself)}")
    elif not must:
        reasons.append("the protocol has no `must` criterion, so nothing can approve a model")
    reasons += alone
    if itself or alone or any(result.outcome is not Outcome.PASS for result in must) or not must:
        return Decision.UNDECIDED, reasons
    passed = f"all {len(must)} must criteria passed" if len(must) > 1 else "the must criterion passed"
    return Decision.APPROVED, [*reasons, passed]


def _sentences(must: Sequence[CriterionResult]) -> list[str]:
    found = []
    for outcome, what in PROBLEMS:
        names = [result.name for result in must if result.outcome is outcome]
        if names:
            each = "criteria" if len(must) > 1 else "criterion"
            found.append(f"{len(names)} of {len(must)} must {each} {what}: {', '.join(names)}")
    return found


def recommend(
    uses: Sequence[RecommendedUse],
    results: Sequence[CriterionResult],
    failed: Failures,
    itself: Sequence[str] = (),
    refused: str = "",
) -> list[Recommendation]:
    """A use is granted where everything that it requires has passed; a warning where something it names has failed.

    Args:
        failed: the failed runs behind the criteria. No use rests on more of them than the protocol tolerates.
        itself: must criteria that do not apply to the model; what requires them is not granted.
        refused: why no use at all is granted (warnings are given all the same); else empty.
    """
    return [
        _warning(use, results, failed) if use.if_failed else _recommendation(use, results, failed, itself, refused)
        for use in uses
    ]


def _recommendation(
    use: RecommendedUse, results: Sequence[CriterionResult], failed: Failures, itself: Sequence[str], refused: str
) -> Recommendation:
    needed = _named(use.requires, results)
    absent = [name for name in itself if name in use.requires or Level.MUST in use.requires]
    unknown = [name for name in use.requires if name not in set(Level) and all(r.name != name for r in results)]
    fell = failed.too_many([r.name for r in needed])
    blocked = [r.name for r in needed if r.outcome is not Outcome.PASS or r.name in fell]
    blocked = list(dict.fromkeys([*blocked, *absent, *unknown]))
    refused = refused or (f"the model is rejected: {failed.rejects}" if failed.rejects else "")
    reason = refused or _on_failed(fell, failed)
    return Recommendation(use.use, bool(needed) and not (blocked or refused), tuple(blocked), use.text, reason=reason)


def _warning(use: RecommendedUse, results: Sequence[CriterionResult], failed: Failures) -> Recommendation:
    named = _named(use.if_failed, results)
    fell = failed.too_many([r.name for r in named])
    because = tuple(r.name for r in named if r.outcome is Outcome.FAIL or r.name in fell)
    reason = _on_failed(fell, failed)
    return Recommendation(use.use, bool(because), text=use.text, warning=True, because=because, reason=reason)


def _on_failed(names: Sequence[str], failed: Failures) -> str:
    if not names:
        return ""
    count = len(failed.among(names))
    return f"{count} failed run{'s' * (count > 1)} behind {', '.join(names)}"


def _named(names: Sequence[str], results: Sequence[CriterionResult]) -> list[CriterionResult]:
    """Criteria by their own name or that of their level."""
    return [result for result in results if result.name in names or result.level.value in names]
