"""What an executor's worker runs: picklable functions, one task each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from mdprotocol.engine.batch import Emit, RunOutcome, run_batch
from mdprotocol.engine.probe import run_probes
from mdprotocol.plan.types import Batch, ProbeBatch
from mdprotocol.registry import build_registry


def prepare_worker(plugins: Sequence[str]) -> None:
    """Once in every worker: the same plugins as the parent, one thread, deterministic algorithms."""
    build_registry(plugins)
    single_thread()


def single_thread() -> None:
    """One thread a task: two processes scale, two threads do not, and threaded sums are not repeatable."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)


def batch_task(task: tuple[Batch, Path], emit: Emit) -> list[RunOutcome]:
    """Run one batch."""
    return run_batch(*task, emit)


def probe_task(task: tuple[ProbeBatch, Path], emit: Emit) -> Any:
    """Do the probes of one model."""
    return run_probes(*task, emit)
