"""How throughput grows with worker processes: the same loop in several of them, counted while all of them run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mdprotocol.bench.loops import EngineLoop
from mdprotocol.contracts import Dynamics, Model, Structure

SECONDS = 2.0
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Load:
    """What every process does."""

    component: Model
    structure: Structure
    copies: int
    dynamics: Dynamics
    base: str
    workers: int
    number: int
    meeting: str
    """Folder in which the processes say that they are ready, so that they start together."""
    seconds: float = SECONDS


def step_times(load: Load) -> list[float]:
    """Wall-clock time at the end of each step, from when all processes are ready."""
    loop = EngineLoop(load.component.load(Path(load.base)), load.structure, load.copies, load.dynamics)
    loop.burst(5)
    _wait_for_all(load)
    ends, until = [time.time()], time.time() + load.seconds
    while ends[-1] < until:
        loop.burst(1)
        ends.append(time.time())
    return ends


def _wait_for_all(load: Load) -> None:
    """The others may still be importing; one that never comes is not waited for."""
    folder, until = Path(load.meeting), time.time() + PATIENCE_S
    (folder / f"{load.workers}-{load.number}").touch()
    while len(list(folder.glob(f"{load.workers}-*"))) < load.workers and time.time() < until:
        time.sleep(0.01)


def throughput(ends: Sequence[Sequence[float]], copies: int) -> float:
    """Copy-steps a second of all processes together, in the time that all of them have in common.

    Raises:
        ValueError: they have none.
    """
    first, last = max(own[0] for own in ends), min(own[-1] for own in ends)
    if last <= first:
        raise ValueError("the processes never ran at the same time")
    return copies * sum(sum(first < end <= last for end in own) for own in ends) / (last - first)


def load_task(load: Load, emit: Callable[[Any], None]) -> list[float]:
    """What an executor runs."""
    return step_times(load)
