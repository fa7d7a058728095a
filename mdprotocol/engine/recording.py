"""Frames of a batch while it moves, in arrays made beforehand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdprotocol.components import MDState
from mdprotocol.engine.guards import Failure
from mdprotocol.units import KB_EV_PER_K

Frame = dict[str, np.ndarray]
"""Variable name -> (N, 3) or (B,) for a batch; with frames in front for a run."""

PER_ATOM = ("position", "velocity", "force")
PER_COPY = ("potential_energy", "kinetic_energy", "total_energy", "conserved_energy", "temperature")


@dataclass(frozen=True)
class Ending:
    """How a run ended: `failure` is None when it was completed."""

    failure: Failure | None = None
    step: int = -1
    time_fs: float = -1.0


class Recorder:
    """Frames of every copy: arrays for the planned frames, and one last frame of its own for a copy that fails.

    Args:
        frames: planned frames, that of step 0 included.
        offsets: (B+1,) the atoms of copy b are offsets[b]:offsets[b+1].
    """

    def __init__(self, frames: int, offsets: np.ndarray) -> None:
        copies, atoms = len(offsets) - 1, int(offsets[-1])
        self._offsets = offsets
        self._count = np.zeros(copies, dtype=int)
        # Memory that is never written is never taken: a batch that ends early costs what it has recorded.
        self._atoms = {name: np.empty((frames, atoms, 3)) for name in PER_ATOM}
        self._copies = {name: np.empty((frames, copies)) for name in PER_COPY}
        self._time = np.empty(frames)
        self._last: dict[int, tuple[float, Frame]] = {}
        self._next = 0

    def record(self, frame: Frame, time_fs: float, alive: np.ndarray) -> None:
        """Keep a planned frame of the copies that are alive (B,)."""
        k = self._next
        for name in PER_ATOM:
            self._atoms[name][k] = frame[name]
        for name in PER_COPY:
            self._copies[name][k] = frame[name]
        self._time[k] = time_fs
        self._next += 1
        self._count[alive] = self._next

    def record_last(self, b: int, frame: Frame, time_fs: float) -> None:
        """Keep the frame in which copy b failed, where it is finite."""
        mine = slice(self._offsets[b], self._offsets[b + 1])
        last = {name: frame[name][mine].copy() for name in PER_ATOM} | {name: frame[name][b] for name in PER_COPY}
        if all(np.isfinite(values).all() for values in last.values()):
            self._last[b] = (time_fs, last)

    def first(self, name: str) -> np.ndarray:
        """A per-copy variable at frame 0, (B,)."""
        return self._copies[name][0]

    def series(self, b: int) -> tuple[np.ndarray, Frame]:
        """Times (frames,) fs and every recorded variable of copy b."""
        n, mine = self._count[b], slice(self._offsets[b], self._offsets[b + 1])
        frames = {name: values[:n, mine] for name, values in self._atoms.items()}
        frames |= {name: values[:n, b] for name, values in self._copies.items()}
        time = self._time[:n]
        if b in self._last:
            moment, last = self._last[b]
            time = np.append(time, moment)
            frames = {name: np.concatenate([values, last[name][None]]) for name, values in frames.items()}
        return time, frames


def snapshot(state: MDState) -> Frame:
    """All recorded variables of a batch at this moment; some are views of the state, so copy what is to be kept."""
    kinetic = state.kinetic_energy()
    total = kinetic + state.energy
    values = {
        "position": state.positions,
        "velocity": state.velocities,
        "force": state.forces,
        "potential_energy": state.energy,
        "kinetic_energy": kinetic,
        "total_energy": total,
        "conserved_energy": total - state.bath_energy,
        "temperature": 2 * kinetic / (state.dof * KB_EV_PER_K),
    }
    return {name: value.numpy() for name, value in values.items()}
