"""Several models side by side: size, speed, accuracy, stability, criteria, what was expected, how runs failed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mdprotocol.contracts import Report, Role, RunRow
from mdprotocol.report import numbers
from mdprotocol.report.summary import CONDITION, find, of_role
from mdprotocol.report.tables import LEVELS, Table, by_level, value_of
from mdprotocol.verdicts import INSTALLATION_CHECK, CriterionResult, Level, Measurement, ModelVerdict, Outcome

Fact = Callable[[Report, ModelVerdict], str]


def comparison(report: Report) -> Table:
    """A row a fact, a column a model: decision, uses, size, speed, accuracy, stability."""
    rows = ((name, *(fact(report, verdict) for verdict in report.verdicts)) for name, fact in FACTS.items())
    return Table(("", *(verdict.model for verdict in report.verdicts)), tuple(rows))


def uses(verdict: ModelVerdict) -> str:
    """Uses that the rules grant, and warnings that they give."""
    granted = [use for use in verdict.recommendations if use.granted]
    return ", ".join([use.use for use in granted if not use.warning] + [use.use for use in granted if use.warning])


def _no_use(verdict: ModelVerdict) -> str:
    return f"none: {INSTALLATION_CHECK}" if verdict.installation_check else "none"


def passed(criteria: Sequence[CriterionResult]) -> str:
    """`9 of 12`, or a dash where there is none."""
    count = sum(criterion.outcome is Outcome.PASS for criterion in criteria)
    return f"{count} of {len(criteria)}" if criteria else numbers.MISSING


def at_level(verdict: ModelVerdict, level: Level) -> list[CriterionResult]:
    """Criteria of one level, in the order of the protocol."""
    return [criterion for criterion in verdict.criteria if criterion.level is level]


def worst(found: Sequence[Measurement]) -> str:
    """The largest of these values, in words."""
    return value_of(max(found, key=lambda m: m.value)) if found else numbers.MISSING


def step_times(report: Report, model: str) -> list[Measurement]:
    """Median time of one evaluation for one molecule, ms; one measurement a system."""
    return of_role(report, Role.STEP_TIME, model)


def largest(report: Report) -> str:
    """The model with most parameters: what the others' speed is compared with; empty where none was counted."""
    sizes = {
        verdict.model: max((m.value for m in of_role(report, Role.PARAMETERS, verdict.model)), default=math.nan)
        for verdict in report.verdicts
    }
    known = {model: size for model, size in sizes.items() if math.isfinite(size)}
    return max(known, key=lambda model: known[model]) if known else ""


def ratios(report: Report, quantity: str, of: str, to: str) -> dict[str, float]:
    """Ratio of a quantity between two models in every condition that both were measured in."""
    return _ratios(find(report, quantity, of), find(report, quantity, to))


def _ratios(of: Sequence[Measurement], to: Sequence[Measurement]) -> dict[str, float]:
    above, below = ({_key(m): m.value for m in found} for found in (of, to))
    return {key: above[key] / below[key] for key in above if below.get(key, 0.0) > 0 and above[key] > 0}


def _key(found: Measurement) -> str:
    return ", ".join(f"{value:g}" if isinstance(value, float) else str(value)
                     for dim, value in found.where.items() if dim != "model")  # fmt: skip


def geometric_mean(values: Sequence[float]) -> float:
    """Geometric mean: the mean under which a ratio and its inverse say the same; NaN of nothing."""
    return math.exp(sum(map(math.log, values)) / len(values)) if values else math.nan


def _speed_up(report: Report, verdict: ModelVerdict) -> str:
    found = _ratios(step_times(report, largest(report)), step_times(report, verdict.model))
    return f"{geometric_mean(list(found.values())):.2f}×" if found else numbers.MISSING


def _lowest_r2(report: Report, verdict: ModelVerdict) -> str:
    found = of_role(report, Role.FORCE_R2, verdict.model, CONDITION)
    return value_of(min(found, key=lambda m: m.value)) if found else numbers.MISSING


def _worst_of(role: Role, dims: set[str] | None = None) -> Fact:
    return lambda report, verdict: worst(of_role(report, role, verdict.model, dims))


FACTS: Mapping[str, Fact] = {
    "decision": lambda report, verdict: str(verdict.decision),
    "recommended use": lambda report, verdict: uses(verdict) or _no_use(verdict),
    "must criteria passed": lambda report, verdict: passed(at_level(verdict, Level.MUST)),
    "should criteria passed": lambda report, verdict: passed(at_level(verdict, Level.SHOULD)),
    "nice criteria passed": lambda report, verdict: passed(at_level(verdict, Level.NICE)),
    "force RMSE, worst condition": _worst_of(Role.FORCE_RMSE, CONDITION),
    "force R², worst condition": _lowest_r2,
    "energy drift, worst condition": _worst_of(Role.ENERGY_DRIFT, CONDITION),
    "runs failed": lambda report, verdict: f"{verdict.runs_failed} of {verdict.runs_planned}",
    "time a step, slowest system": lambda report, verdict: worst(step_times(report, verdict.model)),
    "speed-up over the largest model": _speed_up,
    "parameters": _worst_of(Role.PARAMETERS),
    "memory of the weights": _worst_of(Role.WEIGHTS),
    "memory of evaluating": _worst_of(Role.EVALUATION_MEMORY),
}


