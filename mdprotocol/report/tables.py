"""Tables that every reporter shows: plain text in cells, in the order in which a reviewer asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mdprotocol.contracts import Report, RunRow
from mdprotocol.protocol.timesteps import expanded
from mdprotocol.report import numbers
from mdprotocol.verdicts import ConditionResult, CriterionResult, Level, Measurement, ModelVerdict, Outcome

LEVELS = (Level.MUST, Level.SHOULD, Level.NICE)
USUAL_DIMS = ("model", "system", "simulation", "temperature")


@dataclass(frozen=True)
class Table:
    """Rows of text below their column names; nothing is escaped yet."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __bool__(self) -> bool:
        return bool(self.rows)


def where(condition: Mapping[str, str | float]) -> str:
    """A condition in words, the model left out: `water, nve_10ps, 300 K`."""
    return ", ".join(_coordinate(dim, value) for dim, value in condition.items() if dim != "model")


def _coordinate(dim: str, value: str | float) -> str:
    text = numbers.plain(value, digits=6) if isinstance(value, int | float) else str(value)
    if dim in ("system", "simulation"):
        return text
    return f"{text} K" if dim == "temperature" else f"{dim.replace('_', ' ')} {text}"


def value_of(measurement: Measurement) -> str:
    """Value ± standard error and unit, or a dash; a count of failed runs with the number of runs."""
    if measurement.quantity.endswith(".crashed") and measurement.samples and not measurement.reason:
        return f"{measurement.value:g} of {len(measurement.samples)}"
    return numbers.measured(measurement.value, measurement.standard_error, measurement.units)


def with_labels(measurement: Measurement) -> str:
    """As `value_of`, and how many labels of the reference it rests on: `0.031 ± 0.002 eV/Å, 492 labels`."""
    count = measurement.labels
    if count is None or measurement.reason:
        return value_of(measurement)
    return f"{value_of(measurement)}, {count:,} label{'s' * (count != 1)}"


def interval_of(measurement: Measurement) -> str:
    """The confidence interval, or a dash for exact numbers and numbers that are not there."""
    if measurement.low == measurement.high:
        return numbers.MISSING
    return numbers.interval(measurement.low, measurement.high, measurement.standard_error)


def by_level(verdict: ModelVerdict) -> list[CriterionResult]:
    """Criteria with `must` first; otherwise in the order of the protocol."""
    return sorted(verdict.criteria, key=lambda criterion: LEVELS.index(criterion.level))


def criteria(verdict: ModelVerdict, level: Level) -> Table:
    """One row a criterion of this level, told by its worst condition."""
    chosen = [criterion for criterion in verdict.criteria if criterion.level is level]
    names = {f"{100 * condition.measurement.confidence:g} %" for c in verdict.criteria for condition in c.conditions}
    title = f"{next(iter(names))} interval" if len(names) == 1 else "interval"
    columns = ("criterion", "outcome", "measured", title, "bound", "conditions passed", "worst condition")
    return Table(columns, tuple(_criterion_row(criterion) for criterion in chosen))


def _criterion_row(criterion: CriterionResult) -> tuple[str, ...]:
    allowed = numbers.bound(criterion.minimum, criterion.maximum, criterion.units)
    head, worst = (criterion.name, str(criterion.outcome)), criterion.worst
    if worst is None:
        return (*head, numbers.MISSING, numbers.MISSING, allowed, numbers.MISSING, numbers.MISSING)
    found = worst.measurement
    passed = sum(condition.outcome is Outcome.PASS for condition in criterion.conditions)
    place = where(found.where) or "all together"
    return (*head, with_labels(found), interval_of(found), allowed, f"{passed} of {len(criterion.conditions)}", place)


def diagnosis(verdict: ModelVerdict) -> Table:
    """What follow-up calculations found behind failed criteria."""
    columns = ("criterion", "cause", "evidence")
    return Table(columns, tuple((found.criterion, found.cause, found.evidence) for found in verdict.diagnosis))


def obstacles(verdict: ModelVerdict) -> list[tuple[CriterionResult, str]]:
    """Every criterion that did not pass, and why, in one sentence."""
    return [(c, _why(c)) for c in by_level(verdict) if c.outcome is not Outcome.PASS]


def _why(criterion: CriterionResult) -> str:
    if criterion.worst is None:
        return criterion.reason or "nothing was measured"
    sentence = _condition_sentence(criterion, criterion.worst)
    if len(criterion.conditions) == 1:
        return sentence
    same = sum(condition.outcome is criterion.outcome for condition in criterion.conditions)
    return f"{same} of {len(criterion.conditions)} conditions; the worst is {sentence}"


def _condition_sentence(criterion: CriterionResult, condition: ConditionResult) -> str:
    found = condition.measurement
    place = where(found.where) or "all together"
    if condition.outcome is Outcome.NOT_MEASURED:
        return f"{place}: {found.reason or 'not measured'}"
    allowed = numbers.bound(criterion.minimum, criterion.maximum, criterion.units)
    known = interval_of(found)
    spread = f" (interval {known})" if known != numbers.MISSING else ""
    text = f"{place}: {with_labels(found)}{spread} against {allowed}"
    return f"{text}; {condition.advice}" if condition.advice else text


# ----------------------------------------------------------------------------------------------------------- runs


@dataclass(frozen=True)
class WorstRun:
    """A run that failed, or that came nearest to a bound or went furthest beyond."""

    run: str
    text: str


