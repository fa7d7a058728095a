"""The key numbers of a model by system and temperature, and the facts that are needed to repeat it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mdprotocol.contracts import KEY_ROLES, Report, Role
from mdprotocol.report import numbers
from mdprotocol.report.tables import Table, value_of
from mdprotocol.verdicts import Measurement

CONDITION = {"model", "system", "simulation", "temperature"}


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


def role_of(report: Report, quantity: str) -> Role | None:
    """What a quantity is a measure of; None where its metric does not say."""
    return report.roles.get(canonical(report, quantity))


def of_role(report: Report, role: Role, model: str, dims: set[str] | None = None) -> list[Measurement]:
    """Measurements of one model that have a role, as `find` gives them; of one quantity, where several have it."""
    named = (m.quantity for m in report.measurements if role_of(report, m.quantity) is role)
    found = (find(report, canonical(report, quantity), model, dims) for quantity in dict.fromkeys(named))
    return next(filter(None, found), [])


def summary(report: Report, model: str) -> Table:
    """Key numbers by simulation, system and temperature; other quantities are in the full tables only."""
    found = {role: of_role(report, role, model, CONDITION) for role in KEY_ROLES}
    used = {role: measured for role, measured in found.items() if measured}
    conditions: dict[tuple[str, ...], dict[Role, str]] = {}
    for role, measured in used.items():
        for m in measured:
            conditions.setdefault(_place(m), {})[role] = value_of(dataclasses.replace(m, units=""))
    simulations = list(dict.fromkeys(place[0] for place in conditions))
    columns = ("simulation", "system", "temperature", *(_title(role, measured) for role, measured in used.items()))
    rows = sorted(conditions.items(), key=lambda row: simulations.index(row[0][0]))
    return Table(columns, tuple((*place, *(row.get(role, numbers.MISSING) for role in used)) for place, row in rows))


def _title(role: Role, measured: Sequence[Measurement]) -> str:
    units = measured[0].units
    return str(role) + ("" if units in ("", "1") else f" ({units})")


def _place(found: Measurement) -> tuple[str, str, str]:
    temperature = found.where["temperature"]
    shown = f"{temperature:g}" if isinstance(temperature, int | float) else temperature
    return str(found.where["simulation"]), str(found.where["system"]), f"{shown} K"


def reproduction(report: Report) -> Table:
    """Seed, versions, hardware, checkpoints and code of the models: a row a fact."""
    return Table(("what", "value"), tuple(_facts(report)))


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    facts = report.provenance
    for key, title in (("date", "date"), ("seed", "seed"), ("mdprotocol", "mdprotocol"), ("commit", "commit")):
        if facts.get(key) not in (None, ""):
            yield title, str(facts[key])
    for model, files in facts.get("checkpoints", {}).items():
        for file, digest in files.items():
            yield f"checkpoint of {model}", f"{file}, SHA-256 {digest}"
    yield from _computed(facts)
    yield from _machine(facts)
    if facts.get("versions"):
        yield "versions", ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    yield from _taken_over(facts)
    seconds = sum(session["wall_seconds"] for session in facts.get("sessions", ()))
    if seconds:
        yield "wall time", numbers.duration(seconds)


def _computed(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Code and packages that compute each model."""
    for model, computed in facts.get("models", {}).items():
        for name, digest in computed.get("sources", {}).items():
            yield f"code of {model}", f"{name}, SHA-256 {digest}"
        packages = computed.get("packages", {})
        if packages:
            known = (_with_version(name, version) for name, version in packages.items())
            yield f"packages of {model}", ", ".join(known)


def _with_version(name: str, version: str) -> str:
    """`ase 3.29.0`; where the import name is not the distribution's, `mace (mace-torch 0.3.14)`."""
    return f"{name} ({version})" if " " in version else f"{name} {version or 'of no known version'}"


def _taken_over(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Runs of other results folders; each has the identity that was planned."""
    for entry in facts.get("reused", ()):
        known = [entry[key] for key in ("from", "protocol", "date", "commit") if entry.get(key)]
        yield "taken over", f"{len(entry['runs'])} runs from {', '.join(known)}"


def _machine(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    hardware = facts.get("hardware")
    if hardware:
        cores = f"{hardware.get('cores_usable') or hardware.get('cores_logical')} cores"
        parts = [hardware.get("cpu"), cores, f"{hardware.get('memory_GiB')} GiB", hardware.get("gpu")]
        yield "hardware", ", ".join(str(part) for part in (*parts, hardware.get("system")) if part)
    threads = facts.get("threads")
    if threads:
        yield "threads", ", ".join(f"{name} {count}" for name, count in threads.items())
