"""Inference time: how long one evaluation of energy and forces takes, as one step of molecular dynamics needs it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

import numpy as np
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
    fresh_answer,
    properties,
)
from mdprotocol_plugins.metrics._series import enough, finite

MIN_CALLS = 20
MS_PER_S = 1000.0


class InferenceTime(ProbeMetric):
    """Wall time of one evaluation of energy and forces: median and 95th percentile, for each batch size.

    A call is what a step of molecular dynamics pays for the model: positions in, energy and forces out, the neighbour
    list kept up to date; the integrator and the guards are not in it. After `warm_up` calls, calls are timed one by one
    with a monotonic clock. Every call gets slightly different positions (normal noise of 0.001 Å), and the answers
    must differ, so that a remembered result cannot pass for a fast model.

        median_ms               median for one molecule, ms
        p95_ms                  95th percentile for one molecule, ms
        median_per_molecule_ms  median in the largest batch of the protocol, divided by its number of molecules, ms
        median_ms_by_batch      median by number of molecules in the batch, ms

    Over several systems in one cell the largest value stands: timings of different systems are no replicas. Device,
    threads, kernel and precision are attributes of the probe's dataset, next to every single time.
    """

    type: Literal["inference_time"] = "inference_time"
    warm_up: Annotated[int, Field(ge=1, le=10_000)] = 20
    calls: Annotated[int, Field(ge=MIN_CALLS, le=100_000)] = 200
    """Timed calls a batch size, unless `seconds` are over first (but never fewer than 50, or `calls`)."""
    seconds: Annotated[float, Field(gt=0, le=600)] = 1.5

    alone: ClassVar = True
    needs: ClassVar = frozenset({"call_time", "batch_size"})
    tests: ClassVar = frozenset({properties.COST})
    quantities: ClassVar = {
        "median_ms": Quantity("ms", "median time of an evaluation of one molecule", "max", role=Role.STEP_TIME),
        "p95_ms": Quantity("ms", "95th percentile of the time of an evaluation of one molecule", "max"),
        "median_per_molecule_ms": Quantity("ms", "median time in the largest batch, per molecule", "max"),
        "median_ms_by_batch": Quantity(
            "ms", "median time of an evaluation of the whole batch", "max", role=Role.BATCH_TIME
        ),
    }

    def probe(self, subject: Subject) -> xr.Dataset:
        sizes = sorted({1, *subject.batch_sizes})
        times = [np.array(list(self._times(subject, size))) for size in sizes]
        flat = np.concatenate(times)
        sizes_flat = np.repeat(sizes, [len(found) for found in times])
        variables = {
            "call_time": ("call", flat, {"units": "s", "long_name": "wall time of one evaluation"}),
            "batch_size": ("call", sizes_flat, {"units": "1", "long_name": "molecules in the batch of this call"}),
        }
        return xr.Dataset(variables, attrs=_circumstances(subject))

    def _times(self, subject: Subject, size: int) -> Iterator[float]:
        """Seconds of each timed call; changed positions are made, and answers are checked, between calls."""
        import torch

        topology = Topology.of([subject.structure] * size)
        evaluator, cells = subject.force_field.prepare(topology), torch.from_numpy(topology.cells)
        random = np.random.default_rng([subject.seed, size])
        start = np.tile(np.asarray(subject.structure.positions, dtype=np.float64), (size, 1))
        wait = torch.cuda.synchronize if subject.force_field.device.startswith("cuda") else _nothing
        seen: np.ndarray | None = None
        deadline: float | None = None
        for call in range(self.warm_up + self.calls):
            positions = torch.as_tensor(start + random.normal(scale=1e-3, size=start.shape))
            wait()
            began = time.perf_counter()
            result = evaluator(positions, cells)
            wait()
            ended = time.perf_counter()
            seen = fresh_answer(result, seen)
            if call < self.warm_up:
                continue
            deadline = ended + self.seconds if deadline is None else deadline
            yield ended - began
            if ended > deadline and call - self.warm_up >= min(50, self.calls):
                return

    def measure(self, run: xr.Dataset) -> Values:
        times, sizes = MS_PER_S * finite(run, "call_time"), finite(run, "batch_size").astype(int)
        if (times <= 0).any():
            raise NotMeasurable("a call took no time at all: the clock is too coarse")
        kinds = np.unique(sizes)
        for kind in kinds:
            enough(int((sizes == kind).sum()), MIN_CALLS, "timed calls")
        if kinds[0] != 1:
            raise NotMeasurable("no call with a single molecule was timed")
        medians = [float(np.median(times[sizes == kind])) for kind in kinds]
        return {
            "median_ms": medians[0],
            "p95_ms": float(np.percentile(times[sizes == 1], 95)),
            "median_per_molecule_ms": medians[-1] / float(kinds[-1]),
            "median_ms_by_batch": xr.DataArray(medians, {"batch_size": kinds}, dims="batch_size"),
        }


def _nothing() -> None:
    """A CPU has finished when the call returns."""


def _circumstances(subject: Subject) -> dict[str, str | int]:
    import torch

    field = subject.force_field
    return {
        "device": field.device,
        "device_name": torch.cuda.get_device_name() if field.device.startswith("cuda") else "CPU",
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count() or 0,
        "kernel": field.kernel,
        "dtype": field.dtype,
        "atoms": len(subject.structure),
    }
