"""mdprotocol selftest where a fault could not be tried: exit code 4, with the traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mdprotocol import app
from mdprotocol.app.selftesting import SelfTested
from mdprotocol.assess.selftest import Broken, Planted, Power, Trial, false_alarms
from mdprotocol.cli import main
from mdprotocol.protocol.schema import Protocol

SOUND = Trial("sound", "APPROVED", {})


def ended(problems: dict[str, str]) -> SelfTested:
    quiet = false_alarms(Protocol.model_construct(criteria={}, metrics={}), [SOUND])
    broken = (Broken(Planted("bug", "it raises", None, "", ()), problems),) if problems else ()
    return SelfTested(Path("out"), (Power("mine", SOUND, (), quiet, 0.9, broken),), 1.0)


def test_an_error_of_the_self_test_is_shown_with_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = "Traceback (most recent call last):\n  somewhere\nZeroDivisionError: no mass\n"

    def tested(*arguments: Any, **options: Any) -> SelfTested:
        return ended({"ZeroDivisionError: no mass": trace})

    monkeypatch.setattr(app, "selftest", tested)
    assert main(["selftest", "any.yaml", "-q"]) == 4
    shown = capsys.readouterr()
    assert "NOT KNOWN  mine" in shown.out
    assert "bug: could not be tried (ZeroDivisionError: no mass)" in shown.out
    assert trace in shown.err
    assert "could not be tried, because of errors of the self-test: bug" in shown.err


def test_without_an_error_the_power_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "selftest", lambda *arguments, **options: ended({}))
    assert main(["selftest", "any.yaml", "-q"]) == 0
