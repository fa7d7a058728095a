"""Parse the command line, run the command, turn errors into exit codes.

0 every model APPROVED (or the command did what it should); 1 some model REJECTED; 2 the protocol or the command line is
wrong; 3 UNDECIDED; 4 an internal error; 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence

from mdprotocol import __version__
from mdprotocol.cli import bench, check, compare, judge, new, plugins, report, run, schema, selftest
from mdprotocol.errors import MDProtocolError, UsageError

COMMANDS = (run, check, judge, report, compare, selftest, bench, plugins, schema, new)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the console script; returns the exit code."""
    args = parser().parse_args(arguments)
    try:
        return int(args.execute(args))
    except UsageError as error:
        _complain(str(error))
        return 2
    except MDProtocolError as error:
        _complain(str(error))
        return 4
    except KeyboardInterrupt:
        _complain("interrupted; finished runs are kept, the same command goes on from there")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception:
        traceback.print_exc()
        _complain("internal error: this is a bug in mdprotocol or in a plugin, not in your protocol")
        return 4


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
