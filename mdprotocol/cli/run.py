"""mdprotocol run PROTOCOL: simulate what is missing, measure, judge, report."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from mdprotocol import app
from mdprotocol.cli import options
from mdprotocol.cli.guard import Ended
from mdprotocol.cli.outcome import print_verdicts
from mdprotocol.cli.progress import progress
from mdprotocol.errors import UsageError
from mdprotocol.surroundings import kept_streams


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("run", help="run a protocol and judge its models", description=__doc__)
    options.add_protocol(parser)
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="results folder (results/<protocol name>)")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress, only the verdict")
    parser.add_argument(
        "--until-decided", action="store_true", help="add the replicas that an open verdict asks for, at up to 3 looks"
    )
    parser.add_argument(
        "--budget-minutes",
        type=_positive,
        metavar="M",
        help="with --until-decided: add no more than fits into this time",
    )
    parser.add_argument(
        "--max-replicas", type=int, metavar="N", help="with --until-decided: of one condition, in all (64)"
    )
    parser.add_argument(
        "--stop-when-decided", action="store_true", help="leave out runs that can no longer change a verdict"
    )
    parser.add_argument(
        "--reuse",
        type=Path,
        action="append",
        default=[],
        metavar="RESULTS",
        help="take over finished runs of this results folder that are the very runs that are planned (may be repeated)",
    )
    parser.add_argument(
        "--fresh", action="store_true", help="delete what an earlier run left in the results folder, and start over"
    )
    parser.add_argument("--no-diagnosis", action="store_true", help="do not look for the causes of failed criteria")
    parser.set_defaults(execute=execute, gives_verdict=True)


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError("a time above 0 is needed")
    return value


def _options(args: argparse.Namespace) -> app.RunOptions:
    limits = {"budget_minutes": args.budget_minutes, "max_replicas": args.max_replicas}
    given = {name: value for name, value in limits.items() if value is not None}
    if given and not args.until_decided:
        raise UsageError(f"--{next(iter(given)).replace('_', '-')} limits --until-decided, which was not asked for")
    until = app.UntilDecided(**given) if args.until_decided else None
    return app.RunOptions(until, args.stop_when_decided, not args.no_diagnosis, tuple(args.reuse), args.fresh)


def execute(args: argparse.Namespace) -> Ended:
    """Run it."""
    command = shlex.join(["mdprotocol", *sys.argv[1:]])
    chosen = _options(args)
    with kept_streams(), progress(quiet=args.quiet) as on_event:
        finished = app.run(options.source(args), args.output, command, on_event, chosen)
    if finished.executed == 0 and not any(verdict.runs_missing for verdict in finished.verdicts):
        print("every run was finished already: nothing was simulated", file=sys.stderr)
    print_verdicts(finished)
    return Ended.of(finished)
