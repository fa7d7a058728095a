"""mdprotocol selftest PROTOCOL: plant known faults in the protocol's models and see which of them it catches."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from mdprotocol import app
from mdprotocol.cli import guard, options
from mdprotocol.cli.progress import progress


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("selftest", help="plant faults and see what a protocol catches", description=__doc__)
    options.add_protocol(parser)
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="folder of the report")
    parser.add_argument("--faults", metavar="A,B", help="only these faults")
    parser.add_argument("--sound", type=_count, metavar="N", help="repetitions without a fault")
    parser.add_argument("--sizes", action="store_true", help="look for the smallest size of each fault that is caught")
    parser.add_argument(
        "--oracle", action="store_true", help="plant them in an analytic model too, sound by construction"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress, only the result")
    parser.set_defaults(execute=execute)


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{number} is no number of repetitions")
    return number


def execute(args: argparse.Namespace) -> int:
    """Test; 0 where the protocol has its declared power with every model, else 1; 4 where a fault could not be tried."""
    names = None if args.faults is None else [name.strip() for name in args.faults.split(",") if name.strip()]
    with progress(quiet=args.quiet) as on_event:
        tested = app.selftest(
            options.source(args),
            args.output,
            on_event,
            faults=names,
            sound=args.sound,
            sizes=args.sizes,
            oracle=args.oracle,
        )
    _print(tested)
    if tested.broken:
        _complain(tested)
        return guard.INTERNAL
    return 0 if tested.met else 1


def _print(tested: app.SelfTested) -> None:
    console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
    for power in tested.powers:
        style = "bold green" if power.met else "bold red"
        state = "MET" if power.met else "NOT KNOWN" if power.broken else "NOT MET"
        console.print(Text.assemble((state, style), f"  {power.model}"))
        total, sound = len(power.faults), power.sound
        console.print(Text(f"  {power.as_expected} of {total} faults caught as they should be, {power.caught} at all"))
        for seen in power.faults:
            if not seen.as_expected:
                how = f"seen by {', '.join(seen.by)} only" if seen.by else "not seen"
                console.print(Text(f"    {seen.fault.name}: {how}"))
        for broken in power.broken:
            console.print(Text(f"    {broken.fault.name}: could not be tried ({'; '.join(broken.problems)})"))
        console.print(
            Text(f"  {sound.alarms} false alarms in {sound.repetitions} sound repetitions (rate < {sound.bound:.1%})")
        )
    console.print(Text(f"read {tested.folder / 'selftest.md'}"))


def _complain(tested: app.SelfTested) -> None:
    """Errors of the self-test, with their tracebacks: each once, whatever it has broken."""
    problems = {problem: text for broken in tested.broken for problem, text in broken.problems.items()}
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for problem, text in problems.items():
        console.print(Text(text.rstrip() or problem))
    names = ", ".join(dict.fromkeys(broken.fault.name for broken in tested.broken))
    console.print(Text(f"mdprotocol: these faults could not be tried, because of errors of the self-test: {names}"))
