"""The verdict on the terminal: one line a model, the criteria that stand in its way, where to read on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from mdprotocol.verdicts import Decision, ModelVerdict

if TYPE_CHECKING:
    from mdprotocol.app import Finished

STYLES = {Decision.APPROVED: "bold green", Decision.REJECTED: "bold red", Decision.UNDECIDED: "bold yellow"}


def print_verdicts(finished: Finished) -> None:
    """Print to stdout, colours only on a terminal; what went wrong with a report to stderr."""
    console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
    for verdict in finished.verdicts:
        console.print(_headline(verdict))
        for reason in verdict.reasons:
            console.print(Text(f"  {reason}"))
        for cause in verdict.diagnosis:
            console.print(Text(f"  {cause.criterion}: {cause.cause} ({cause.evidence})"))
        for note in verdict.notes:
            console.print(Text(f"  {note}"))
        granted = [use.use for use in verdict.recommendations if use.granted and not use.warning]
        if verdict.recommendations:
            console.print(Text(f"  recommended for: {', '.join(granted) or 'nothing that the protocol names'}"))
        for warning in (use for use in verdict.recommendations if use.granted and use.warning):
            console.print(Text(f"  {warning.use}: {', '.join(warning.because)} failed"))
    console.print(Text(f"read {finished.folder / 'verdict.md'}"))
    for problem in finished.problems:
        print(f"mdprotocol: {problem}", file=sys.stderr)


def _headline(verdict: ModelVerdict) -> Text:
    return Text.assemble((str(verdict.decision), STYLES[verdict.decision]), f"  {verdict.model}")
