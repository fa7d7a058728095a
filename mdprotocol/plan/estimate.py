"""Time and disk that a plan will take: a simple model of time, good to a factor of about three; disk is exact but for
the files' headers.

Time of a batch = steps × time of the model on all copies + labels × time of the reference on all copies, where
time on copies of n atoms = a + Σ (b + c n + d n²): a call's overhead, and what a copy, its atoms and its pairs cost.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from mdprotocol.contracts import Model, Structure
from mdprotocol.plan.steps import frames_of, labels_of, plain_frames_of
from mdprotocol.plan.types import Batch, Plan, ProbeBatch, Run, total_steps
from mdprotocol.variables import RUN_VARIABLES

BYTES_PER_NUMBER = 8
HEADER_BYTES = 40_000
"""What a NetCDF file takes beside its numbers: names, dimensions, attributes (measured)."""
PROBE_SECONDS = 0.3


@dataclass(frozen=True)
class Cost:
    """Seconds on one CPU core that a call takes, and each copy, atom and pair of atoms of a copy in it."""

    call: float = 0.0
    copy: float = 0.0
    atom: float = 0.0
    pair: float = 0.0

    def seconds(self, sizes: Iterable[int]) -> float:
        """Time of one call on copies of these numbers of atoms."""
        return self.call + sum(self.copy + self.atom * n + self.pair * n * n for n in sizes)


COSTS: dict[str, Cost] = {
    "painn": Cost(call=6e-5, atom=1.6e-5),
    "painn, periodic": Cost(call=6e-5, atom=2.2e-5),
    "ase": Cost(copy=1e-3, atom=1e-4),
    "tblite": Cost(copy=2e-4, pair=1.5e-5),
}
"""By type of model, painn of 427,000 parameters; measured on one core of a server CPU, stepping included."""
DEFAULT_COST = Cost(call=2e-3, atom=1e-4)


def cost_of(model: Model, structure: Structure) -> Cost:
    """The cost of a model on a structure."""
    periodic = COSTS.get(f"{model.type}, periodic") if structure.periodic else None
    return periodic or COSTS.get(model.type, DEFAULT_COST)


@dataclass(frozen=True)
class PlanCost:
    """Wall time in seconds on `workers` workers, and bytes on disk."""

    seconds: float
    bytes: int
    workers: int


def estimate(plan: Plan, workers: int = 1) -> PlanCost:
    """Estimated wall time (batches shared out over the workers, the longest first; probes alone) and disk space."""
    return PlanCost(
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
    structures = [batch.structures[run.system] for run in batch.runs]
    sizes = [len(structure) for structure in structures]
    seconds = total_steps(batch.settings) * cost_of(batch.component, structures[0]).seconds(sizes)
    if batch.reference is not None:
        seconds += labels_of(batch.settings) * cost_of(batch.reference, structures[0]).seconds(sizes)
    return seconds


def probe_seconds(batch: ProbeBatch) -> float:
    """Estimated time of a batch of probes."""
    return PROBE_SECONDS * len(batch.probes)


def run_bytes(run: Run, atoms: int) -> int:
    """Bytes of a run's file: its variables, uncompressed, and a header."""
    sizes = {
        "frame": frames_of(run.settings),
        "sample": labels_of(run.settings),
        "plain": plain_frames_of(run.settings),
        "atom": atoms,
        "xyz": 3,
        "vector": 3,
    }
    numbers = sum(math.prod(sizes[dim] for dim in variable.dims) for variable in RUN_VARIABLES.values())
    return HEADER_BYTES + numbers * BYTES_PER_NUMBER
