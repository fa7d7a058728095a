"""What trials with planted faults say about a protocol: which criterion saw which fault, its power, its false alarms.

A criterion sees a fault where it is FAIL or NOT MEASURED with the fault and neither without it. A fault is caught where
a `must` criterion sees it: the model is then not approved. It counts towards the protocol's power where one of these
criteria measures what should see it. INCONCLUSIVE catches nothing, and is no false alarm: it claims nothing.

The false-alarm rate is that of repetitions without a fault, each with seeds of its own, in which a `must` criterion is
FAIL; its upper bound is the exact one of Clopper and Pearson (1934), Biometrika 26, 404, one-sided.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mdprotocol.assess.statistics import clopper_pearson
from mdprotocol.contracts import Fault, Property, TaskFailure
from mdprotocol.plan.metrics import split_quantity
from mdprotocol.protocol.schema import Protocol
from mdprotocol.verdicts import Level, ModelVerdict, Outcome

SIGHT = (Outcome.FAIL, Outcome.NOT_MEASURED)
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Planted:
    """A planted fault in words and numbers.

    Attributes:
        name, what, size, units: as in the catalogue.
        seen_by: types of the metrics that should see it: those that test a property which it breaks.
        breaks: names of these properties.
        by_any: any criterion should see it: it takes away what every metric needs.
    """

    name: str
    what: str
    size: float | None
    units: str
    seen_by: tuple[str, ...]
    breaks: tuple[str, ...] = ()
    by_any: bool = False


def expected_of(fault: Fault, tests: Mapping[str, Collection[Property]]) -> Planted:
    """A fault in words and numbers, and the metrics that should see it.

    Args:
        tests: the properties that each registered metric tests, by its type.
    """
    by_any = any(broken.in_every_metric for broken in fault.breaks)
    seen_by = tuple(name for name, tested in tests.items() if fault.breaks & set(tested)) if not by_any else ()
    units = fault.sized.units if fault.sized else ""
    breaks = tuple(sorted(broken.name for broken in fault.breaks))
    return Planted(fault.type, fault.what, fault.size, units, seen_by, breaks, by_any)


@dataclass(frozen=True)
class Trial:
    """What one trial ended with: a model's verdict, shortened.

    Attributes:
        name: of the fault, or of the sound repetition.
        decision: APPROVED, REJECTED or UNDECIDED.
        outcomes: outcome by criterion.
        details: why, by criterion that is not PASS: the worst condition's value, or the reason why there is none.
    """

    name: str
    decision: str
    outcomes: Mapping[str, Outcome]
    details: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, verdict: ModelVerdict) -> Trial:
        """A verdict in short."""
        details = {c.name: _detail(c) for c in verdict.criteria if c.outcome is not Outcome.PASS}
        return cls(name, str(verdict.decision), {c.name: c.outcome for c in verdict.criteria}, details)


def _detail(criterion: Any) -> str:
    worst = criterion.worst
    if worst is None:
        return str(criterion.reason)
    found = worst.measurement
    where = ", ".join(str(value) for dim, value in found.where.items() if dim != "model")
    return f"{found.reason or f'{found.value:.4g} {found.units}'} ({where})"


@dataclass(frozen=True)
class Seen:
    """A fault and what the protocol made of it.

    Attributes:
        fault: what was planted.
        outcomes: outcome by criterion.
        by: criteria that saw it.
        caught: a `must` criterion saw it.
        as_expected: a `must` criterion saw it that measures what should see it.
        blind: metrics that should see it, are registered, and are in no `must` criterion; where it was not caught so.
        details: what the criteria that saw it said.
        smallest: the smallest size tried at which it was caught; None where none was tried.
    """

    fault: Planted
    outcomes: Mapping[str, Outcome]
    by: tuple[str, ...]
    caught: bool
    as_expected: bool
    blind: tuple[str, ...] = ()
    details: Mapping[str, str] = field(default_factory=dict)
    smallest: float | None = None


@dataclass(frozen=True)
class Broken:
    """A fault that could not be tried: an error of the self-test, neither caught nor missed.

    Attributes:
        fault: what was to be planted.
        problems: what each error said, with its traceback.
    """

    fault: Planted
    problems: Mapping[str, str]

    @classmethod
    def of(cls, fault: Planted, failures: Iterable[TaskFailure]) -> Broken:
        """What ended the trial of a fault."""
        return cls(fault, {str(failure): failure.traceback for failure in failures})


@dataclass(frozen=True)
class FalseAlarms:
    """Repetitions without a fault.

    Attributes:
        repetitions: how many.
        alarms: how many a `must` criterion failed in.
        bound: exact upper bound of the rate, at `confidence`.
        by_criterion: how many repetitions each criterion of any level failed in.
        decisions: how many repetitions ended with each decision.
    """

    repetitions: int
    alarms: int
    bound: float
    by_criterion: Mapping[str, int]
    decisions: Mapping[str, int]
    confidence: float = CONFIDENCE


@dataclass(frozen=True)
class Power:
    """Whether a protocol does with one model what it declares.

    Attributes:
        model: the model under which the faults were planted.
        baseline: the trial without a fault that the faults are compared with.
        faults: every planted fault that could be tried.
        sound: the repetitions without a fault.
        declared: share of faults that must be caught as expected.
        broken: faults that could not be tried; with any, nobody knows whether the power is met.
    """

    model: str
    baseline: Trial
    faults: tuple[Seen, ...]
    sound: FalseAlarms
    declared: float
    broken: tuple[Broken, ...] = ()

    @property
    def caught(self) -> int:
        """Faults caught."""
        return sum(seen.caught for seen in self.faults)

    @property
    def as_expected(self) -> int:
        """Faults caught by a criterion that should see them."""
        return sum(seen.as_expected for seen in self.faults)

    @property
    def met(self) -> bool:
        """The declared share of faults is caught as expected, and no sound repetition is rejected."""
        enough = self.as_expected >= self.declared * len(self.faults) - 1e-9
        return enough and self.sound.alarms == 0 and not self.broken


def see(protocol: Protocol, fault: Planted, baseline: Trial, trial: Trial, registered: Iterable[str]) -> Seen:
    """What the protocol's criteria made of a fault.

    Args:
        registered: types of all metrics there are.
    """
    by = tuple(
        name
        for name, outcome in trial.outcomes.items()
        if outcome in SIGHT and baseline.outcomes.get(name) not in SIGHT
    )
    must = [name for name in by if protocol.criteria[name].level is Level.MUST]
    kinds = metric_types(protocol)
    as_expected = any(fault.by_any or kinds[name] in fault.seen_by for name in must)
    used = {kinds[name] for name, criterion in protocol.criteria.items() if criterion.level is Level.MUST}
    blind = () if as_expected else tuple(k for k in fault.seen_by if k in set(registered) and k not in used)
    details = {name: trial.details[name] for name in by if name in trial.details}
    return Seen(fault, trial.outcomes, by, bool(must), as_expected, blind, details)


def metric_types(protocol: Protocol) -> dict[str, str]:
    """Type of the metric behind each criterion."""
    names = {name: split_quantity(criterion.metric)[0] for name, criterion in protocol.criteria.items()}
    return {name: protocol.metrics[key].type if key in protocol.metrics else key for name, key in names.items()}


def false_alarms(protocol: Protocol, trials: Sequence[Trial]) -> FalseAlarms:
    """Count the repetitions without a fault in which a `must` criterion failed."""
    failed = [{name for name, outcome in trial.outcomes.items() if outcome is Outcome.FAIL} for trial in trials]
    must = {name for name, criterion in protocol.criteria.items() if criterion.level is Level.MUST}
    alarms = sum(bool(names & must) for names in failed)
    decisions = [trial.decision for trial in trials]
    return FalseAlarms(
        repetitions=len(trials),
        alarms=alarms,
        bound=upper_bound(alarms, len(trials)),
        by_criterion={name: count for name in protocol.criteria if (count := sum(name in f for f in failed))},
        decisions={decision: decisions.count(decision) for decision in dict.fromkeys(decisions)},
    )


def upper_bound(hits: int, count: int, confidence: float = CONFIDENCE) -> float:
    """Exact one-sided upper bound of a rate: 1 - (1 - c)^(1/n) where nothing was hit; 1 where nothing was tried."""
    return clopper_pearson(hits, count, 2 * confidence - 1)[1] if count else 1.0
