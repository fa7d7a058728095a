"""The verdict on the terminal: its head, and its last line."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from mdprotocol.app import Finished
from mdprotocol.cli.outcome import print_verdicts
from mdprotocol.testing.reports import sound_verdict, troubled_verdict
from mdprotocol.verdicts import Recommendation


def printed(capsys, *verdicts) -> list[str]:
    print_verdicts(Finished(Path("out"), verdicts, executed=0, written={"verdict.md": "0" * 64}))
    return capsys.readouterr().out.splitlines()


def test_failed_runs_are_counted_below_the_reasons(capsys) -> None:
    lines = printed(capsys, sound_verdict()[0], troubled_verdict()[0])
    assert lines[:3] == ["APPROVED  original", "  all 3 must criteria passed", "  0 of 18 runs failed"]
    assert "  2 of 18 runs failed, 1 missing" in lines
    assert lines[-1] == "read out/verdict.md"


def test_a_check_of_the_installation_is_named_first_and_last(capsys) -> None:
    refused = (Recommendation("production MD", False, reason="too short"),)
    verdict = dataclasses.replace(sound_verdict()[0], installation_check="too short", recommendations=refused)
    lines = printed(capsys, verdict)
    assert lines[0] == "APPROVED  original (check of the installation)"
    assert "  check of the installation: too short" in lines
    assert "  recommended for: nothing" in lines
    assert lines[-1].startswith("check of the installation: ")


def test_what_was_dropped_and_why_a_warning_is_given_are_told(capsys) -> None:
    warning = Recommendation("not for MD", True, warning=True, because=("drift",), reason="2 failed runs behind drift")
    verdict = dataclasses.replace(
        sound_verdict()[0], dropped=("forces: null in child.yaml",), recommendations=(warning,)
    )
    lines = printed(capsys, verdict)
    assert "  must criterion dropped: forces: null in child.yaml" in lines
    assert "  not for MD: 2 failed runs behind drift" in lines


def test_a_short_protocol_is_approved_with_exit_code_0_and_recommends_nothing(cli, small: Path) -> None:
    ended = cli("run", small, "-o", "out", "-q")
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert lines[0] == "APPROVED  gfn1 (check of the installation)"
    assert lines[2] == "  0 of 3 runs failed"
    assert "check of the installation" in lines[-1]
    assert "production MD" not in ended.out
