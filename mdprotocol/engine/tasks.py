"""What workers are told to do, as picklable functions: whoever tells them does not import torch, they do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mdprotocol.plan.followup import FollowUp
from mdprotocol.plan.types import Batch, ProbeBatch

Emit = Callable[[Any], None]


def prepare(plugins: Sequence[str]) -> None:
    """See `worker.prepare_worker`; with what the first task would otherwise wait for."""
    from mdprotocol.engine import worker

    worker.prepare_worker(plugins)


def compute(task: tuple[Batch | ProbeBatch, Path], emit: Emit) -> Any:
    """Do the probes of a model, or run a batch."""
    from mdprotocol.engine import worker

    batch, root = task
    if isinstance(batch, ProbeBatch):
        return worker.probe_task((batch, root), emit)
    return worker.batch_task((batch, root), emit)


def follow_up(task: tuple[FollowUp, Path], emit: Emit) -> None:
    """Look for the causes of a model's failures."""
    from mdprotocol.engine.followup import follow_up_task

    follow_up_task(task, emit)


def call(task: tuple[Callable[[Any], Any], Any], emit: Emit) -> Any:
    """Any other function of one argument."""
    function, argument = task
    return function(argument)
