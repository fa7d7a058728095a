"""mdprotocol run PROTOCOL: simulate what is missing, measure, judge, report."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from mdprotocol import app
from mdprotocol.cli import options
from mdprotocol.cli.outcome import print_verdicts
from mdprotocol.cli.progress import progress


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("run", help="run a protocol and judge its models", description=__doc__)
    options.add_protocol(parser)
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="results folder (results/<protocol name>)")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress, only the verdict")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Run it."""
    command = shlex.join(["mdprotocol", *sys.argv[1:]])
    with progress(quiet=args.quiet) as on_event:
        finished = app.run(options.source(args), args.output, command, on_event)
    if finished.executed == 0:
        print("every run was finished already: nothing was simulated", file=sys.stderr)
    print_verdicts(finished)
    return app.exit_code(finished.verdicts)
