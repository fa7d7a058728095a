"""What trials with planted faults say about a protocol: sight, power, false alarms and their exact bound."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import pytest

from mdprotocol.api import ModelFault, RecordFault, Size, properties
from mdprotocol.assess.selftest import (
    Broken,
    Planted,
    Power,
    Seen,
    Trial,
    expected_of,
    false_alarms,
    metric_types,
    see,
    upper_bound,
)
from mdprotocol.contracts import TaskFailure
from mdprotocol.protocol.schema import Criterion, Protocol
from mdprotocol.verdicts import Outcome

PASS, FAIL, OPEN, NONE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.NOT_MEASURED


def protocol(**levels: tuple[str, str]) -> Protocol:
    """Criteria by name: (level, metric)."""
    criteria = {name: Criterion.model_validate({"level": l, "metric": m, "max": 1}) for name, (l, m) in levels.items()}
    return Protocol.model_construct(criteria=criteria, metrics={})


TWO = protocol(forces=("must", "force_error.rmse"), drift=("must", "energy_drift.per_atom"), speed=("nice", "time.ms"))
SOUND = Trial("sound", "APPROVED", {"forces": PASS, "drift": PASS, "speed": PASS})


def trial(decision: str = "REJECTED", **outcomes: Outcome) -> Trial:
    return Trial("fault", decision, {**SOUND.outcomes, **outcomes}, dict.fromkeys(outcomes, "why"))


def fault(*seen_by: str) -> Planted:
    return Planted("fault", "something is wrong", 0.1, "eV", seen_by, by_any=not seen_by)


def seen(faulty: Trial, *seen_by: str, baseline: Trial = SOUND, registered: tuple[str, ...] = ()) -> Seen:
    return see(TWO, fault(*seen_by), baseline, faulty, registered)


def test_a_fault_is_caught_as_expected_where_the_right_must_criterion_fails() -> None:
    found = seen(trial(forces=FAIL), "force_error")
    assert (found.by, found.caught, found.as_expected) == (("forces",), True, True)
    assert found.details == {"forces": "why"}


def test_another_criterion_catches_but_not_as_expected() -> None:
    found = seen(trial(drift=FAIL), "force_error")
    assert (found.caught, found.as_expected) == (True, False)


def test_not_measured_catches_and_inconclusive_does_not() -> None:
    assert seen(trial(forces=NONE), "force_error").as_expected
    found = seen(trial("UNDECIDED", forces=OPEN), "force_error")
    assert (found.by, found.caught) == ((), False)


def test_a_nice_criterion_sees_but_does_not_catch() -> None:
    found = seen(trial("APPROVED", speed=FAIL), "time")
    assert (found.by, found.caught, found.as_expected) == (("speed",), False, False)


def test_a_criterion_that_fails_without_the_fault_sees_nothing() -> None:
    unsound = Trial("sound", "REJECTED", {**SOUND.outcomes, "forces": FAIL})
    assert not seen(trial(forces=FAIL), "force_error", baseline=unsound).caught


def test_a_fault_that_takes_evidence_away_is_for_any_criterion_to_see() -> None:
    assert seen(trial(drift=NONE)).as_expected


def test_what_is_not_seen_names_the_registered_metric_that_would() -> None:
    found = seen(trial("APPROVED"), "symmetry", "force_error", "absent", registered=("symmetry", "force_error"))
    assert found.blind == ("symmetry",)  # force_error is in a must criterion already, absent is no metric
    assert seen(trial(forces=FAIL), "force_error", registered=("symmetry",)).blind == ()


def test_a_metric_with_a_place_of_its_own_counts_by_its_type() -> None:
    named = protocol(mine=("must", "strict.rmse"))
    metric: Any = type("Metric", (), {"type": "force_error"})()
    assert metric_types(named.model_copy(update={"metrics": {"strict": metric}})) == {"mine": "force_error"}


def test_false_alarms_are_failures_of_must_criteria_without_a_fault() -> None:
    trials = [SOUND, trial(forces=FAIL), trial("UNDECIDED", drift=OPEN), trial("APPROVED", speed=FAIL)]
    found = false_alarms(TWO, trials)
    assert (found.repetitions, found.alarms) == (4, 1)
    assert found.by_criterion == {"forces": 1, "speed": 1}
    assert found.decisions == {"APPROVED": 2, "REJECTED": 1, "UNDECIDED": 1}


@pytest.mark.parametrize("count", [1, 20, 200])
def test_the_bound_of_no_alarm_is_exact(count: int) -> None:
    assert upper_bound(0, count) == pytest.approx(1 - 0.05 ** (1 / count), rel=1e-9)


def test_the_bound_with_alarms_is_that_of_the_binomial_distribution() -> None:
    from scipy.stats import binom

    bound = upper_bound(2, 20)
    assert binom.cdf(2, 20, bound) == pytest.approx(0.05, rel=1e-6)
    assert upper_bound(0, 0) == 1.0


def test_power_is_met_where_enough_is_caught_and_nothing_sound_is_rejected() -> None:
    yes, no = seen(trial(forces=FAIL), "force_error"), seen(trial("APPROVED"), "force_error")
    quiet, loud = false_alarms(TWO, [SOUND] * 20), false_alarms(TWO, [SOUND] * 19 + [trial(forces=FAIL)])
    assert Power("m", SOUND, (yes,) * 9 + (no,), quiet, 0.9).met
    assert not Power("m", SOUND, (yes,) * 8 + (no,) * 2, quiet, 0.9).met
    assert not Power("m", SOUND, (yes,) * 10, loud, 0.9).met


def test_a_fault_that_could_not_be_tried_is_neither_caught_nor_missed() -> None:
    yes, quiet = seen(trial(forces=FAIL), "force_error"), false_alarms(TWO, [SOUND] * 20)
    failure = TaskFailure("ZeroDivisionError", "no mass", "Traceback ...")
    broken = Broken.of(fault("force_error"), [failure, failure, TaskFailure("MemoryError", "")])
    assert broken.problems == {"ZeroDivisionError: no mass": "Traceback ...", "MemoryError: ": ""}
    power = Power("m", SOUND, (yes,), quiet, 1.0, (broken,))
    assert (power.caught, power.as_expected, len(power.faults)) == (1, 1, 1)
    assert not power.met
    assert Power("m", SOUND, (yes,), quiet, 1.0).met


def test_expected_of_a_fault_are_the_metrics_that_test_what_it_breaks() -> None:
    tests = {"turning": {properties.SYMMETRY}, "keeping": {properties.CONSERVATION, properties.MEMORYLESS}, "odd": ()}
    found = expected_of(Leaning(), tests)
    assert (found.name, found.what, found.size, found.units) == ("leaning", "everything leans", 0.5, "eV")
    assert (found.seen_by, found.breaks, found.by_any) == (("turning",), ("momentum", "symmetry"), False)


def test_a_fault_that_takes_away_what_every_metric_needs_is_for_any() -> None:
    found = expected_of(Gone(), {"turning": {properties.SYMMETRY}})
    assert (found.seen_by, found.by_any) == ((), True)
    assert expected_of(Gone(), {}).by_any


class Leaning(ModelFault):
    """Everything leans."""

    type: Literal["leaning"] = "leaning"
    slope_eV: float = 0.5
    sized: ClassVar = Size("slope_eV", "eV")
    breaks: ClassVar = frozenset({properties.SYMMETRY, properties.MOMENTUM})

    def prepare(self, sound: Any, topology: Any) -> Any:
        return sound.prepare(topology)


class Gone(RecordFault):
    """Everything is gone."""

    type: Literal["gone"] = "gone"
    breaks: ClassVar = frozenset({properties.EVIDENCE})

    def spoiled(self, runs: Any) -> Any:
        return {}
