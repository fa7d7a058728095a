"""mdprotocol report RESULTS: write the reports again from stored measurements."""

from __future__ import annotations

import argparse
from typing import Any

from mdprotocol import app
from mdprotocol.cli import options
from mdprotocol.cli.guard import Ended
from mdprotocol.cli.outcome import print_verdicts
from mdprotocol.surroundings import kept_streams


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("report", help="write the reports again", description=__doc__)
    options.add_results(parser)
    options.add_loading(parser)
    parser.set_defaults(execute=execute, gives_verdict=True)


def execute(args: argparse.Namespace) -> Ended:
    """Report."""
    with kept_streams():
        finished = app.report(args.results, options.loading(app.stored(args.results), args))
    print_verdicts(finished)
    return Ended.of(finished)
