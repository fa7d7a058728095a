"""The head of a verdict: one list of lines for the terminal, the pages and junit.xml."""

from __future__ import annotations

import dataclasses

from mdprotocol.report.head import head, remarks, sentence, title
from mdprotocol.testing.reports import sound_verdict, troubled_verdict
from mdprotocol.verdicts import INSTALLATION_CHECK, Decision, ModelVerdict


def test_failed_runs_are_always_counted() -> None:
    sound, troubled = sound_verdict()[0], troubled_verdict()[0]
    assert [str(line) for line in head(sound)] == ["all 3 must criteria passed", "runs: 0 of 18 runs failed"]
    assert "runs: 2 of 18 runs failed, 1 missing" in map(str, head(troubled))
    assert [str(line) for line in head(ModelVerdict("ghost", Decision.UNDECIDED, (), ()))] == [
        "runs: 0 of 0 runs failed"
    ]


def test_the_reasons_come_first_and_what_was_dropped_is_listed() -> None:
    verdict = dataclasses.replace(
        sound_verdict()[0],
        reasons=("2 runs tolerated", "all passed"),
        dropped=("a: null in b.yaml", "c: nice in b.yaml"),
    )
    assert [str(line) for line in head(verdict)] == [
        "2 runs tolerated",
        "all passed",
        "runs: 0 of 18 runs failed",
        "must criterion dropped: a: null in b.yaml",
        "must criterion dropped: c: nice in b.yaml",
    ]
    assert sentence(verdict) == "2 runs tolerated; all passed."
    assert [line.name for line in remarks(verdict)] == ["runs", "must criterion dropped", "must criterion dropped"]


def test_a_check_of_the_installation_says_so_beside_the_name() -> None:
    verdict = dataclasses.replace(sound_verdict()[0], installation_check="too short")
    assert title(verdict) == f"original ({INSTALLATION_CHECK})"
    assert title(sound_verdict()[0]) == "original"
    assert f"{INSTALLATION_CHECK}: too short" in map(str, head(verdict))
