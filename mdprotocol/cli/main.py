"""Parse the command line, run the command, turn errors into exit codes.

0 every model APPROVED (or the command did what it should); 1 some model REJECTED; 2 the protocol or the command line is
wrong; 3 UNDECIDED; 4 an internal error; 130 interrupted (143 by SIGTERM).
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from types import FrameType

from mdprotocol import __version__
from mdprotocol.cli import bench, check, compare, judge, new, plugins, report, run, schema, selftest
from mdprotocol.errors import Interrupted, MDProtocolError, UsageError

COMMANDS = (run, check, judge, report, compare, selftest, bench, plugins, schema, new)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the console script; returns the exit code."""
    args = parser().parse_args(arguments)
    # Like Ctrl-C: what runs is told to write its checkpoint. (Only a main thread can have handlers.)
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _interrupt)
    try:
        return int(args.execute(args))
    except UsageError as error:
        _complain(str(error))
        return 2
    except MDProtocolError as error:
        _complain(str(error))
        return 4
    except KeyboardInterrupt as error:
        _complain("interrupted; what was done is kept, the same command goes on from there")
        return 128 + (error.signal if isinstance(error, Interrupted) else signal.SIGINT)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13  # as SIGPIPE ends a program; 0 would be an approval
    except (Exception, SystemExit):  # a plugin that calls `sys.exit` decides nothing
        traceback.print_exc()
        _complain("internal error: this is a bug in mdprotocol or in a plugin, not in your protocol")
        return 4


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
    print(f"mdprotocol: {text}" if "\n" not in text else text, file=sys.stderr)
