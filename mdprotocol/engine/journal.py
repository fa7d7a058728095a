"""The journal of a batch: its frames and checkpoints in segments of its work folder, and what can be read from them."""

from __future__ import annotations

import bisect
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mdprotocol.engine.guards import Failure
from mdprotocol.engine.recording import (
    FRAME_BYTES_PER_ATOM,
    FRAME_BYTES_PER_COPY,
    PER_ATOM,
    PER_COPY,
    Ending,
    Frame,
    last_frames,
)
from mdprotocol.engine.stopping import Stop
from mdprotocol.plan.steps import frames_of
from mdprotocol.plan.types import RunSettings
from mdprotocol.store.segment import Segment
from mdprotocol.store.work import Work

SEGMENT_SECONDS = 10.0
"""Time between checkpoints: what a kill can cost. Two fsyncs in ten seconds cost nothing."""
SEGMENT_BYTES = 32 * 2**20
"""Frames in memory; when there are so many, a checkpoint is due before its time."""
SERIES = "md"


class Journal:
    """Writes a batch's segments, and knows those there are.

    Args:
        kernel: what evaluates the model; segments by another one are not gone on from, because bits would differ.
        offsets: (B+1,) the atoms of copy b are offsets[b]:offsets[b+1].
    """

    def __init__(self, work: Work, kernel: str, stop: Stop, offsets: np.ndarray) -> None:
        self._work, self._kernel, self._stop = work, kernel, stop
        self.latest: Segment | None = None
        """The last checkpoint; the segments form a chain in which each begins where the one before it ends."""
        self._starts: list[int] = []
        self._end = 0
        for segment in work.segments(SERIES):
            if (
                not fits(segment, offsets)
                or segment.facts.get("kernel") != kernel
                or segment.facts["taken"] != self._end
            ):
                break
            self._link(segment)
        self._kept = time.monotonic()

    def _link(self, segment: Segment) -> None:
        self.latest = segment
        self._starts.append(self._end)
        self._end += segment.facts["frames"]

    def due(self) -> bool:
        """Whether it is time for a checkpoint."""
        return bool(self._stop.signal) or time.monotonic() - self._kept > SEGMENT_SECONDS

    def leave_if_asked(self) -> None:
        """Raises `Interrupted` where somebody has asked to stop."""
        self._stop.leave_if_asked()

    def keep(self, facts: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Write a segment; when this returns it is on disk."""
        number = len(self._starts)
        self._work.append(SERIES, number, {**facts, "kernel": self._kernel}, arrays)
        self._link(self._work.segment(SERIES, number))
        self._kept = time.monotonic()

    def history(self, offsets: np.ndarray) -> History:
        """What has been recorded, once the batch is finished."""
        assert self.latest is not None
        assert self.latest.facts["finished"]
        return History(self._work, self._starts, self.latest, offsets)


def fits(segment: Segment, offsets: np.ndarray) -> bool:
    """Whether a segment has what one of this batch has: its checksum says that it is as it was written, not by whom."""
    facts, atoms, copies = segment.facts, int(offsets[-1]), len(offsets) - 1
    numbers = [facts.get(name) for name in ("stage", "taken", "frames")]
    if not all(type(number) is int and number >= 0 for number in numbers) or type(facts.get("step")) is not int:
        return False
    if any(not isinstance(found := facts.get(name), list) or len(found) != copies for name in ("alive", "endings")):
        return False
    rows = facts["frames"]
    shapes: dict[str, tuple[int, ...]] = {f"frame:{name}": (rows, atoms, 3) for name in PER_ATOM} | {
        "frame:time": (rows,)
    }
    shapes |= {f"frame:{name}": (rows, copies) for name in PER_COPY}
    shapes |= {f"state:{name}": (atoms, 3) for name in ("positions", "velocities", "forces")}
    shapes |= {f"state:{name}": (copies,) for name in ("energy", "bath_energy")} | {"recorder:count": (copies,)}
    found_shapes = {name: segment.arrays[name].shape for name in shapes if name in segment.arrays}
    kinds = {segment.arrays[name].dtype.str for name in found_shapes if name != "recorder:count"}
    return found_shapes == shapes and kinds <= {"<f8"} and segment.arrays["recorder:count"].dtype.kind == "i"


class History:
    """What a finished batch has recorded, read from its segments: one at a time is in memory, however many there are.

    Args:
        starts: first frame of each segment.
        offsets: (B+1,) the atoms of copy b are offsets[b]:offsets[b+1].
    """

    def __init__(self, work: Work, starts: Sequence[int], latest: Segment, offsets: np.ndarray) -> None:
        self._work, self._starts, self._offsets = work, starts, offsets
        recorder = grouped(latest, "recorder")
        self._count, self._last = recorder["count"], last_frames(recorder)
        self.endings = endings_in(latest)
        self._opened: tuple[int, Segment] | None = None

    def frames(self, b: int) -> int:
        """Number of frames of copy b, the last one of a failed copy included."""
        return int(self._count[b]) + (b in self._last)

    def slabs(self, b: int) -> Iterator[tuple[int, Frame]]:
        """First frame and values of copy b, a segment at a time."""
        mine, count = slice(self._offsets[b], self._offsets[b + 1]), int(self._count[b])
        for number, start in enumerate(self._starts):
            segment = self._segment(number)
            n = min(segment.facts["frames"], count - start)
            if n > 0:
                part = {name: segment.arrays[f"frame:{name}"][:n, mine] for name in PER_ATOM}
                part |= {name: segment.arrays[f"frame:{name}"][:n, b] for name in PER_COPY}
                yield start, part | {"time": segment.arrays["frame:time"][:n]}
        if b in self._last:
            yield count, self._last[b] | {name: self._last[b][name][None] for name in PER_ATOM}

    def value(self, name: str, b: int, frame: int) -> np.ndarray:
        """A recorded variable of copy b in a frame: (n, 3), or (1,) where a copy has one number."""
        if frame == self._count[b]:
            return np.array(self._last[b][name])
        number = bisect.bisect_right(self._starts, frame) - 1
        row = self._segment(number).arrays[f"frame:{name}"][frame - self._starts[number]]
        return np.array(row[self._offsets[b] : self._offsets[b + 1]] if name in PER_ATOM else row[b : b + 1])

    def _segment(self, number: int) -> Segment:
        if self._opened is None or self._opened[0] != number:
            self._opened = number, self._work.segment(SERIES, number)
        return self._opened[1]


def held_frames(settings: RunSettings, offsets: np.ndarray) -> int:
    """Frames to hold in memory: as many as fit, and at least those between two looks of the guards."""
    size = int(offsets[-1]) * FRAME_BYTES_PER_ATOM + (len(offsets) - 1) * FRAME_BYTES_PER_COPY
    fewest = settings.guard_every // settings.record_every + 2
    return min(frames_of(settings), max(fewest, SEGMENT_BYTES // size))


def grouped(kept: Segment, group: str) -> Frame:
    """The arrays of one group of a checkpoint, as copies that can be changed."""
    start = f"{group}:"
    return {name.removeprefix(start): np.array(v) for name, v in kept.arrays.items() if name.startswith(start)}


def endings_in(kept: Segment) -> list[Ending]:
    """How each copy has ended so far."""
    return [Ending(Failure(*failure) if failure else None, *when) for failure, *when in kept.facts["endings"]]
