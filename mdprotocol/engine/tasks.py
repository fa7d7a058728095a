"""What an executor's workers run, as picklable functions, one task each.

Whoever plans names these functions, and does not import torch: that is done inside of them, by the workers.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mdprotocol import surroundings
from mdprotocol.contracts import TaskFailure
from mdprotocol.plan.followup import FollowUp
from mdprotocol.plan.types import Batch, ProbeBatch
from mdprotocol.registry import build_registry
from mdprotocol.store import ResultsFolder
from mdprotocol.store.work import Work

if TYPE_CHECKING:
    from mdprotocol.engine.writing import RunOutcome

Emit = Callable[[Any], None]
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def prepare(plugins: Sequence[str]) -> None:
    """Once in every worker: the same plugins as the parent, one thread, deterministic algorithms.

    What the first task would wait for is imported here.
    """
    from mdprotocol.engine import batch, probe  # noqa: F401

    if multiprocessing.parent_process() is None:
        surroundings.usable_streams()
    else:
        surroundings.settle()
    single_thread()
    build_registry(plugins)


def single_thread() -> None:
    """One thread a task: two processes scale, two threads do not, and threaded sums are not repeatable."""
    import torch

    for name in THREADS:
        os.environ[name] = "1"  # read by libraries that are loaded from here on (those of tblite, numba, ...)
    torch.set_num_threads(1)
    if torch.cuda.is_available():  # on one CPU thread everything is deterministic as it is, and checking for it costs
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)


def compute(task: tuple[Batch | ProbeBatch, Path], emit: Emit) -> Sequence[RunOutcome] | Mapping[str, TaskFailure]:
    """Run a batch, or do the probes of a model.

    Returns:
        How each run ended; or the failures of those probes that could not be done, by their ids.
    """
    batch, root = task
    return _probes(batch, root, emit) if isinstance(batch, ProbeBatch) else _runs(batch, root, emit)


def _probes(batch: ProbeBatch, root: Path, emit: Emit) -> Mapping[str, TaskFailure]:
    from mdprotocol.engine.probe import run_probes

    return run_probes(batch, root, emit)


def _runs(batch: Batch, root: Path, emit: Emit) -> Sequence[RunOutcome]:
    """Run one batch; where memory is not enough, its halves one after the other, as batches of their own from then on."""
    import torch

    from mdprotocol.engine.batch import run_batch

    try:
        return run_batch(batch, root, emit)
    except (torch.OutOfMemoryError, MemoryError):
        if len(batch.runs) == 1:
            raise
    Work(ResultsFolder(root), batch.key).remove()
    torch.cuda.empty_cache()
    half = len(batch.runs) // 2
    halves = (replace(batch, runs=runs) for runs in (batch.runs[:half], batch.runs[half:]))
    return [outcome for part in halves for outcome in _runs(part, root, emit)]


def follow_up(task: tuple[FollowUp, Path], emit: Emit) -> None:
    """Look for the causes of a model's failures."""
    from mdprotocol.engine.followup import follow_up_task

    follow_up_task(task, emit)


def call(task: tuple[Callable[[Any], Any], Any], emit: Emit) -> Any:
    """Any other function of one argument."""
    function, argument = task
    return function(argument)
