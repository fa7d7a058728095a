"""The use cases as plain functions, a file for each kind: the command line only parses and prints.

A use case is imported when it is first asked for: `check` needs no statistics, and only reports need matplotlib.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mdprotocol.app.benching import Benched, bench
    from mdprotocol.app.checking import check
    from mdprotocol.app.concluding import VERDICT, Finished, exit_code
    from mdprotocol.app.judging import changed, compare, judge, report
    from mdprotocol.app.running import RunOptions, UntilDecided, run
    from mdprotocol.app.selftesting import SelfTested, selftest
    from mdprotocol.app.sources import Prepared, Source, prepare, stored

_MODULES = {
    "benching": ("Benched", "bench"),
    "checking": ("check",),
    "concluding": ("VERDICT", "Finished", "exit_code"),
    "judging": ("changed", "compare", "judge", "report"),
    "running": ("RunOptions", "UntilDecided", "run"),
    "selftesting": ("SelfTested", "selftest"),
    "sources": ("Prepared", "Source", "prepare", "stored"),
}
_WHERE = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "VERDICT",
    "Benched",
    "Finished",
    "Prepared",
    "RunOptions",
    "SelfTested",
    "Source",
    "UntilDecided",
    "bench",
    "changed",
    "check",
    "compare",
    "exit_code",
    "judge",
    "prepare",
    "report",
    "run",
    "selftest",
    "stored",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    found = getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = found
    return found
