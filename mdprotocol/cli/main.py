"""Parse the command line, run the command, turn errors into exit codes.

0 every model APPROVED (or the command did what it should); 1 some model REJECTED; 2 the protocol or the command line is
wrong; 3 UNDECIDED; 4 an internal error; 130 interrupted (143 by SIGTERM).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any

from mdprotocol import __version__, surroundings
from mdprotocol.cli import bench, check, compare, guard, judge, new, plugins, report, run, schema, selftest
from mdprotocol.errors import Interrupted, MDProtocolError, UsageError, asked_to_stop

COMMANDS = (run, check, judge, report, compare, selftest, bench, plugins, schema, new)
BROKEN_PIPE = 128 + 13
"""As SIGPIPE ends a program; 0 would be an approval."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the console script; returns the exit code.

    Args:
        arguments: of the command line. Without, they are those of the process, and the work is done in a child process
            that cannot end this one (`mdprotocol.cli.guard`); with them, in this process.
    """
    surroundings.usable_streams()
    if arguments is None:
        surroundings.plain_interpreter()
    args = parser().parse_args(arguments)
    gives_verdict = bool(getattr(args, "gives_verdict", False))
    in_main_thread = threading.current_thread() is threading.main_thread()
    if arguments is None and in_main_thread and hasattr(os, "fork"):
        return guard.guarded(lambda: _execute(args, gives_verdict), _handle_signals, gives_verdict)
    with _handled_signals() if in_main_thread else contextlib.nullcontext():
        ended = _execute(args, gives_verdict)
    wrong = guard.problem(ended) if gives_verdict else ""
    if wrong:
        _complain(f"internal error: {wrong}")
    return guard.INTERNAL if wrong else ended.code


def _execute(args: argparse.Namespace, gives_verdict: bool) -> guard.Ended:
    """Run the command; whatever it raises becomes an exit code."""
    try:
        found = args.execute(args)
        ended = found if isinstance(found, guard.Ended) else guard.Ended(int(found))
        lost = surroundings.lost_output()
        return ended if lost is None else _without_output(ended, lost, gives_verdict)
    except UsageError as error:
        _complain(str(error))
        return guard.Ended(2)
    except MDProtocolError as error:
        _complain(str(error))
        return guard.Ended(guard.INTERNAL)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return guard.Ended(BROKEN_PIPE)
    except BaseException as error:
        if asked_to_stop(error):
            _complain("interrupted; what was done is kept, the same command goes on from there")
            return guard.Ended(128 + (error.signal if isinstance(error, Interrupted) else signal.SIGINT))
        # Whatever else: a plugin that calls `sys.exit` decides nothing.
        traceback.print_exc()
        _complain("internal error: this is a bug in mdprotocol or in a plugin, not in your protocol")
        return guard.Ended(guard.INTERNAL)


def _without_output(ended: guard.Ended, error: OSError, gives_verdict: bool) -> guard.Ended:
    """A verdict is in its file, whatever the terminal could show; of other commands the output is all there is."""
    if gives_verdict or ended.code:
        return ended
    if surroundings.is_closed_pipe(error):
        return guard.Ended(BROKEN_PIPE)
    _complain(f"cannot write the output: {error.strerror or error}")
    return guard.Ended(guard.INTERNAL)


@contextlib.contextmanager
def _handled_signals() -> Iterator[None]:
    before = _handle_signals()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _handle_signals() -> dict[signal.Signals, Any]:
    """SIGINT and SIGTERM raise `Interrupted`, where nobody has decided otherwise; the handlers before.

    What runs is told to write its checkpoint. A plain KeyboardInterrupt is then one that others' code has raised.
    """
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    return {
        number: signal.signal(number, _interrupt)
        for number, handler in usual.items()
        if signal.getsignal(number) == handler
    }


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted(number)


def parser() -> argparse.ArgumentParser:
    """The parser with all commands."""
    top = argparse.ArgumentParser(
        prog="mdprotocol",
        description="The acceptance test for machine-learned force fields: one YAML protocol in, a verdict out.",
    )
    top.add_argument("--version", action="version", version=f"mdprotocol {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for module in COMMANDS:
        module.add(commands)
    return top


def _complain(text: str) -> None:
    with contextlib.suppress(OSError):
        print(f"mdprotocol: {text}" if "\n" not in text else text, file=sys.stderr)
