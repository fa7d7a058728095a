"""mdprotocol bench PROTOCOL: how fast its models step on this machine, side by side with a plain ASE loop."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mdprotocol import app
from mdprotocol.cli import options
from mdprotocol.cli.progress import progress


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "bench", help="time a protocol's models side by side with plain ASE", description=__doc__
    )
    options.add_protocol(parser)
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="results folder (results/<protocol name>)")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter bursts: rough ratios in half a minute")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress, only the table")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Time it."""
    with progress(quiet=args.quiet) as on_event:
        benched = app.bench(options.source(args), args.output, args.quick, on_event)
    print(benched.markdown)
    print(f"read {benched.folder / 'bench.md'}")
    return 0
