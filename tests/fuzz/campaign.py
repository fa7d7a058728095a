"""Feeds a reader mutated files under the eyes of a clock and a scale; whatever is not our own error is a finding."""

from __future__ import annotations

import hashlib
import random
import re
import resource
import signal
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from mutate import mutated
from readers import Reader

from mdprotocol.errors import MDProtocolError

MOST_SECONDS = 5.0
"""Processor time for one input."""
MOST_BYTES = 1 << 30
"""Growth of the peak of memory for one input."""
MOST_ADDRESSES = 2 << 30
"""Growth of the address space, beyond which nothing is given; more than above, so that memory in use shows as such."""
POOL = 400
"""Inputs kept because they reached a new place; they are mutated further."""


class TooSlow(BaseException):
    """Raised into a reader that takes too long; no reader can take it for an error of the file."""


@dataclass
class Campaign:
    """Findings of one reader.

    Attributes:
        folder: for the input in hand (`current`), which is what to look at where the process died.
        iterations: inputs tried so far.
        findings: where it went wrong -> input and traceback.
    """

    reader: Reader
    seed: int
    folder: Path
    iterations: int = 0
    findings: dict[str, tuple[bytes, str]] = field(default_factory=dict)

    def run(self, first: int, iterations: int, deadline: float = float("inf")) -> None:
        """Try inputs, until so much of this process's time is used; each depends on the seed, its number and those before."""
        seeds = self.reader.seeds()
        self._sound(seeds)
        pool, places = list(seeds), set()
        for number in range(first, first + iterations):
            if time.process_time() > deadline:
                return
            dice = random.Random(f"{self.seed}:{number}")
            base = dice.choice(seeds if dice.random() < 0.5 else pool)
            data = mutated(base, dice, self.reader.words, seeds)
            place = self.tried(data)
            self.iterations += 1
            if place not in places and len(pool) < POOL:
                places.add(place)
                pool.append(data)

    def _sound(self, seeds: list[bytes]) -> None:
        """A fuzzer whose sound files are refused tests nothing."""
        for seed in seeds:
            with self._file(seed) as path:
                self.reader.read(path)

    def tried(self, data: bytes) -> str:
        """Read one input; where it ended (a place in the code), and a finding where that is not a sound end."""
        with self._file(data) as path:
            end = outcome(self.reader, path)
        if end.bad and end.place not in self.findings:
            self.findings[end.place] = (data, end.text)
        return end.place

    @contextmanager
    def _file(self, data: bytes) -> Iterator[Path]:
        (self.folder / "current").write_bytes(data)
        path = self.folder / self.reader.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        yield path


@dataclass(frozen=True)
class End:
    """How a reader ended: where, whether that is a finding, and its traceback."""

    place: str
    bad: bool
    text: str = ""


def outcome(reader: Reader, path: Path) -> End:
    """Read a file within limits."""
    began, before = time.process_time(), _peak_from_here()
    try:
        with limits():
            reader.read(path)
        end = End("read", bad=False)
    except MDProtocolError as error:
        # Our own error because memory ran out: with more of it, the reader would have gone on.
        bad = any(isinstance(one, MemoryError) for one in _chain(error))
        end = End(_place(error), bad, text="".join(traceback.format_exception(error)) if bad else "")
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        end = End(_place(error), bad=True, text="".join(traceback.format_exception(error)))
    seconds, grown = time.process_time() - began, _peak() - before
    if not end.bad and (seconds > MOST_SECONDS or grown > MOST_BYTES):
        return End(f"costs {end.place}", bad=True, text=f"{seconds:.1f} s, {grown / 2**20:.0f} MiB\n")
    return end


@contextmanager
def limits() -> Iterator[None]:
    """No more processor time and address space than is allowed; what does not heed the first alarm is killed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    cpu = resource.getrlimit(resource.RLIMIT_CPU)
    used = resource.getrusage(resource.RUSAGE_SELF)
    old = signal.signal(signal.SIGPROF, _alarm)
    try:
        resource.setrlimit(resource.RLIMIT_AS, (_address_space() + MOST_ADDRESSES, hard))
        resource.setrlimit(resource.RLIMIT_CPU, (2 + int(used.ru_utime + used.ru_stime + 3 * MOST_SECONDS), cpu[1]))
        signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, old)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        resource.setrlimit(resource.RLIMIT_CPU, cpu)


def _alarm(number: int, frame: Any) -> None:
    raise TooSlow(f"more than {MOST_SECONDS:g} s of processor time")


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _peak_from_here() -> int:
    """Memory in use, from which `_peak` counts anew where the system can: one costly input must not hide the next."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _peak()


def _peak() -> int:
    """Most memory in use since `_peak_from_here`, in bytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) * 1024 if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _place(error: BaseException) -> str:
    """Files and lines of an error and of what caused it: inputs that reach the same are of one kind."""
    parts = []
    for one in islice(_chain(error), 4):
        frames = traceback.extract_tb(one.__traceback__)
        parts.append(f"{type(one).__name__} " + " ".join(f"{Path(f.filename).name}:{f.lineno}" for f in frames[-4:]))
    return " < ".join(parts)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what caused it."""
    one: BaseException | None = error
    while one is not None:
        yield one
        one = one.__cause__ or one.__context__


def name_of(data: bytes) -> str:
    """Name of a finding's file."""
    return hashlib.sha256(data).hexdigest()[:12]
