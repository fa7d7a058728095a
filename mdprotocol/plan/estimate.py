"""Time and disk that a plan will take: a simple model, good to a factor of two or three; disk is exact but for headers.

Time of a batch: steps × (overhead of a step + atoms of all copies × time per atom) + labels × time of a reference call.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from mdprotocol.plan.steps import frames_of, labels_of
from mdprotocol.plan.types import Batch, Plan, ProbeBatch, Run, total_steps
from mdprotocol.variables import RUN_VARIABLES

BYTES_PER_NUMBER = 8
PROBE_SECONDS = 5.0


@dataclass(frozen=True)
class Cost:
    """Time of one evaluation of a batch on one CPU core: seconds a call, and seconds an atom."""

    per_call: float
    per_atom: float


COSTS: dict[str, Cost] = {
    "painn": Cost(5e-3, 1e-4),
    "ase": Cost(1e-3, 2e-4),
    "tblite": Cost(5e-4, 3e-4),
}
"""By type of model."""
DEFAULT_COST = Cost(2e-3, 1e-4)


@dataclass(frozen=True)
class Estimate:
    """Wall time in seconds on `workers` workers, and bytes on disk."""

    seconds: float
    bytes: int
    workers: int


def estimate(plan: Plan, workers: int = 1) -> Estimate:
    """Estimated wall time (batches shared out over the workers, the longest first; probes alone) and disk space."""
    return Estimate(
        seconds=_shared_out((batch_seconds(batch) for batch in plan.batches), workers)
        + sum(probe_seconds(batch) for batch in plan.probe_batches),
        bytes=sum(run_bytes(run, len(plan.structures[run.system])) for run in plan.runs),
        workers=workers,
    )


def _shared_out(times: Iterable[float], workers: int) -> float:
    busy = [0.0] * max(1, workers)
    for seconds in times:
        busy[busy.index(min(busy))] += seconds
    return max(busy)


def batch_seconds(batch: Batch) -> float:
    """Estimated time of a batch on one core."""
    atoms = sum(len(batch.structures[run.system]) for run in batch.runs)
    cost = COSTS.get(batch.component.type, DEFAULT_COST)
    seconds = total_steps(batch.settings) * (cost.per_call + atoms * cost.per_atom)
    if batch.reference is not None:
        label = COSTS.get(batch.reference.type, DEFAULT_COST)
        seconds += labels_of(batch.settings) * (len(batch.runs) * label.per_call + atoms * label.per_atom)
    return seconds


def probe_seconds(batch: ProbeBatch) -> float:
    """Estimated time of a batch of probes."""
    return PROBE_SECONDS * len(batch.probes)


def run_bytes(run: Run, atoms: int) -> int:
    """Bytes of a run's variables, uncompressed."""
    sizes = {
        "frame": frames_of(run.settings),
        "sample": labels_of(run.settings),
        "atom": atoms,
        "xyz": 3,
        "vector": 3,
    }
    return sum(math.prod(sizes[dim] for dim in variable.dims) for variable in RUN_VARIABLES.values()) * BYTES_PER_NUMBER
