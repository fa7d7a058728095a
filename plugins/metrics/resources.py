"""Resources: how large a model is, and how much memory evaluating it takes."""

from __future__ import annotations

import os
from typing import Annotated, ClassVar, Literal

import numpy as np
import psutil
import xarray as xr
from pydantic import Field

from mdprotocol.api import (
    NotMeasurable,
    ProbeMetric,
    Quantity,
    Role,
    Subject,
    Topology,
    Values,
    properties,
)
from mdprotocol_plugins.metrics._series import finite

BYTES_PER_MB = 1.0e6


class Resources(ProbeMetric):
    """Parameters, memory of the weights, and memory that evaluating one molecule and the largest batch takes.

        parameters         number of trainable parameters
        weights_mb         memory of parameters and buffers, MB (10⁶ bytes)
        evaluation_mb      growth of the process's resident memory (GPU: peak of what torch has allocated, weights
                           included) while the largest batch of the protocol is evaluated `calls` times, MB
        process_mb         resident memory of the whole process after that, MB: with Python and torch, so an upper bound

    Resident memory is read after every call; what the C library has kept from earlier work is reused unseen, so that
    `evaluation_mb` is a lower bound on a CPU.
    """

    type: Literal["resources"] = "resources"
    calls: Annotated[int, Field(ge=1, le=1000)] = 5

    alone: ClassVar = True
    needs: ClassVar = frozenset({"parameters", "weights_bytes", "evaluation_bytes", "process_bytes"})
    tests: ClassVar = frozenset({properties.COST})
    quantities: ClassVar = {
        "parameters": Quantity("1", "trainable parameters", "same", role=Role.PARAMETERS, asks="parameters"),
        "weights_mb": Quantity("MB", "memory of the weights", "same", role=Role.WEIGHTS, asks="parameters"),
        "evaluation_mb": Quantity("MB", "growth of memory during evaluation", "max", role=Role.EVALUATION_MEMORY),
        "process_mb": Quantity("MB", "resident memory of the process after evaluation", "max"),
    }

    def probe(self, subject: Subject) -> xr.Dataset:
        field, size = subject.force_field, max(subject.batch_sizes, default=1)
        growth = self._growth_on_gpu(subject, size) if field.device.startswith("cuda") else self._growth(subject, size)
        values = {
            "parameters": (field.parameters, "1", "number of trainable parameters"),
            "weights_bytes": (field.weights_bytes, "B", "memory of parameters and buffers"),
            "evaluation_bytes": (growth, "B", "growth of memory during evaluation"),
            "process_bytes": (_resident(), "B", "resident memory of the process after evaluation"),
        }
        attrs = {"device": field.device, "kernel": field.kernel, "dtype": field.dtype, "batch_size": size}
        variables = {
            name: ((), np.int64(value), {"units": units, "long_name": text})
            for name, (value, units, text) in values.items()
        }
        return xr.Dataset(variables, attrs=attrs)

    def _growth(self, subject: Subject, size: int) -> int:
        before = _resident()
        return max(0, max(_resident() - before for _ in _evaluations(subject, size, self.calls)))

    def _growth_on_gpu(self, subject: Subject, size: int) -> int:
        import torch

        torch.cuda.reset_peak_memory_stats()
        for _ in _evaluations(subject, size, self.calls):
            torch.cuda.synchronize()
        return int(torch.cuda.max_memory_allocated())

    def measure(self, run: xr.Dataset) -> Values:
        found = {name: float(finite(run, name)) for name in self.needs}
        if min(found.values()) < 0 or found["process_bytes"] == 0:
            raise NotMeasurable("the stored memory is no amount of memory")
        return {
            "parameters": found["parameters"],
            "weights_mb": found["weights_bytes"] / BYTES_PER_MB,
            "evaluation_mb": found["evaluation_bytes"] / BYTES_PER_MB,
            "process_mb": found["process_bytes"] / BYTES_PER_MB,
        }


def _evaluations(subject: Subject, size: int, calls: int):  # type: ignore[no-untyped-def]
    """Evaluate a batch of slightly different positions, `calls` times; yields after each."""
    import torch

    topology = Topology.of([subject.structure] * size)
    evaluator, cells = subject.force_field.prepare(topology), torch.from_numpy(topology.cells)
    random = np.random.default_rng(subject.seed)
    start = np.tile(np.asarray(subject.structure.positions, dtype=np.float64), (size, 1))
    for _ in range(calls):
        yield evaluator(torch.as_tensor(start + random.normal(scale=1e-3, size=start.shape)), cells)


def _resident() -> int:
    return int(psutil.Process(os.getpid()).memory_info().rss)
