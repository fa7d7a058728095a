"""What a user has to allow before it is done, because a protocol is data and may come from a stranger.

Consent is kept in environment variables: the command line sets them, and worker processes inherit them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum


class Consent(StrEnum):
    """What can be allowed; the value is the environment variable that says so (`1` is yes)."""

    LOCAL_PLUGINS = "MDPROTOCOL_ALLOW_LOCAL_PLUGINS"
    """Import code that a protocol names and that no installed package brings."""
    COMMANDS = "MDPROTOCOL_ALLOW_COMMANDS"
    """Let calculators start other programs."""

    @property
    def flag(self) -> str:
        """The option of the command line that grants it."""
        return {Consent.LOCAL_PLUGINS: "--allow-local-plugins", Consent.COMMANDS: "--allow-commands"}[self]


def granted(what: Consent) -> bool:
    """Whether the user has allowed this."""
    return os.environ.get(what.value) == "1"


def grant(what: Consent) -> None:
    """Allow this in this process and in those that it starts from now on."""
    os.environ[what.value] = "1"


@contextmanager
def consenting(*allowed: Consent) -> Iterator[None]:
    """Within it, exactly these are allowed; afterwards all is as it was."""
    before = {what: os.environ.pop(what.value, None) for what in Consent}
    try:
        for what in allowed:
            grant(what)
        yield
    finally:
        for what, value in before.items():
            os.environ.pop(what.value, None)
            if value is not None:
                os.environ[what.value] = value