def failures(rows: Sequence[RunRow]) -> Table:
    """Failed runs with their cause and time."""
    failed = [row for row in rows if row.outcome == "failed"]
    return Table(
        ("run", "temperature", "cause, time, detail"),
        tuple((row.run, f"{row.temperature_K:g} K", row.failure or "no cause recorded") for row in failed),
    )


def worst_runs(report: Report, verdict: ModelVerdict) -> list[WorstRun]:
    """A failed run where there is one, and the run that uses most of a `must` (or else any) bound."""
    failed = [row for row in report.runs if row.model == verdict.model and row.outcome == "failed"]
    worst = [WorstRun(row.run, f"failed: {row.failure or 'no cause recorded'}") for row in failed[:1]]
    for chosen in ([c for c in verdict.criteria if c.level is Level.MUST], verdict.criteria):
        found = max((run for c in chosen for run in _run_uses(c)), default=None, key=lambda item: item[0])
        if found is not None:
            return [*worst, WorstRun(found[1], found[2])]
    return worst


def _run_uses(criterion: CriterionResult) -> Iterator[tuple[float, str, str]]:
    """(use of the bound, run id, sentence) of each run behind a criterion with a bound other than zero."""
    for condition in criterion.conditions:
        found = condition.measurement
        if len(found.runs) != len(found.samples) or not all(run.startswith("runs/") for run in found.runs):
            continue
        for run, value in zip(found.runs, found.samples, strict=True):
            use = numbers.bound_use(value, criterion.minimum, criterion.maximum)
            if 0 < use < float("inf"):
                allowed = numbers.bound(criterion.minimum, criterion.maximum, criterion.units)
                shown = numbers.plain(value, criterion.units)
                yield use, run, f"{criterion.name} is {shown} in this run, {100 * use:.0f} % of what {allowed} allows"


def simulations(report: Report) -> Table:
    """What was run: one row a model and simulation."""
    groups: dict[tuple[str, str], list[RunRow]] = {}
    for row in report.runs:
        groups.setdefault((row.model, row.simulation), []).append(row)
    columns = (
        "model",
        "simulation",
        "systems",
        "temperatures",
        "replicas",
        "length",
        "integrator",
        "completed",
        "failed",
        "missing",
    )
    return Table(columns, tuple(_simulation_row(report, *key, rows) for key, rows in groups.items()))


def _simulation_row(report: Report, model: str, simulation: str, rows: Sequence[RunRow]) -> tuple[str, ...]:
    systems = dict.fromkeys(row.system for row in rows)
    temperatures = sorted({row.temperature_K for row in rows})
    length, integrator = length_and_integrator(report, simulation)
    counts = [sum(row.outcome == outcome for row in rows) for outcome in ("completed", "failed")]
    return (
        model,
        simulation,
        ", ".join(systems),
        ", ".join(f"{t:g}" for t in temperatures) + " K",
        str(len({row.replica for row in rows})),
        length,
        integrator,
        *(str(count) for count in counts),
        str(len(rows) - sum(counts)),
    )


def length_and_integrator(report: Report, simulation: str) -> tuple[str, str]:
    """Length with its steps, and the integrator, in words."""
    found = settings_of(report, simulation)
    if found is None:
        return numbers.MISSING, numbers.MISSING
    timestep, duration, integrator = found
    steps = round(1000 * duration / timestep)
    return f"{duration:g} ps = {steps:,} step{'' if steps == 1 else 's'} of {timestep:g} fs", integrator


def settings_of(report: Report, simulation: str) -> tuple[float, float, str] | None:
    """Time step (fs), duration (ps) and integrator from the protocol; a list of time steps has made `<name>_<dt>fs`."""
    for name, section in report.protocol.get("simulations", {}).items():
        for full, timestep in expanded(name, section["timestep_fs"]):
            if simulation == full:
                return float(timestep), float(section["duration_ps"]), str(section["integrator"].get("type", ""))
    return None


# --------------------------------------------------------------------------------------------------- measurements


def measurements(found: Sequence[Measurement]) -> Table:
    """Every measurement; the usual dims have a column each, those of a metric's own (element, bond, ...) one together."""
    used = [dim for dim in USUAL_DIMS if any(dim in m.where for m in found)]
    own = any(dim not in USUAL_DIMS for m in found for dim in m.where)
    columns = ("quantity", *used, *(("at",) if own else ()), "value", "interval", "replicas", "note")
    return Table(columns, tuple(_measurement_row(m, used, own) for m in found))


def _measurement_row(found: Measurement, dims: Sequence[str], own: bool) -> tuple[str, ...]:
    places = [found.where.get(dim, "") for dim in dims]
    shown = [numbers.plain(place, digits=6) if isinstance(place, int | float) else str(place) for place in places]
    rest = where({dim: value for dim, value in found.where.items() if dim not in USUAL_DIMS})
    at = (rest,) if own else ()
    return (found.quantity, *shown, *at, with_labels(found), interval_of(found), str(len(found.samples)), found.reason)


def by_metric(found: Sequence[Measurement]) -> dict[str, list[Measurement]]:
    """Measurements by the name of their metric."""
    groups: dict[str, list[Measurement]] = {}
    for measurement in found:
        groups.setdefault(measurement.quantity.partition(".")[0], []).append(measurement)
    return groups
