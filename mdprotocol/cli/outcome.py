"""The verdict on the terminal: one line a model, the criteria that stand in its way, where to read on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from mdprotocol.verdicts import INSTALLATION_CHECK, Decision, ModelVerdict

if TYPE_CHECKING:
    from mdprotocol.app import Finished

STYLES = {Decision.APPROVED: "bold green", Decision.REJECTED: "bold red", Decision.UNDECIDED: "bold yellow"}


def print_verdicts(finished: Finished) -> None:
    """Print to stdout, colours only on a terminal; what went wrong with a report to stderr."""
    from mdprotocol.report import head  # it brings numerics, for which `--help` does not wait

    console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
    for verdict in finished.verdicts:
        console.print(Text.assemble((str(verdict.decision), STYLES[verdict.decision]), f"  {head.title(verdict)}"))
        for line in head.head(verdict):
            console.print(Text(f"  {line.text if line.name == 'runs' else line}"))
        for cause in verdict.diagnosis:
            console.print(Text(f"  {cause.criterion}: {cause.cause} ({cause.evidence})"))
        for note in verdict.notes:
            console.print(Text(f"  {note}"))
        for use in _uses(verdict):
            console.print(Text(f"  {use}"))
    if "verdict.md" in finished.written:
        console.print(Text(f"read {finished.folder / 'verdict.md'}"))
    for problem in finished.problems:
        print(f"mdprotocol: {problem}", file=sys.stderr)
    checks = [verdict.model for verdict in finished.verdicts if verdict.installation_check]
    if checks:
        # Last, where it cannot be missed: what was approved here is no force field.
        console.print(Text(f"{INSTALLATION_CHECK}: nothing is recommended of {', '.join(checks)}"))


def _uses(verdict: ModelVerdict) -> Iterator[str]:
    """What the model is recommended for, and the warnings."""
    from mdprotocol.report import head

    granted = [use.use for use in verdict.recommendations if use.granted and not use.warning]
    if verdict.recommendations:
        nothing = "nothing" if verdict.installation_check else "nothing that the protocol names"
        yield f"recommended for: {', '.join(granted) or nothing}"
    for use in verdict.recommendations:
        if use.granted and use.warning:
            yield f"{use.use}: {head.because(use)}"
