"""mdprotocol compare A B: two results folders side by side, criterion by criterion."""

from __future__ import annotations

import argparse
from typing import Any

from rich.console import Console
from rich.table import Table

from mdprotocol import app
from mdprotocol.cli import options
from mdprotocol.verdicts import CHANGED, changes_in_words


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("compare", help="compare two results folders", description=__doc__)
    options.add_results(parser, "first")
    options.add_results(parser, "second")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Compare."""
    rows = app.compare(args.first, args.second)
    table = Table(box=None)
    for name in rows[0] if rows else ("nothing in common",):
        table.add_column(str(name), no_wrap=True)
    for row in rows:
        table.add_row(*(f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.values()))
    Console(soft_wrap=True).print(table)
    for side, folder in (("A", args.first), ("B", args.second)):
        changed = app.changed(folder)
        if changed:
            print(f"{side}: {CHANGED}: {changes_in_words(changed)}")
    return 0
