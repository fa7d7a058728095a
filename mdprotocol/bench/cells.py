"""One system: every model, every batch size and the plain ASE loop, timed in turn. Run by an executor's worker."""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch

from mdprotocol.bench.loops import AseLoop, EngineLoop, Sgemm, SteppingLoop
from mdprotocol.bench.samples import ENGINE, PLAIN_ASE, Timing
from mdprotocol.contracts import Dynamics, ForceField, Model, Structure
from mdprotocol.engine import events
from mdprotocol.errors import MDProtocolError

MOST_STEPS = 60


@dataclass(frozen=True)
class Effort:
    """How long to look: bursts of everything, the length that a burst aims at, and the warm-up before the first."""

    rounds: int = 9
    burst_seconds: float = 0.1
    warm_up_seconds: float = 0.3
    warm_up_steps: int = 10


@dataclass(frozen=True)
class Case:
    """One system and the models that move it; `sizes` and `dynamics` are by model."""

    system: str
    structure: Structure
    models: Mapping[str, Model]
    sizes: Mapping[str, tuple[int, ...]]
    dynamics: Mapping[str, Dynamics]
    base: str
    effort: Effort


@dataclass(frozen=True)
class CaseTimings:
    """Timings of a system, and what the machine could do meanwhile."""

    system: str
    atoms: int
    periodic: bool
    timings: tuple[Timing, ...]
    sgemm: tuple[float, ...]
    """Operations a second of one core, one a round."""
    threads: int
    peak_bytes: int
    """Largest resident memory of the process so far."""


@dataclass
class Contender:
    """A loop with what is known of it before it is timed."""

    facts: dict[str, Any]
    loop: SteppingLoop
    steps: int


def time_case(case: Case, emit: Callable[[Any], None]) -> CaseTimings:
    """Time a system. A model that cannot treat it is reported and left out."""
    emit(events.ProbeStarted(f"bench {case.system}"))
    contenders = [one for model in case.models for one in _contenders(case, model, emit)]
    sgemm, limits, bursts = Sgemm(), [], [[] for _ in contenders]  # type: ignore[var-annotated]
    for _ in range(case.effort.rounds):
        limits.append(sgemm.rate())
        for contender, own in zip(contenders, bursts, strict=True):
            own.append(contender.loop.burst(contender.steps))
    emit(events.ProbeFinished(f"bench {case.system}"))
    return CaseTimings(
        system=case.system,
        atoms=len(case.structure),
        periodic=case.structure.periodic,
        timings=tuple(_timing(c, own) for c, own in zip(contenders, bursts, strict=True)),
        sgemm=tuple(limits),
        threads=torch.get_num_threads(),
        peak_bytes=peak_bytes(),
    )


def _timing(contender: Contender, bursts: list[tuple[tuple[float, ...], tuple[float, ...]]]) -> Timing:
    wall, cpu = zip(*bursts, strict=True)
    return Timing(**contender.facts, bursts=wall, cpu_bursts=cpu)


def _contenders(case: Case, model: str, emit: Callable[[Any], None]) -> list[Contender]:
    """The ways to step one model, warmed up; none, with a notice, where it cannot treat the system or does no work."""
    try:
        field = case.models[model].load(Path(case.base))
        return list(_prepared(case, model, field))
    except MDProtocolError as error:
        emit(events.ProbeFinished(f"bench {case.system}, {model}", problem=str(error)))
        return []


def _prepared(case: Case, model: str, field: ForceField) -> Iterator[Contender]:
    dynamics, structure = case.dynamics[model], case.structure

    def facts(loop: str, copies: int, kernel: str, dtype: str) -> dict[str, Any]:
        return {
            "model": model,
            "system": case.system,
            "loop": loop,
            "copies": copies,
            "kernel": kernel,
            "device": field.device,
            "dtype": dtype,
            "timestep_fs": dynamics.timestep_fs,
            "parameters": field.parameters,
            "weights_bytes": field.weights_bytes,
        }

    def warm(loop: SteppingLoop, known: dict[str, Any], before: int) -> Contender:
        steps = _warm_up(loop, case.effort)
        return Contender(known | {"grown_bytes": max(0, resident_bytes() - before)}, loop, steps)

    before = resident_bytes()
    plain = AseLoop(field, structure, dynamics)
    yield warm(plain, facts(PLAIN_ASE, 1, plain.kernel, plain.dtype), before)
    for copies in case.sizes[model]:
        before = resident_bytes()
        batched = EngineLoop(field, structure, copies, dynamics)
        one = field.flops(structure)
        known = facts(ENGINE, copies, batched.kernel, field.dtype)
        yield warm(batched, known | {"flops": None if one is None else copies * one}, before)


def _warm_up(loop: SteppingLoop, effort: Effort) -> int:
    """Step until caches, pools and compilers have settled; the number of steps that fill a burst."""
    began, steps, last = time.perf_counter(), 0, 0.0
    while steps < effort.warm_up_steps and (steps < 3 or time.perf_counter() - began < effort.warm_up_seconds):
        ((last,), _) = loop.burst(1)
        steps += 1
    return max(1, min(MOST_STEPS, round(effort.burst_seconds / max(last, 1e-6))))


def resident_bytes() -> int:
    """Resident memory of this process."""
    return int(psutil.Process(os.getpid()).memory_info().rss)


def peak_bytes() -> int:
    """Largest resident memory that this process has had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)


def case_task(case: Case, emit: Callable[[Any], None]) -> CaseTimings:
    """What an executor runs."""
    return time_case(case, emit)
