"""Consent: nothing is allowed by default; what the command line allows, worker processes inherit."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from mdprotocol.consent import Consent, consenting, grant, granted


def test_nothing_is_allowed_by_default_and_only_what_was_named_is() -> None:
    with consenting():
        assert not any(map(granted, Consent))
        grant(Consent.COMMANDS)
        assert granted(Consent.COMMANDS)
        assert not granted(Consent.LOCAL_PLUGINS)


@pytest.mark.parametrize("said", ["", "0", "no", "false", "true"])
def test_only_one_is_a_yes(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setenv(Consent.COMMANDS.value, said)
    assert not granted(Consent.COMMANDS)


def test_it_ends_with_the_context_and_what_was_allowed_before_comes_back() -> None:
    with consenting(Consent.COMMANDS):
        with consenting(Consent.LOCAL_PLUGINS):
            assert not granted(Consent.COMMANDS)
        assert granted(Consent.COMMANDS)
        assert not granted(Consent.LOCAL_PLUGINS)


def test_programs_that_are_started_inherit_it() -> None:
    code = "from mdprotocol.consent import *; print(granted(Consent.COMMANDS), granted(Consent.LOCAL_PLUGINS))"
    with consenting(Consent.COMMANDS):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.split() == ["True", "False"]
