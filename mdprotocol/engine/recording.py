"""Frames of a batch while it moves, in arrays made beforehand; what is written to disk makes room for the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mdprotocol.contracts import MDState
from mdprotocol.engine.guards import Failure
from mdprotocol.units import KB_EV_PER_K

Frame = dict[str, np.ndarray]
"""Variable name -> (N, 3) or (B,) for a batch; with frames in front for a run."""

PER_ATOM = ("position", "velocity", "force")
PER_COPY = ("potential_energy", "kinetic_energy", "total_energy", "conserved_energy", "temperature")
FRAME_BYTES_PER_ATOM, FRAME_BYTES_PER_COPY = 8 * 3 * len(PER_ATOM), 8 * len(PER_COPY)


@dataclass(frozen=True)
class Ending:
    """How a run ended: `failure` is None when it was completed."""

    failure: Failure | None = None
    step: int = -1
    time_fs: float = -1.0


class Recorder:
    """Frames of every copy since they were last taken, and one last frame of its own for a copy that fails.

    Args:
        capacity: frames that it can hold.
        offsets: (B+1,) the atoms of copy b are offsets[b]:offsets[b+1].
    """

    def __init__(self, capacity: int, offsets: np.ndarray) -> None:
        copies, atoms = len(offsets) - 1, int(offsets[-1])
        self._offsets, self._capacity = offsets, capacity
        self._count = np.zeros(copies, dtype=np.int64)
        # Memory that is never written is never taken: a batch that ends early costs what it has recorded.
        self._frames: Frame = {name: np.empty((capacity, atoms, 3)) for name in PER_ATOM}
        self._frames |= {name: np.empty((capacity, copies)) for name in PER_COPY}
        self._frames["time"] = np.empty(capacity)
        self._first: Frame = {}
        self._last: dict[int, Frame] = {}
        self._taken, self._next = 0, 0

    def record(self, frame: Frame, time_fs: float, alive: np.ndarray) -> None:
        """Keep a planned frame of the copies that are alive (B,)."""
        k = self._next
        for name, values in frame.items():
            self._frames[name][k] = values
        self._frames["time"][k] = time_fs
        if self._taken + k == 0:
            self._first = {name: frame[name].copy() for name in PER_COPY}
        self._next += 1
        self._count[alive] = self._taken + self._next

    def record_last(self, b: int, frame: Frame, time_fs: float) -> None:
        """Keep the frame in which copy b failed, where it is finite."""
        mine = slice(self._offsets[b], self._offsets[b + 1])
        last = {name: frame[name][mine].copy() for name in PER_ATOM}
        last |= {name: frame[name][b : b + 1].copy() for name in PER_COPY} | {"time": np.array([time_fs])}
        if all(np.isfinite(values).all() for values in last.values()):
            self._last[b] = last

    def first(self, name: str) -> np.ndarray:
        """A per-copy variable at frame 0, (B,)."""
        return self._first[name]

    @property
    def full(self) -> bool:
        """Whether there is no room for another frame."""
        return self._next == self._capacity

    def series(self, b: int) -> tuple[np.ndarray, Frame]:
        """Times (frames,) fs and every recorded variable of copy b, while nothing has been taken."""
        n, mine = self._count[b], slice(self._offsets[b], self._offsets[b + 1])
        frames = {name: values[:n] for name, values in self._frames.items()}
        frames |= {name: frames[name][:, mine] for name in PER_ATOM} | {name: frames[name][:, b] for name in PER_COPY}
        if b in self._last:
            last = self._last[b] | {name: self._last[b][name][None] for name in PER_ATOM}
            frames = {name: np.concatenate([values, last[name]]) for name, values in frames.items()}
        return frames.pop("time"), frames

    # -------------------------------------------------------------------------------------------------- checkpoints

    def held(self) -> Frame:
        """The frames that are held, as views."""
        return {name: values[: self._next] for name, values in self._frames.items()}

    def taken(self) -> int:
        """Number of frames before those that are held."""
        return self._taken

    def clear(self) -> None:
        """The frames that were held are kept elsewhere now."""
        self._taken, self._next = self._taken + self._next, 0

    def state(self) -> Frame:
        """Everything but the frames: how many each copy has, the first, and the last ones of failed copies."""
        lasts = {f"last.{b}.{name}": values for b, last in self._last.items() for name, values in last.items()}
        return {"count": self._count} | {f"first.{name}": values for name, values in self._first.items()} | lasts

    def restore(self, kept: Mapping[str, np.ndarray], taken: int) -> None:
        """Go on after `taken` frames."""
        self._count[:], self._taken, self._next = kept["count"], taken, 0
        self._first = {name: kept[f"first.{name}"] for name in PER_COPY if f"first.{name}" in kept}
        self._last = last_frames(kept)


def last_frames(kept: Mapping[str, np.ndarray]) -> dict[int, Frame]:
    """The last frames of failed copies in a recorder's state."""
    found: dict[int, Frame] = {}
    for key, values in kept.items():
        kind, _, rest = key.partition(".")
        if kind == "last":
            b, _, name = rest.partition(".")
            found.setdefault(int(b), {})[name] = values
    return found


def snapshot(state: MDState) -> Frame:
    """All recorded variables of a batch at this moment; some are views of the state, so copy what is to be kept."""
    state = state.on_host()
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
