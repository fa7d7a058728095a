"""The plan in words, for `mdprotocol check`: rows and lines; printing is the command line's."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from mdprotocol.plan.estimate import PlanCost, estimate
from mdprotocol.plan.steps import frames_of, labels_of
from mdprotocol.plan.types import CriterionSource, Plan, Run, total_steps
from mdprotocol.protocol.schema import Protocol


@dataclass(frozen=True)
class SimulationRow:
    """One simulation of one model in the table of a plan."""

    simulation: str
    model: str
    systems: tuple[str, ...]
    temperatures_K: tuple[float, ...]
    replicas: int
    runs: int
    timestep_fs: float
    steps: int
    """Of one run, equilibration included."""
    frames: int
    labels: int


def simulation_rows(plan: Plan) -> list[SimulationRow]:
    """One row for each simulation × model, in the plan's order."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in plan.runs:
        groups.setdefault((run.simulation, run.model), []).append(run)
    return [_row(runs) for runs in groups.values()]


def _row(runs: Sequence[Run]) -> SimulationRow:
    settings = runs[0].settings
    return SimulationRow(
        simulation=runs[0].simulation,
        model=runs[0].model,
        systems=tuple(dict.fromkeys(run.system for run in runs)),
        temperatures_K=tuple(dict.fromkeys(run.temperature_K for run in runs)),
        replicas=len({run.replica for run in runs}),
        runs=len(runs),
        timestep_fs=settings.timestep_fs,
        steps=total_steps(settings),
        frames=frames_of(settings),
        labels=labels_of(settings),
    )


def describe(plan: Plan, workers: int | None = None) -> list[str]:
    """The whole plan as lines of text: systems, runs, time and disk, sources of the criteria, warnings.

    Args:
        workers: processes that share the batches; one a core by default.
    """
    cost, protocol = estimate(plan, workers or os.cpu_count() or 1), plan.study.protocol
    return [
        f"Protocol {protocol.name}" + (f": {protocol.description}" if protocol.description else ""),
        "",
        *_systems(plan),
        "",
        *_simulations(plan),
        "",
        _cost(plan, cost),
        "",
        *_criteria(plan),
        *_warnings(plan),
    ]


def _systems(plan: Plan) -> list[str]:
    rows = [
        [name, str(len(structure)), "periodic" if structure.periodic else "open"]
        for name, structure in plan.structures.items()
    ]
    return table(["system", "atoms", "cell"], rows)


def _simulations(plan: Plan) -> list[str]:
    header = ["simulation", "model", "systems", "T (K)", "replicas", "runs", "dt (fs)", "steps", "frames", "labels"]
    rows = [
        [
            row.simulation,
            row.model,
            " ".join(row.systems),
            " ".join(f"{kelvin:g}" for kelvin in row.temperatures_K),
            str(row.replicas),
            str(row.runs),
            f"{row.timestep_fs:g}",
            f"{row.steps:,}",
            f"{row.frames:,}",
            f"{row.labels:,}",
        ]
        for row in simulation_rows(plan)
    ]
    return table(header, rows)


def _cost(plan: Plan, cost: PlanCost) -> str:
    counts = f"{len(plan.runs):,} runs in {len(plan.batches):,} batches, {len(plan.probes):,} probes"
    time = f"about {duration(cost.seconds)} on {cost.workers} worker{'s' * (cost.workers > 1)}"
    return f"{counts}; {plan.atom_steps:,} atom-steps; {time} (a rough estimate), {size(cost.bytes)} on disk"


def _criteria(plan: Plan) -> list[str]:
    protocol = plan.study.protocol
    rows = [
        [
            source.criterion,
            protocol.criteria[source.criterion].level.value,
            bounds(protocol, source),
            _measured_from(source, plan),
        ]
        for source in plan.sources
    ]
    return table(["criterion", "level", "bound", "measured from"], rows)


def bounds(protocol: Protocol, source: CriterionSource) -> str:
    """`force_error.rmse ≤ 0.2 eV/Å`, `-25 ≤ temperature.deviation ≤ 25 %`."""
    criterion = protocol.criteria[source.criterion]
    low = f"{criterion.min:g} ≤ " if criterion.min is not None else ""
    high = f" ≤ {criterion.max:g}" if criterion.max is not None else ""
    return f"{low}{source.quantity}{high}" + (f" {source.units}" if source.units not in ("", "1") else "")


def _measured_from(source: CriterionSource, plan: Plan) -> str:
    ids = {item for found in source.runs.values() for item in found}
    runs = [run for run in plan.runs if run.id in ids]
    if not runs:
        return f"{len(ids)} probe{'s' * (len(ids) != 1)}"
    simulations = ", ".join(dict.fromkeys(run.simulation for run in runs))
    return f"{len(runs)} run{'s' * (len(runs) != 1)} of {simulations}"


def _warnings(plan: Plan) -> list[str]:
    return ["", *(f"warning: {text}" for text in plan.warnings)] if plan.warnings else []


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Left-aligned columns, two spaces apart; an empty table is its header."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [header, *rows]]
    return [line.rstrip() for line in lines]


def duration(seconds: float) -> str:
    """`40 s`, `12 min`, `3.5 h`, `2.1 d`."""
    for limit, unit, length in ((90.0, "s", 1.0), (5400.0, "min", 60.0), (172800.0, "h", 3600.0)):
        if seconds < limit:
            return f"{seconds / length:.2g} {unit}"
    return f"{seconds / 86400:.2g} d"


def size(count: int) -> str:
    """`12 kB`, `3.4 MB`, `1.2 GB`."""
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.3g} {unit}"
