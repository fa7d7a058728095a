"""The key numbers of a model by system and temperature, and of several models side by side."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence

from mdprotocol.components import Report, RunRow
from mdprotocol.report import numbers
from mdprotocol.report.tables import Table, value_of
from mdprotocol.verdicts import Measurement, ModelVerdict

CELL = {"model", "system", "simulation", "temperature"}
KEY_QUANTITIES: Mapping[str, str] = {
    "force_error.rmse": "force RMSE",
    "force_error.r2": "force R²",
    "force_error.mae": "force MAE",
    "force_error.angle": "force angle",
    "energy_drift.per_atom": "energy drift",
    "energy_fluctuation.per_atom": "energy fluctuation",
    "temperature.mean": "temperature",
    "stability.crashed": "crashed",
}
"""Quantities in the summary, in this order, with the names a reader knows. Others stand in the full table."""


def canonical(report: Report, quantity: str) -> str:
    """`metric.quantity` with the metric's type in place of the name that a protocol gave it."""
    metric, _, name = quantity.partition(".")
    section = report.protocol.get("metrics", {}).get(metric)
    return f"{section['type']}.{name}" if isinstance(section, Mapping) and "type" in section else quantity


def find(report: Report, quantity: str, model: str, dims: set[str] | None = None) -> list[Measurement]:
    """Measurements of one quantity of one model, those without a value left out.

    Args:
        dims: keep only measurements with exactly these dims.
    """
    return [
        m
        for m in report.measurements
        if canonical(report, m.quantity) == quantity
        and m.where.get("model", model) == model
        and (dims is None or set(m.where) == dims)
        and math.isfinite(m.value)
    ]


def summary(report: Report, model: str) -> Table:
    """Key quantities by simulation, system and temperature."""
    found = {quantity: find(report, quantity, model, CELL) for quantity in KEY_QUANTITIES}
    used = {quantity: measured for quantity, measured in found.items() if measured}
    cells: dict[tuple[str, ...], dict[str, str]] = {}
    for quantity, measured in used.items():
        for m in measured:
            cells.setdefault(_place(m), {})[quantity] = value_of(dataclasses.replace(m, units=""))
    simulations = list(dict.fromkeys(place[0] for place in cells))
    columns = ("simulation", "system", "temperature", *(_title(q, measured) for q, measured in used.items()))
    rows = sorted(cells.items(), key=lambda row: simulations.index(row[0][0]))
    return Table(columns, tuple((*place, *(row.get(q, numbers.MISSING) for q in used)) for place, row in rows))


def _title(quantity: str, measured: Sequence[Measurement]) -> str:
    units = measured[0].units
    return KEY_QUANTITIES[quantity] + ("" if units in ("", "1") else f" ({units})")


def _place(found: Measurement) -> tuple[str, str, str]:
    temperature = found.where["temperature"]
    shown = f"{temperature:g}" if isinstance(temperature, int | float) else temperature
    return str(found.where["simulation"]), str(found.where["system"]), f"{shown} K"


# ------------------------------------------------------------------------------------------------- several models


def comparison(report: Report) -> Table:
    """One row a model: size, memory, speed, accuracy, stability, decision, and what it is recommended for."""
    largest = _largest(report)
    columns = (
        "model",
        "decision",
        "parameters",
        "weights",
        "time a step (slowest system)",
        "speed-up",
        "force RMSE (worst cell)",
        "force R² (worst cell)",
        "energy drift (worst cell)",
        "runs failed",
        "recommended for",
    )
    return Table(columns, tuple(_comparison_row(report, verdict, largest) for verdict in report.verdicts))


def _comparison_row(report: Report, verdict: ModelVerdict, largest: str | None) -> tuple[str, ...]:
    model = verdict.model
    uses = [use.use for use in verdict.recommendations if use.granted]
    r2 = find(report, "force_error.r2", model, CELL)
    return (
        model,
        str(verdict.decision),
        _worst(find(report, "resources.parameters", model)),
        _worst(find(report, "resources.weights_mb", model)),
        _worst(single_molecule_times(report, model)),
        _speed_up(report, largest, model),
        _worst(find(report, "force_error.rmse", model, CELL)),
        value_of(min(r2, key=lambda m: m.value)) if r2 else numbers.MISSING,
        _worst(find(report, "energy_drift.per_atom", model, CELL)),
        f"{verdict.runs_failed} of {verdict.runs_planned}",
        ", ".join(uses) or "nothing",
    )


