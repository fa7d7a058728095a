"""What a bench found, as plain rows and totals: the content of its table, its CSV and its JSON. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mdprotocol.bench.cells import CaseTimings
from mdprotocol.bench.samples import ENGINE, PLAIN_ASE, Ratio, Timing, cpu_speedup, share, speedup
from mdprotocol.plan.types import Plan, total_steps
from mdprotocol.protocol.schema import REFERENCE
from mdprotocol.units import FS_PER_NS, SECONDS_PER_DAY

MS, MB, GIGA = 1e3, 1e-6, 1e-9
Place = tuple[str, str]


@dataclass(frozen=True)
class Found:
    """All timings of a bench.

    Attributes:
        cases: one a system.
        scaling: copy-steps a second by number of worker processes; empty where it was not measured.
    """

    cases: tuple[CaseTimings, ...]
    scaling: Mapping[int, float]

    @property
    def timings(self) -> list[Timing]:
        return [timing for case in self.cases for timing in case.timings]

    @property
    def sgemm(self) -> float:
        """The machine's limit: the best single-precision product of one core, operations a second."""
        return max((rate for case in self.cases for rate in case.sgemm), default=0.0)

    def plain(self, model: str, system: str) -> Timing | None:
        """The plain ASE loop of a model on a system."""
        own = (t for t in self.timings if (t.model, t.system, t.loop) == (model, system, PLAIN_ASE))
        return next(own, None)

    def batched(self, model: str, system: str, copies: int | None = None) -> Timing | None:
        """The engine on a model, a system and a batch size; its largest where none is named."""
        own = [t for t in self.timings if (t.model, t.system, t.loop) == (model, system, ENGINE)]
        own = [t for t in own if copies in (None, t.copies)]
        return max(own, key=lambda t: t.copies, default=None)

    def largest_model(self, like: Timing) -> Timing | None:
        """The timing of the model with the most parameters, in the same loop with as many copies of the same system."""
        same = [t for t in self.timings if (t.system, t.loop, t.copies) == (like.system, like.loop, like.copies)]
        return max(same, key=lambda t: t.parameters, default=None)


def rows(found: Found) -> list[dict[str, Any]]:
    """One row a timing, with units in the names; None where something does not apply."""
    return [_row(found, timing) for timing in found.timings]


def _row(found: Found, t: Timing) -> dict[str, Any]:
    plain, largest = found.plain(t.model, t.system), found.largest_model(t)
    limit = share(t, found.sgemm)
    return {
        "model": t.model,
        "system": t.system,
        "loop": t.loop,
        "copies": t.copies,
        "kernel": t.kernel,
        "device": t.device,
        "dtype": t.dtype,
        "timestep_fs": t.timestep_fs,
        "ms_a_step_median": MS * t.median,
        "ms_a_step_p95": MS * t.p95,
        "steps_per_s": 1 / t.median,
        "cpu_ms_a_step_median": MS * t.cpu_median,
        "ns_per_day": t.copies * t.timestep_fs / FS_PER_NS * SECONDS_PER_DAY / t.median,
        "us_a_copy_step": 1e6 * t.per_copy,
        **_ratio("speedup_over_plain_ase", speedup(plain, t) if plain else None),
        **_ratio("cpu_speedup_over_plain_ase", cpu_speedup(plain, t) if plain else None),
        **_ratio("speedup_over_largest_model", speedup(largest, t) if largest else None),
        "mflop_a_step": None if t.flops is None else 1e-6 * t.flops,
        "gflops": None if t.flops is None else GIGA * t.flops / t.median,
        "share_of_sgemm": None if limit is None else limit.median,
        "parameters": t.parameters,
        "weights_MB": MB * t.weights_bytes,
        "grown_MB": MB * t.grown_bytes,
        "timed_steps": len(t.seconds),
    }


def _ratio(name: str, found: Ratio | None) -> dict[str, float | None]:
    values = (None, None, None) if found is None else (found.median, found.low, found.high)
    return dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))


def together(found: Found, periodic: bool | None = None) -> dict[str, Any] | None:
    """Time of a step of every model × system, plain ASE over the engine's largest batch; None where nothing pairs up.

    Args:
        periodic: only systems that are, or only those that are not.
    """
    kinds = {case.system: case.periodic for case in found.cases}
    places = [p for p in _places(found.timings) if periodic is None or kinds[p[1]] == periodic]
    pairs = [(found.plain(*place), found.batched(*place)) for place in places]
    both = [(plain, fast) for plain, fast in pairs if plain and fast]
    if not both:
        return None
    slow, quick = sum(plain.median for plain, _ in both), sum(fast.per_copy for _, fast in both)
    cpu = sum(plain.cpu_median for plain, _ in both) / sum(fast.cpu_median / fast.copies for _, fast in both)
    return {
        "cells": len(both),
        "plain_ase_ms": MS * slow,
        "engine_ms": MS * quick,
        "speedup": slow / quick,
        "cpu_speedup": cpu,
    }


def whole_protocol(found: Found, plan: Plan) -> dict[str, float | int] | None:
    """Seconds of the protocol's dynamics on one core, from measured steps; None where a model was not timed.

    The reference's own runs and its labels cost the same on both sides and are left out.
    """
    batches = [batch for batch in plan.batches if batch.model != REFERENCE]
    plain, fast, steps, cpu = 0.0, 0.0, 0, np.zeros(2)
    for batch in batches:
        system, count = batch.runs[0].system, total_steps(batch.settings)
        one, many = found.plain(batch.model, system), found.batched(batch.model, system, len(batch.runs))
        if one is None or many is None:
            return None
        plain, fast = plain + count * len(batch.runs) * one.median, fast + count * many.median
        cpu += count * np.array([len(batch.runs) * one.cpu_median, many.cpu_median])
        steps += count * len(batch.runs)
    if not steps:
        return None
    return {
        "copy_steps": steps,
        "plain_ase_seconds": plain,
        "engine_seconds": fast,
        "plain_ase_cpu_seconds": float(cpu[0]),
        "engine_cpu_seconds": float(cpu[1]),
        "speedup": plain / fast,
        "cpu_speedup": float(cpu[0] / cpu[1]),
    }


def memory(found: Found) -> dict[str, float]:
    """Peak resident memory of the process that timed, MB, and of the models' weights."""
    weights = {t.model: t.weights_bytes for t in found.timings}
    return {
        "peak_resident_MB": MB * max((case.peak_bytes for case in found.cases), default=0),
        "weights_MB": MB * sum(weights.values()),
    }


def _places(timings: Sequence[Timing]) -> Iterable[Place]:
    return dict.fromkeys((t.model, t.system) for t in timings)
