"""How much is spent on causes: in full for what decides, a quick look for what would only have been nice."""

from __future__ import annotations

from pathlib import Path

import pytest

from mdprotocol.app import diagnosing
from mdprotocol.app.checking import check
from mdprotocol.app.sources import Source
from mdprotocol.plan.followup import FollowUp
from mdprotocol.store import ResultsFolder
from mdprotocol.verdicts import CriterionResult, Decision, Level, ModelVerdict, Outcome

SMOKE = Path(__file__).parents[2] / "protocols" / "smoke.yaml"


def failed(*levels: Level) -> ModelVerdict:
    results = tuple(
        CriterionResult(f"drift_{k}", level, "", "energy_drift.per_atom", "meV/atom/ps", None, 1.0, Outcome.FAIL)
        for k, level in enumerate(levels)
    )
    return ModelVerdict("original", Decision.APPROVED, (), results)


def wanted(verdict: ModelVerdict, folder: Path, seconds: float) -> FollowUp:
    prepared, plan = check(Source(SMOKE))
    return diagnosing._task(verdict, prepared, plan, ResultsFolder(folder), seconds)


@pytest.mark.parametrize("levels", [(Level.MUST,), (Level.SHOULD, Level.NICE)])
def test_what_decides_is_followed_up_in_full(tmp_path: Path, levels: tuple[Level, ...]) -> None:
    task = wanted(failed(*levels), tmp_path, 9.0)
    assert (task.seconds, task.quick) == (9.0, False)


def test_what_would_be_nice_gets_a_quick_look(tmp_path: Path) -> None:
    task = wanted(failed(Level.NICE, Level.NICE), tmp_path, 9.0)
    assert (task.seconds, task.quick) == (diagnosing.NICE_SECONDS, True)
    assert diagnosing.NICE_SECONDS <= 2.0
    assert wanted(failed(Level.NICE), tmp_path, 0.5).seconds == 0.5


def test_nothing_that_failed_is_followed_up_with_nothing() -> None:
    assert diagnosing.followed(failed(), {}) == []
