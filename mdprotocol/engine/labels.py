"""The reference's energies and forces on every n-th frame of a run, in segments of the batch's work folder."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch

from mdprotocol.contracts import Evaluator, ForceField, Structure, Topology
from mdprotocol.engine.journal import SEGMENT_SECONDS, History
from mdprotocol.engine.known import LABELLED_BY, KnownLabels
from mdprotocol.engine.stopping import Stop
from mdprotocol.errors import NoAnswer, PluginError, asked_to_stop, told
from mdprotocol.store.netcdf import Growing
from mdprotocol.store.segment import Segment
from mdprotocol.store.work import Work

SEGMENT_LABELS = 64
"""Frames between checkpoints of a reference that remembers earlier calls; it starts anew with each."""
MANY_LABELS = 4096
"""Labels in memory."""


class Labels:
    """Labels of one run: frames 0, every, 2 every, ...

    A frame that the reference cannot label is left out and counted in the attribute `reference_failures`; the first
    reason is in `reference_failure_detail`. Every run has an evaluator of its own: if that starts from the last frame,
    it never depends on which runs are in the batch.

    Args:
        b: copy of the run in its batch.
        known: labels that need not be computed again, unless the reference remembers.
        key: what determines these labels but for the positions (`label_key`).
    """

    def __init__(
        self,
        work: Work,
        history: History,
        b: int,
        structure: Structure,
        reference: ForceField,
        every: int,
        known: KnownLabels,
        key: str,
    ) -> None:
        self._work, self._history, self._b, self._series = work, history, b, f"labels-{b}"
        self._structure, self._reference, self._every, self._known = structure, reference, every, known
        self._topology = Topology.of([structure])
        self._cells = torch.from_numpy(self._topology.cells)
        self._key, self._planned = key, -(-history.frames(b) // every)
        found = list(itertools.takewhile(self._fits, self._work.segments(self._series)))
        self._segments = len(found)
        self._facts: dict[str, Any] = (
            dict(found[-1].facts) if found else {"done": 0, "kept": 0, "failed": 0, "reason": ""}
        )

    def _fits(self, segment: Segment) -> bool:
        """Whether a segment has what one of these labels has."""
        facts, arrays = segment.facts, segment.arrays
        counts = [facts.get(name) for name in ("done", "kept", "failed", "first")]
        if not all(type(count) is int and 0 <= count <= self._planned for count in counts):
            return False
        rows = facts["kept"] - facts["first"]
        wanted = {name: values.shape[1:] for name, values in _arrays([], len(self._structure)).items()}
        return isinstance(facts.get("reason"), str) and all(
            name in arrays and arrays[name].shape == (rows, *inner) and arrays[name].dtype.kind in "if"
            for name, inner in wanted.items()
        )

    def make(self, stop: Stop, tick: Callable[[], None]) -> None:
        """Make the labels that are not there yet; `tick` is called after each.

        Raises:
            Interrupted, StoreError: as for a batch.
        """
        while self._facts["done"] < self._planned:
            self._make_segment(stop, tick)

    def _make_segment(self, stop: Stop, tick: Callable[[], None]) -> None:
        evaluator, facts = self._reference.prepare(self._topology), dict(self._facts)
        kept: list[tuple[int, float, np.ndarray]] = []
        facts["first"], started = facts["kept"], time.monotonic()
        while facts["done"] < self._planned and not self._due(facts["done"], len(kept), started, stop):
            frame = facts["done"] * self._every
            try:
                kept.append((frame, *self._label(evaluator, self._history.value("position", self._b, frame))))
            except NoAnswer as error:
                facts["failed"] += 1
                facts["reason"] = facts["reason"] or f"frame {frame}: {error}"
            facts["done"] += 1
            tick()
        stop.leave_if_asked()
        facts["kept"] += len(kept)
        self._work.append(self._series, self._segments, facts, _arrays(kept, len(self._structure)))
        self._segments, self._facts = self._segments + 1, facts

    def _label(self, evaluator: Evaluator, positions: np.ndarray) -> tuple[float, np.ndarray]:
        found = None if self._reference.remembers else self._known.at(positions)
        return _answer(evaluator, positions, self._cells) if found is None else found

    def _due(self, done: int, held: int, started: float, stop: Stop) -> bool:
        """Whether a segment ends here; fixed beforehand for a reference that remembers."""
        if stop.signal:
            return True
        if self._reference.remembers:
            return done % SEGMENT_LABELS == 0 and done > self._facts["done"]
        return held >= MANY_LABELS or (held > 0 and time.monotonic() - started > SEGMENT_SECONDS)

    def attributes(self) -> dict[str, Any]:
        """What the run's file says about its labels: whose they are, and how many could not be made."""
        return {
            "reference_failures": self._facts["failed"],
            "reference_failure_detail": self._facts["reason"],
            LABELLED_BY: self._key,
        }

    def parts(self) -> Iterator[Growing]:
        """The labels for the run's file; none at all where there is none, so that what needs them is NOT MEASURED."""
        if self._facts["kept"]:
            yield Growing("sample", self._facts["kept"], self._slabs())

    def _slabs(self) -> Iterator[tuple[int, Mapping[str, np.ndarray]]]:
        for number in range(self._segments):
            segment = self._work.segment(self._series, number)
            if len(segment.arrays["sample_frame"]):
                yield segment.facts["first"], segment.arrays


def _arrays(kept: list[tuple[int, float, np.ndarray]], atoms: int) -> dict[str, np.ndarray]:
    return {
        "sample_frame": np.array([frame for frame, _, _ in kept], dtype=np.int64),
        "reference_energy": np.array([energy for _, energy, _ in kept], dtype=np.float64),
        "reference_force": np.array([forces for _, _, forces in kept], dtype=np.float64).reshape(len(kept), atoms, 3),
    }


def _answer(evaluator: Evaluator, positions: np.ndarray, cells: torch.Tensor) -> tuple[float, np.ndarray]:
    """Energy and forces of the reference.

    Raises:
        NoAnswer: there is no answer, or it is not finite.
        PluginError: the reference does what it may not.
    """
    try:
        found = evaluator(torch.from_numpy(positions), cells)
        errors, energy, forces = found.errors, float(found.energy[0]), found.forces.detach().cpu().numpy().copy()
    except (NoAnswer, PluginError, MemoryError, torch.OutOfMemoryError):
        raise
    except BaseException as error:  # a plugin's: it costs this label
        if asked_to_stop(error):
            raise
        raise NoAnswer(f"it raised {told(error)}") from error
    if errors:
        raise NoAnswer("; ".join(map(str, errors.values())))
    if forces.shape != positions.shape:
        raise NoAnswer(f"it gave forces of shape {forces.shape} for {len(positions)} atoms")
    if not (np.isfinite(energy) and np.isfinite(forces).all()):
        raise NoAnswer("its energy or forces are not finite")
    return energy, forces
