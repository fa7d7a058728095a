"""The engine: batches of runs and probes in, one dataset a run out. The only part that imports torch."""

from mdprotocol.engine.batch import RunOutcome, run_batch
from mdprotocol.engine.events import TaskFailed
from mdprotocol.engine.probe import run_probes
from mdprotocol.engine.worker import batch_task, prepare_worker, probe_task, single_thread

__all__ = [
    "RunOutcome",
    "TaskFailed",
    "batch_task",
    "prepare_worker",
    "probe_task",
    "run_batch",
    "run_probes",
    "single_thread",
]
