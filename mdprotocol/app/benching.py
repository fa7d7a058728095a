"""The bench: the protocol's own models and systems on this machine, timed side by side with plain ASE."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mdprotocol.app.checking import check
from mdprotocol.app.sources import Prepared, Source
from mdprotocol.app.workers import Workers
from mdprotocol.errors import UsageError
from mdprotocol.plan import Plan
from mdprotocol.plan.batches import batch_sizes
from mdprotocol.plan.estimate import estimate
from mdprotocol.plan.expand import dynamics_of
from mdprotocol.protocol.schema import REFERENCE
from mdprotocol.report import provenance
from mdprotocol.store import ResultsFolder

EventHandler = Callable[[Any], None]
QUICK_ROUNDS, QUICK_BURST_SECONDS = 3, 0.03


@dataclass(frozen=True)
class Benched:
    """Where the files are, and the page among them."""

    folder: Path
    markdown: str


def bench(source: Source, output: Path | None, quick: bool, on_event: EventHandler) -> Benched:
    """Time every model on every system that it moves; write bench.json, .csv, .md and .png into the results folder.

    Args:
        output: results folder; `results/<protocol name>` in the working folder by default.
        quick: fewer and shorter bursts; ratios are then rough.

    Raises:
        UsageError: the protocol moves nothing.
    """
    from mdprotocol.bench import (
        figure,
        tables,
    )  # they and what they time need torch or matplotlib: not for other commands
    from mdprotocol.bench.results import rows

    prepared, plan = check(source)
    load = _load_before()
    found, effort = _timed(prepared, plan, quick, on_event)
    facts = _facts(prepared, plan, found) | {"load_before": load, "effort": asdict(effort), "rows": rows(found)}
    page = tables.markdown(facts)
    folder = ResultsFolder(output or Path("results") / prepared.protocol.name)
    folder.write_json("bench.json", facts)
    folder.write_bytes("bench.csv", tables.csv_text(facts["rows"]).encode())
    folder.write_bytes("bench.md", page.encode())
    folder.write_bytes("bench.png", figure.draw(facts["rows"]))
    return Benched(folder.root, page)


def _timed(prepared: Prepared, plan: Plan, quick: bool, on_event: EventHandler) -> tuple[Any, Any]:
    """One fresh process of one thread times the systems one after the other; then several of them at once."""
    from mdprotocol.bench.cells import Effort, case_task
    from mdprotocol.bench.results import Found

    effort = Effort(rounds=QUICK_ROUNDS, burst_seconds=QUICK_BURST_SECONDS) if quick else Effort()
    cases = _cases(prepared, plan, effort)
    if not cases:
        raise UsageError("the protocol has no simulation of a model: there is nothing to time")
    timed = _execute(prepared, case_task, cases, workers=1, on_event=on_event)
    return Found(tuple(timed), {} if quick else _scaling(prepared, cases, on_event)), effort


def _cases(prepared: Prepared, plan: Plan, effort: Any) -> list[Any]:
    from mdprotocol.bench.cells import Case

    runs = [run for run in plan.runs if run.model != REFERENCE]
    sizes, moves = batch_sizes(runs), dynamics_of(runs)
    found = []
    for system, structure in plan.structures.items():
        models = {name: model for name, model in prepared.protocol.models.items() if (name, system) in sizes}
        own_sizes = {name: tuple(sorted({1, *sizes[name, system]})) for name in models}
        own_moves = {name: moves[name, system][0] for name in models}
        if models:
            found.append(Case(system, structure, models, own_sizes, own_moves, str(prepared.base), effort))
    return found


def _scaling(prepared: Prepared, cases: Sequence[Any], on_event: EventHandler) -> dict[int, float]:
    """Throughput of the heaviest open batch in one process, and in one a core at the same time."""
    from mdprotocol.bench.scaling import Load, load_task, throughput

    cores = provenance.hardware()["cores_usable"] or 1
    case = max(cases, key=lambda case: (not case.structure.periodic, len(case.structure)))
    model, component = next(iter(case.models.items()))
    copies = max(case.sizes[model])
    found = {}
    for workers in sorted({1, cores}):
        with tempfile.TemporaryDirectory() as meeting:
            loads = [
                Load(component, case.structure, copies, case.dynamics[model], case.base, workers, n, meeting)
                for n in range(workers)
            ]
            ends = _execute(prepared, load_task, loads, workers=workers, on_event=on_event)
        found[workers] = throughput(ends, copies)
    return found


def _execute(prepared: Prepared, work: Any, tasks: Sequence[Any], workers: int, on_event: EventHandler) -> list[Any]:
    """Results of the tasks, in their order, on so many processes of one thread each; the first failure is raised.

    Whatever executor the protocol names: one worker does one task after the other, with nothing beside.
    """
    executor = prepared.registry.entries["executors"]["processes"].component(workers=workers)  # type: ignore[call-arg]
    protocol = prepared.protocol.model_copy(update={"executor": executor})
    with Workers(protocol, prepared.registry, on_event) as team:
        return team.results(work, tasks)


def _facts(prepared: Prepared, plan: Plan, found: Any) -> dict[str, Any]:
    from mdprotocol.bench.results import memory, together, whole_protocol

    hardware = provenance.hardware()
    cost = estimate(plan, hardware["cores_usable"] or 1)
    return {
        "protocol": prepared.protocol.name,
        "versions": provenance.versions(),
        "hardware": hardware,
        "commit": provenance.commit(prepared.base),
        "threads": max((case.threads for case in found.cases), default=1),
        "sgemm_gflops": 1e-9 * found.sgemm,
        "together": {"open systems": together(found, periodic=False), "all systems": together(found)},
        "whole_protocol": whole_protocol(found, plan),
        "plan": {"seconds": cost.seconds, "workers": cost.workers},
        "scaling": {str(workers): rate for workers, rate in found.scaling.items()},
        "memory": memory(found),
    }


def _load_before() -> str:
    """Mean number of processes that wanted to run in the last minute: on a busy machine only ratios mean something."""
    try:
        return f"{os.getloadavg()[0]:.1f}"
    except (AttributeError, OSError):
        return "unknown"
