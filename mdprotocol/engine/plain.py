"""Some frames of every run once more, by the same model without its fast paths: plain torch in float64.

What a kernel computed is so checked where the dynamics went, and not only where it started. Which frames is fixed
beforehand: the first, the last, and some evenly in between (`plan.steps.plain_frames_of`). Those of a run are evaluated
together and apart from other runs, so that their numbers depend on nothing but the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from mdprotocol.contracts import ForceField, Structure, Topology
from mdprotocol.engine.journal import History
from mdprotocol.errors import asked_to_stop, in_words
from mdprotocol.store.netcdf import Growing

MOST_ATOMS = 512
"""In one call: float64 with gradients takes memory."""
COMPARED = ("position", "force", "potential_energy")


class PlainFrames:
    """The plain form of a batch's model, loaded once.

    A frame that it does not answer is left out and counted in the attribute `plain_failures`; the first reason is in
    `plain_failure_detail`. A model that has no plainer form leaves neither variables nor attributes.
    """

    def __init__(self, model: ForceField) -> None:
        self._problem = ""
        try:
            self._plain = model.plain("float64")
        except BaseException as error:  # a run is worth keeping whatever a plugin does here
            if asked_to_stop(error):
                raise
            self._plain, self._problem = None, in_words(error)

    def of(self, history: History, b: int, structure: Structure, count: int) -> tuple[dict[str, Any], list[Growing]]:
        """Attributes and variables for the file of copy b.

        Args:
            count: number of frames, where all are finite.
        """
        if self._plain is None and not self._problem:
            return {}, []
        frames = chosen_frames(history, b, count)
        positions = [history.value("position", b, frame) for frame in frames]
        kept, problems = [], []
        for frame, found in zip(frames, self._answers(structure, positions), strict=True):
            if isinstance(found, str):
                problems.append(f"frame {frame}: {found}")
            else:
                kept.append((frame, *found))
        attributes = {"plain_failures": len(problems), "plain_failure_detail": problems[0] if problems else ""}
        parts = [Growing("plain", len(kept), iter([(0, _arrays(kept))]))] if kept else []
        return attributes, parts

    def _answers(
        self, structure: Structure, positions: Sequence[np.ndarray]
    ) -> Iterator[tuple[float, np.ndarray] | str]:
        """Energy and forces at each of these positions, or why there are none."""
        together = max(1, MOST_ATOMS // len(structure))
        for start in range(0, len(positions), together):
            some = positions[start : start + together]
            yield from self._tried(structure, some)

    def _tried(self, structure: Structure, positions: Sequence[np.ndarray]) -> Sequence[tuple[float, np.ndarray] | str]:
        try:
            return self._call(structure, positions)
        except BaseException as error:
            if asked_to_stop(error):
                raise
            return [self._problem or in_words(error)] * len(positions)

    def _call(self, structure: Structure, positions: Sequence[np.ndarray]) -> list[tuple[float, np.ndarray] | str]:
        assert self._plain is not None
        topology = Topology.of([structure] * len(positions))
        evaluate = self._plain.prepare(topology)
        found = evaluate(torch.from_numpy(np.concatenate(positions)), torch.from_numpy(topology.cells))
        energies = found.energy.detach().cpu().numpy()
        forces = found.forces.detach().cpu().numpy().reshape(len(positions), len(structure), 3)
        return [
            found.errors.get(k) or _finite(float(energy), force)
            for k, (energy, force) in enumerate(zip(energies, forces, strict=True))
        ]


def chosen_frames(history: History, b: int, count: int) -> list[int]:
    """The first and the last finite frame of copy b and some evenly in between, `count` where there are so many.

    Of a copy that failed, the last may be the state in which it did; frames that are not finite are left out.
    """

    def finite(frame: int) -> bool:
        return all(np.isfinite(history.value(name, b, frame)).all() for name in COMPARED)

    frames = range(history.frames(b))
    first, last = next(filter(finite, frames), None), next(filter(finite, reversed(frames)), None)
    if first is None or last is None:
        return []
    gaps = max(1, count - 1)
    return [frame for frame in sorted({first + (last - first) * k // gaps for k in range(gaps + 1)}) if finite(frame)]


def _finite(energy: float, forces: np.ndarray) -> tuple[float, np.ndarray] | str:
    if np.isfinite(energy) and np.isfinite(forces).all():
        return energy, forces
    return "its energy or forces are not finite"


def _arrays(kept: Sequence[tuple[int, float, np.ndarray]]) -> Mapping[str, np.ndarray]:
    frames, energies, forces = zip(*kept, strict=True)
    return {
        "plain_frame": np.array(frames, dtype=np.int64),
        "plain_energy": np.array(energies, dtype=np.float64),
        "plain_force": np.array(forces, dtype=np.float64),
    }
