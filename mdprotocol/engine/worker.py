"""What an executor's worker runs: picklable functions, one task each."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from mdprotocol import surroundings
from mdprotocol.engine.batch import Emit, run_batch
from mdprotocol.engine.probe import run_probes
from mdprotocol.engine.writing import RunOutcome
from mdprotocol.plan.types import Batch, ProbeBatch
from mdprotocol.registry import build_registry
from mdprotocol.store import ResultsFolder
from mdprotocol.store.work import Work

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def prepare_worker(plugins: Sequence[str]) -> None:
    """Once in every worker: the same plugins as the parent, one thread, deterministic algorithms."""
    if multiprocessing.parent_process() is None:
        surroundings.usable_streams()
    else:
        surroundings.settle()
    single_thread()
    build_registry(plugins)


def single_thread() -> None:
    """One thread a task: two processes scale, two threads do not, and threaded sums are not repeatable."""
    for name in THREADS:
        os.environ[name] = "1"  # read by libraries that are loaded from here on (those of tblite, numba, ...)
    torch.set_num_threads(1)
    if torch.cuda.is_available():  # on one CPU thread everything is deterministic as it is, and checking for it costs
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)


def batch_task(task: tuple[Batch, Path], emit: Emit) -> list[RunOutcome]:
    """Run one batch; where memory is not enough, its halves one after the other, as batches of their own from then on."""
    batch, root = task
    try:
        return run_batch(batch, root, emit)
    except (torch.OutOfMemoryError, MemoryError):
        if len(batch.runs) == 1:
            raise
    Work(ResultsFolder(root), batch.key).remove()
    torch.cuda.empty_cache()
    half = len(batch.runs) // 2
    halves = (replace(batch, runs=runs) for runs in (batch.runs[:half], batch.runs[half:]))
    return [outcome for part in halves for outcome in batch_task((part, root), emit)]


def probe_task(task: tuple[ProbeBatch, Path], emit: Emit) -> Any:
    """Do the probes of one model."""
    return run_probes(*task, emit)
