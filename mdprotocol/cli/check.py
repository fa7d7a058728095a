"""mdprotocol check PROTOCOL: what would be done, how long it takes, what each criterion is measured from."""

from __future__ import annotations

import argparse
from typing import Any

from mdprotocol import app
from mdprotocol.cli import options


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("check", help="check a protocol and print its plan", description=__doc__)
    options.add_protocol(parser)
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Check it."""
    from mdprotocol.plan.describe import describe  # not for the other commands to wait for

    _, plan = app.check(options.source(args))
    print("\n".join(describe(plan)))
    return 0
