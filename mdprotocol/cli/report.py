"""mdprotocol report RESULTS: write the reports again from stored measurements."""

from __future__ import annotations

import argparse
from typing import Any

from mdprotocol import app
from mdprotocol.cli import options
from mdprotocol.cli.outcome import print_verdicts


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("report", help="write the reports again", description=__doc__)
    options.add_results(parser)
    options.add_loading(parser)
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Report."""
    finished = app.report(args.results, options.loading(app.stored(args.results), args))
    print_verdicts(finished)
    return app.exit_code(finished.verdicts, finished.problems)
