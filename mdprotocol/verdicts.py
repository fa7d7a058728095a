"""The words of a verdict: measurement, outcome of a criterion, decision on a model. Plain data, no rules (see assess)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

INSTALLATION_CHECK = "check of the installation"
"""What a verdict is called that recommends nothing, because its runs are too short or its protocol says so."""


class Outcome(StrEnum):
    """Outcome of a criterion."""

    PASS = "PASS"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    NOT_MEASURED = "NOT MEASURED"


class Decision(StrEnum):
    """Decision on a model."""

    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    UNDECIDED = "UNDECIDED"


class Level(StrEnum):
    """How much a criterion weighs: `must` decides, `should` limits the recommended uses, `nice` informs."""

    MUST = "must"
    SHOULD = "should"
    NICE = "nice"


@dataclass(frozen=True)
class Measurement:
    """One number with its uncertainty, in one condition (a model, a system, a simulation, a temperature).

    Attributes:
        quantity: `metric.quantity`, such as `force_error.rmse`.
        units: unit of value, standard_error, low, high and samples.
        value: the pooled value; NaN when `reason` is given.
        standard_error: standard error of `value`; 0 for exact quantities.
        low, high: confidence interval at `confidence`.
        samples: one value per independent unit (replica).
        where: the condition's coordinates by dim name (`model`, `system`, `simulation`, `temperature`, ...).
        runs: run ids (relative paths in the results folder) that it was measured from.
        reason: why it could not be measured; empty when it was.
        labels: frames labelled by the reference that it was measured from, over all runs; None where it needs none.
    """

    quantity: str
    units: str
    value: float
    standard_error: float
    low: float
    high: float
    confidence: float
    samples: tuple[float, ...]
    where: Mapping[str, str | float]
    runs: tuple[str, ...] = ()
    reason: str = ""
    labels: int | None = None


@dataclass(frozen=True)
class ConditionResult:
    """A criterion in one condition."""

    measurement: Measurement
    outcome: Outcome
    advice: str = ""
    """For INCONCLUSIVE: what would decide it (how many more replicas, or picoseconds)."""
    more_replicas: int | None = None
    """For INCONCLUSIVE: how many more replicas each system, simulation and temperature in it needs; None where no practical
    number would do."""


@dataclass(frozen=True)
class CriterionResult:
    """A criterion judged: its outcome is that of its worst condition."""

    name: str
    level: Level
    description: str
    quantity: str
    units: str
    minimum: float | None
    maximum: float | None
    outcome: Outcome
    conditions: tuple[ConditionResult, ...] = ()
    reason: str = ""
    """Why it was NOT MEASURED as a whole (no condition at all), else empty."""
    note: str = ""
    """What else its numbers say: the chance that may still be behind a count."""

    @property
    def worst(self) -> ConditionResult | None:
        """The condition that decided: first of the worst outcome, nearest to (or furthest beyond) its bound."""
        return self.conditions[0] if self.conditions else None


@dataclass(frozen=True)
class Recommendation:
    """A use that the protocol's rules grant or refuse, or a warning that they give.

    Attributes:
        granted: the use is recommended; or the warning applies.
        blocked_by: criteria that stood in the way of a use.
        warning: it warns ("not for MD") instead of recommending.
        because: criteria whose failure, or whose failed runs, brought the warning.
        reason: what else decided, in words: failed runs, a check of the installation; else empty.
    """

    use: str
    granted: bool
    blocked_by: tuple[str, ...] = ()
    text: str = ""
    warning: bool = False
    because: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """What follow-up calculations found behind a failed criterion.

    Attributes:
        criterion: name of the criterion that failed.
        cause: the cause in words, such as `broken symmetry` or `energy discontinuity` (see assess/diagnose.py).
        evidence: the numbers that it rests on, in one sentence.
    """

    criterion: str
    cause: str
    evidence: str


@dataclass(frozen=True)
class ModelVerdict:
    """The verdict on one model."""

    model: str
    decision: Decision
    reasons: tuple[str, ...]
    criteria: tuple[CriterionResult, ...]
    recommendations: tuple[Recommendation, ...] = ()
    runs_planned: int = 0
    runs_completed: int = 0
    runs_failed: int = 0
    runs_missing: int = 0
    notes: tuple[str, ...] = field(default=())
    diagnosis: tuple[Diagnosis, ...] = ()
    """Why criteria failed, as far as follow-up calculations could tell."""
    guards: tuple[str, ...] = ()
    """Guards that see little in simulations that must criteria draw on, each with what goes unnoticed."""
    changed: tuple[str, ...] = ()
    """Criteria that differ from those that stood when the data was made: `drift.max 1 → 1e9`."""
    further_runs: str = ""
    """Runs of this model under other seeds or settings that the results folder has or had; empty where there are none."""
    dropped: tuple[str, ...] = ()
    """Must criteria that were not applied, each with the reason in one sentence."""
    installation_check: str = ""
    """Why nothing is recommended whatever the decision: the protocol checks an installation, or its runs are too short;
    else empty."""


CHANGED = "changed after the data"


def changes_in_words(changed: Sequence[str]) -> str:
    """`2 criteria: drift.max 1 → 1e9, no_crash removed`."""
    return f"{len(changed)} {'criterion' if len(changed) == 1 else 'criteria'}: {', '.join(changed)}"
