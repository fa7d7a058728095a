"""Fuzz a reader for as long as you like: python tests/fuzz/fuzz.py READER --minutes 30 --seed 1

Minutes are processor time, so that a figure means the same on a busy machine as on an idle one.
Works in a child process, so that a crash of a C library is a finding too. Findings go to --findings, each with the text
of what happened; try one again with: python tests/fuzz/fuzz.py READER --repeat FILE
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from campaign import Campaign, name_of, outcome
from readers import READERS

CHUNK = 1_000_000
"""Numbers that a child has for itself: after a crash the next one goes on with others."""


def main() -> int:
    """Entry point; 0 where nothing was found, else 1."""
    args = _arguments()
    if args.repeat:
        return _repeat(args.reader, args.repeat)
    if args.child is not None:
        return _child(args)
    crashes, tried, number = 0, 0, 0
    args.findings.mkdir(parents=True, exist_ok=True)
    known = set(args.findings.iterdir())
    while (left := 60 * args.minutes - _children_seconds()) > 1:
        with tempfile.TemporaryDirectory() as folder:
            code = _spawn(args, folder, left, number)
            tried += int((Path(folder) / "iterations").read_text() if (Path(folder) / "iterations").exists() else 0)
            if code < 0:
                crashes += 1
                data = (Path(folder) / "current").read_bytes()
                _keep(args.findings, args.reader, data, f"the process died of signal {-code}\n")
            elif code > 0:
                return code
        number += 1
    found = set(args.findings.glob(f"{args.reader}-*.bin")) - known
    print(f"{args.reader}: {tried} inputs in {args.minutes:g} min of processor time, seed {args.seed}; {len(found)} findings, "
          f"{crashes} of them by a crash")  # fmt: skip
    return bool(found)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reader", choices=READERS)
    parser.add_argument("--minutes", type=float, default=1.0, help="of processor time (default: 1)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"))
    parser.add_argument("--repeat", type=Path, metavar="FILE")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _children_seconds() -> float:
    """Processor time of the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _spawn(args: argparse.Namespace, folder: str, seconds: float, number: int) -> int:
    command = [sys.executable, __file__, args.reader, "--child", str(number), "--folder", folder]
    command += ["--seed", str(args.seed), "--findings", str(args.findings), "--minutes", str(seconds / 60)]
    return subprocess.run(command, check=False).returncode


def _child(args: argparse.Namespace) -> int:
    campaign = Campaign(READERS[args.reader](args.folder), args.seed, args.folder)
    deadline, first = 60 * args.minutes, args.child * CHUNK
    while time.process_time() < deadline and campaign.iterations < CHUNK:
        campaign.run(first + campaign.iterations, 1000, deadline)
        (args.folder / "iterations").write_text(str(campaign.iterations))
        for data, text in campaign.findings.values():
            _keep(args.findings, args.reader, data, text)
    return 0


def _keep(folder: Path, reader: str, data: bytes, text: str) -> None:
    path = folder / f"{reader}-{name_of(data)}.bin"
    path.write_bytes(data)
    path.with_suffix(".txt").write_text(f"{text}\nagain: python tests/fuzz/fuzz.py {reader} --repeat {path}\n")


def _repeat(reader: str, path: Path) -> int:
    with tempfile.TemporaryDirectory() as folder:
        made = READERS[reader](Path(folder))
        copy = Path(folder) / made.file
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
        end = outcome(made, copy)
    print(end.text or f"{end.place}: sound")
    return int(end.bad)


if __name__ == "__main__":
    sys.exit(main())
