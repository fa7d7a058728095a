"""SIGKILL a protocol again and again at random moments, and compare what is left in the end with an undisturbed run.

    python tests/crash/random_kills.py PROTOCOL --kills 100 --seed 1 --work DIR

After each kill every file of a run must open, and no finished run may be gone or changed. When a protocol has come to its
end its datasets and measurements must be bitwise those of the undisturbed run (timings excepted); then the next folder is
begun, until so many kills have been dealt. Prints one line of JSON; the exit code is 0 only where nothing was wrong.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import netCDF4
import numpy as np

from mdprotocol import app
from mdprotocol.app.sources import Source
from mdprotocol.engine import journal, labels
from mdprotocol.engine.tasks import single_thread

BUG = 70

TIMED = ("inference_time", "resources", "speed", "usable_timestep.ns_per_day")
"""Metrics whose values are of the clock."""


PLUGINS = ("mdprotocol.testing.plugins",)


def run_here(protocol: Path, folder: Path, overrides: tuple[str, ...]) -> int:
    """The run in this process, as the command line would end it."""
    source = Source(protocol, overrides=overrides, plugins=PLUGINS)
    finished = app.run(source, folder, "", lambda event: None)
    return app.exit_code(finished.verdicts, finished.problems)


def forked(work: Callable[[], int], seconds: float | None = None) -> int:
    """Exit code of the work in a process of its own (minus the signal where one ended it), killed after so long."""
    child = os.fork()
    if child == 0:
        code = BUG
        try:
            code = work()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    deadline = None if seconds is None else time.monotonic() + seconds
    while True:
        pid, status = os.waitpid(child, 0 if deadline is None else os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
        if deadline is not None and time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            deadline = None


def runs(folder: Path) -> dict[str, str]:
    """Digest of every finished run's file; a file that cannot be read raises."""
    found = {}
    for path in sorted(folder.glob("runs/**/*.nc")):
        if not path.name.startswith("."):
            with netCDF4.Dataset(path) as file:
                assert file.getncattr("identity")
                for variable in file.variables.values():
                    variable[...]
            found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def content(path: Path) -> Iterator[tuple[str, bytes]]:
    """Every variable and attribute of a NetCDF file, as bytes."""
    with netCDF4.Dataset(path) as file:
        file.set_auto_mask(False)
        yield "attributes", repr([(name, file.getncattr(name)) for name in sorted(file.ncattrs())]).encode()
        for name, variable in sorted(file.variables.items()):
            values = np.asarray(variable[...])
            yield name, repr(values.tolist()).encode() if values.dtype.kind == "O" else values.tobytes()


def differences(one: Path, other: Path) -> list[str]:
    """What differs between two results folders, timings excepted."""
    paths = {str(path.relative_to(one)) for path in one.glob("runs/**/*.nc")}
    found = sorted(paths ^ {str(path.relative_to(other)) for path in other.glob("runs/**/*.nc")})
    for path in sorted(paths - set(found)):
        found += [f"{path}: {name}" for name in unequal(dict(content(one / path)), dict(content(other / path)))]
    first, second = (dict(content(folder / "measurements.nc")) for folder in (one, other))
    return found + [f"measurements: {name}" for name in unequal(first, second) if not name.startswith(TIMED)]


def unequal(one: Mapping[str, bytes], other: Mapping[str, bytes]) -> list[str]:
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("protocol", type=Path)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--between", type=float, nargs=2, default=(0.5, 10.0), help="seconds until a kill")
    parser.add_argument("--set", action="append", default=[], help="as for `mdprotocol run`")
    args = parser.parse_args()
    random.seed(args.seed)
    single_thread()
    journal.SEGMENT_SECONDS = labels.SEGMENT_SECONDS = 0.5  # so that there is much to be torn
    overrides = (*args.set, "executor.type=serial")  # workers are killed in test_signals.py
    reference, folder = args.work / "undisturbed", args.work / "killed"
    code = run_here(args.protocol, reference, overrides)  # in this process, so that children need to import nothing
    facts = Facts()
    while facts.kills < args.kills:
        shutil.rmtree(folder, ignore_errors=True)
        before: dict[str, str] = {}
        while facts.kills < args.kills:
            ended = forked(lambda: run_here(args.protocol, folder, overrides), random.uniform(*args.between))
            if ended != -signal.SIGKILL:
                break
            facts.kills += 1
            after = runs(folder)
            facts.lost += len(before.keys() - after.keys())
            facts.changed += sum(after.get(name, digest) != digest for name, digest in before.items())
            before = after
            print(f"{facts.kills} kills, {len(after)} runs finished", file=sys.stderr, flush=True)
        else:
            ended = forked(lambda: run_here(args.protocol, folder, overrides))
        facts.rounds += 1
        facts.wrong += [] if ended == code else [f"exit code {ended}, not {code}"]
        facts.wrong += differences(reference, folder)
        facts.wrong += [str(p) for p in folder.rglob("*") if p.name.startswith(".tmp-") or p.suffix == ".seg"]
        print(f"round {facts.rounds}: {facts.wrong or 'the same'}", file=sys.stderr, flush=True)
    print(json.dumps(dataclasses.asdict(facts)))
    return 1 if facts.lost or facts.changed or facts.wrong else 0


@dataclasses.dataclass
class Facts:
    """What was found: kills, protocols brought to their end, finished runs lost or changed, and differences."""

    kills: int = 0
    rounds: int = 0
    lost: int = 0
    changed: int = 0
    wrong: list[str] = dataclasses.field(default_factory=list)


if __name__ == "__main__":
    sys.exit(main())
