"""A guard that lets no calculator start a program, unless the user allows it.

The second line: calculators that are known to start programs are refused before they are made. An audit hook, which
Python calls before it starts a program, raises. It cannot be taken out again, so it is put in once, and looks at nothing
while no calculator is at work.
"""

from __future__ import annotations

import functools
import platform
import sys
from types import TracebackType
from typing import Any

from mdprotocol.api import Consent, PluginError, granted

STARTS = frozenset({
    "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "pty.spawn",
    "os.startfile", "os.startfile/2", "_winapi.CreateProcess",
})  # fmt: skip
"""Audit events of programs that are about to start."""

_active: list[NoPrograms] = []


class NoPrograms:
    """A context in which calculators are made and evaluated.

    The program that is refused ends what wanted it, here or at the latest when the context is left, and from then on
    entering it is an error too: a calculator that swallows the exception has lost what it asked for all the same.

    Args:
        calculator: its name in messages.
    """

    def __init__(self, calculator: str) -> None:
        self._calculator, self._refused = calculator, ""

    def __enter__(self) -> None:
        if self._refused:
            raise PluginError(self._refused)
        _install()
        _active.append(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _active.remove(self)
        if self._refused and not isinstance(error, KeyboardInterrupt):
            raise PluginError(self._refused) from None

    def refuse(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Called by the hook.

        Raises:
            PluginError: always.
        """
        self._refused = self._refused or refusal(self._calculator, _program(event, arguments))
        raise PluginError(self._refused)


def refusal(calculator: str, program: str = "") -> str:
    """Why a calculator is refused that starts programs, and what to do."""
    what = f"tried to start a program ({program})" if program else "may start other programs"
    return f"calculator '{calculator}' {what}; look at what it does, then add {Consent.COMMANDS.flag}"


@functools.cache
def _install() -> None:
    platform.processor()  # asks `uname`, once: libraries that want to know it later need no program for it
    sys.addaudithook(_hook)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _active and event in STARTS and not granted(Consent.COMMANDS):
        _active[-1].refuse(event, arguments)


def _program(event: str, arguments: tuple[Any, ...]) -> str:
    """What was to be started, as far as the event tells."""
    parts = arguments[1] if event == "subprocess.Popen" and len(arguments) > 1 else (arguments or (event,))[0]
    words = parts if isinstance(parts, list | tuple) else [parts]
    text = " ".join(word.decode(errors="replace") if isinstance(word, bytes) else str(word) for word in words)
    text = " ".join(text.split())
    return text if len(text) <= 100 else text[:100] + "..."