def failure_modes(report: Report) -> Table:
    """How each model's runs ended early: a row a model, simulation and cause, with the systems and temperatures."""
    groups: dict[tuple[str, str, str], list[RunRow]] = {}
    for row in report.runs:
        if row.outcome == "failed":
            groups.setdefault((row.model, row.simulation, cause(row)), []).append(row)
    columns = ("model", "simulation", "cause", "runs failed", "systems", "temperatures")
    return Table(columns, tuple(_mode_row(report, *key, rows) for key, rows in groups.items()))


def _mode_row(report: Report, model: str, simulation: str, why: str, rows: Sequence[RunRow]) -> tuple[str, ...]:
    planned = sum(row.model == model and row.simulation == simulation for row in report.runs)
    systems = ", ".join(dict.fromkeys(row.system for row in rows))
    temperatures = ", ".join(f"{t:g}" for t in sorted({row.temperature_K for row in rows}))
    return model, simulation, why, f"{len(rows)} of {planned}", systems, f"{temperatures} K"


def cause(row: RunRow) -> str:
    """Kind of a failed run's failure: what stands before the time."""
    return row.failure.partition(" at ")[0] or "unknown"


def single_molecule_times(report: Report, model: str) -> list[Measurement]:
    """Median time of one evaluation for one molecule, ms; one measurement a system."""
    return find(report, "inference_time.median_ms", model)


def _worst(found: Sequence[Measurement]) -> str:
    return value_of(max(found, key=lambda m: m.value)) if found else numbers.MISSING


def _largest(report: Report) -> str | None:
    """The model with most parameters: what the others are compared with."""
    sizes = {
        verdict.model: max((m.value for m in find(report, "resources.parameters", verdict.model)), default=math.nan)
        for verdict in report.verdicts
    }
    known = {model: size for model, size in sizes.items() if math.isfinite(size)}
    return max(known, key=lambda model: known[model]) if known else None


def _speed_up(report: Report, slowest: str | None, model: str) -> str:
    """Geometric mean, over the systems that both were timed on, of the ratio of their times."""
    if slowest is None:
        return numbers.MISSING
    ours, theirs = (_by_system(single_molecule_times(report, name)) for name in (model, slowest))
    ratios = [theirs[system] / ours[system] for system in ours if system in theirs and ours[system] > 0]
    if not ratios:
        return numbers.MISSING
    return f"{math.exp(sum(map(math.log, ratios)) / len(ratios)):.2f}×"


def _by_system(found: Sequence[Measurement]) -> dict[str, float]:
    return {str(m.where.get("system", "")): m.value for m in found}


def reproduction(report: Report) -> Table:
    """Seed, versions, hardware, checkpoints: a row a fact."""
    return Table(("what", "value"), tuple(_facts(report)))


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    facts = report.provenance
    for key, title in (("date", "date"), ("seed", "seed"), ("mdprotocol", "mdprotocol"), ("commit", "commit")):
        if facts.get(key) not in (None, ""):
            yield title, str(facts[key])
    for model, files in dict(facts.get("checkpoints", {})).items():
        for file, digest in dict(files).items():
            yield f"checkpoint of {model}", f"{file}, SHA-256 {digest}"
    yield from _machine(facts)
    if facts.get("versions"):
        yield "versions", ", ".join(f"{name} {version}" for name, version in dict(facts["versions"]).items())
    seconds = sum(float(session.get("wall_seconds", 0)) for session in facts.get("sessions", ()))
    if seconds:
        yield "wall time", numbers.duration(seconds)


def _machine(facts: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    hardware = facts.get("hardware")
    if isinstance(hardware, Mapping):
        cores = f"{hardware.get('cores_usable') or hardware.get('cores_logical')} cores"
        parts = [hardware.get("cpu"), cores, f"{hardware.get('memory_GiB')} GiB", hardware.get("gpu")]
        yield "hardware", ", ".join(str(part) for part in (*parts, hardware.get("system")) if part)
    threads = facts.get("threads")
    if isinstance(threads, Mapping) and threads:
        yield "threads", ", ".join(f"{name} {count}" for name, count in threads.items())
