"""mdprotocol judge RESULTS: judge stored data again, with edited criteria if you like; no simulation."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mdprotocol import app
from mdprotocol.cli import options
from mdprotocol.cli.guard import Ended
from mdprotocol.cli.outcome import print_verdicts
from mdprotocol.surroundings import kept_streams


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("judge", help="judge stored results again", description=__doc__)
    options.add_results(parser)
    parser.add_argument("--protocol", type=Path, help="use this protocol's criteria instead of the stored ones")
    options.add_loading(parser)
    parser.set_defaults(execute=execute, gives_verdict=True)


def execute(args: argparse.Namespace) -> Ended:
    """Judge."""
    base = app.Source(args.protocol) if args.protocol else app.stored(args.results)
    with kept_streams():
        finished = app.judge(args.results, options.loading(base, args))
    print_verdicts(finished)
    return Ended.of(finished)