# --------------------------------------------------------------------------------------------------- expectations


@dataclass(frozen=True)
class ExpectedRatio:
    """An expectation of the protocol with what was measured; `measured` is NaN where nothing was."""

    name: str
    metric: str
    of: str
    to: str
    minimum: float | None
    maximum: float | None
    description: str
    measured: float
    outcome: str
    by_system: Mapping[str, float]


def expected_ratios(report: Report) -> list[ExpectedRatio]:
    """Every expectation of the protocol: the geometric mean of the ratio over the systems, and where it stands."""
    return [_expected(report, name, entry) for name, entry in (report.protocol.get("expectations") or {}).items()]


def _expected(report: Report, name: str, entry: Mapping[str, Any]) -> ExpectedRatio:
    least, most = entry.get("min"), entry.get("max")
    names = (str(entry["metric"]), str(entry["of"]), str(entry["to"]))
    found = ratios(report, *names)
    mean = geometric_mean(list(found.values()))
    outcome = standing(mean, least, most) if found else str(Outcome.NOT_MEASURED)
    what = str(entry.get("description") or "{} of {} divided by that of {}".format(*names))
    return ExpectedRatio(name, *names, least, most, what, mean, outcome, found)


def expectations(report: Report) -> Table:
    """What the protocol expected of one model against another, beside what was measured."""
    columns = ("expected", "measured", "range", "outcome", "by system", "what")
    return Table(columns, tuple(_expectation_row(found) for found in expected_ratios(report)))


def _expectation_row(found: ExpectedRatio) -> tuple[str, ...]:
    measured = f"{found.measured:.2f}×" if found.by_system else numbers.MISSING
    each = ", ".join(f"{place} {ratio:.2f}×" for place, ratio in found.by_system.items()) or numbers.MISSING
    allowed = numbers.bound(found.minimum, found.maximum, "×")
    return found.name, measured, allowed, found.outcome, each, found.description


def standing(value: float, least: float | None, most: float | None) -> str:
    """`as expected`, `below` or `above`."""
    if least is not None and value < least:
        return "below"
    return "above" if most is not None and value > most else "as expected"


# ------------------------------------------------------------------------------------------------------- criteria


def criteria(report: Report, level: Level) -> Table:
    """A row a criterion of this level, a column a model: its outcome and its worst value."""
    verdicts = report.verdicts
    named: dict[str, CriterionResult] = {}
    for verdict in verdicts:
        for criterion in by_level(verdict):
            if criterion.level is level:
                named.setdefault(criterion.name, criterion)
    rows = tuple(_across(criterion, verdicts) for criterion in named.values())
    return Table(("criterion", "bound", *(verdict.model for verdict in verdicts)), rows)


def _across(criterion: CriterionResult, verdicts: Sequence[ModelVerdict]) -> tuple[str, ...]:
    allowed = numbers.bound(criterion.minimum, criterion.maximum, criterion.units)
    own = ({c.name: c for c in verdict.criteria}.get(criterion.name) for verdict in verdicts)
    return (criterion.name, allowed, *(_in_short(found) for found in own))


def _in_short(criterion: CriterionResult | None) -> str:
    if criterion is None:
        return numbers.MISSING
    if criterion.worst is None or math.isnan(criterion.worst.measurement.value):
        return str(criterion.outcome)
    return f"{criterion.outcome}: {value_of(criterion.worst.measurement)}"


def levels(report: Report) -> list[Level]:
    """Levels that the protocol uses, `must` first."""
    return [level for level in LEVELS if any(c.level is level for _, c in report.criteria())]


# -------------------------------------------------------------------------------------------------- failure modes


def failure_modes(report: Report) -> Table:
    """How each model's runs ended early: a row a model, simulation and cause, with the systems and temperatures."""
    groups: dict[tuple[str, str, str], list[RunRow]] = {}
    for row in report.runs:
        if row.outcome == "failed":
            groups.setdefault((row.model, row.simulation, cause(row)), []).append(row)
    columns = ("model", "simulation", "cause", "runs failed", "earliest", "systems", "temperatures")
    return Table(columns, tuple(_mode_row(report, *key, rows) for key, rows in groups.items()))


def _mode_row(report: Report, model: str, simulation: str, why: str, rows: Sequence[RunRow]) -> tuple[str, ...]:
    planned = sum(row.model == model and row.simulation == simulation for row in report.runs)
    first = min((row.time_ps for row in rows if math.isfinite(row.time_ps)), default=math.nan)
    systems = ", ".join(dict.fromkeys(row.system for row in rows))
    temperatures = ", ".join(f"{t:g}" for t in sorted({row.temperature_K for row in rows}))
    return model, simulation, why, f"{len(rows)} of {planned}", numbers.plain(first, "ps"), systems, f"{temperatures} K"


def cause(row: RunRow) -> str:
    """Kind of a failed run's failure: what stands before the time."""
    return row.failure.partition(" at ")[0] or "unknown"
