"""A deployment guide that follows from the verdict: what each model may be used for, under which conditions it held.

Nothing here is opinion. Uses and warnings are the protocol's rules (`recommendations`); a condition held where every
criterion that was judged in it has passed and no run failed; a time step is advised where the condition that used it held.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mdprotocol.contracts import Report, Role
from mdprotocol.report import numbers, side_by_side
from mdprotocol.report.summary import of_role
from mdprotocol.report.tables import Table, length_and_integrator, settings_of
from mdprotocol.units import FS_PER_NS, SECONDS_PER_DAY
from mdprotocol.verdicts import INSTALLATION_CHECK, ModelVerdict, Outcome, Recommendation

NONE = "none"


def guide(report: Report) -> Table:
    """A row a question, a column a model."""
    questions: tuple[tuple[str, Any], ...] = (
        ("use it for", _granted),
        ("do not use it for", _refused),
        ("systems tested", _systems),
        ("temperatures tested", _temperatures),
        ("largest time step that held", _time_step),
        ("speed", _speed),
        ("size", _size),
    )
    rows = tuple((title, *(answer(report, v) for v in report.verdicts)) for title, answer in questions)
    return Table(("", *(verdict.model for verdict in report.verdicts)), rows)


def conditions(report: Report) -> Table:
    """A row a simulation: what was asked, and for each model whether every criterion judged in it has passed."""
    names = dict.fromkeys(row.simulation for row in report.runs)
    columns = ("simulation", "systems", "temperatures", "length", "integrator", *(v.model for v in report.verdicts))
    return Table(columns, tuple(_condition(report, name) for name in names))


def _condition(report: Report, simulation: str) -> tuple[str, ...]:
    rows = [row for row in report.runs if row.simulation == simulation]
    systems = ", ".join(dict.fromkeys(row.system for row in rows))
    kelvin = ", ".join(f"{t:g}" for t in sorted({row.temperature_K for row in rows})) + " K"
    held = (_held(report, verdict, simulation) for verdict in report.verdicts)
    return (simulation, systems, kelvin, *length_and_integrator(report, simulation), *held)


def _held(report: Report, verdict: ModelVerdict, simulation: str) -> str:
    outcomes = judged_in(verdict, simulation)
    failed, planned = failed_in(report, verdict, simulation)
    lost = [f"{failed} of {planned} runs failed"] if failed else []
    open_ones = [f"{name} {outcome}" for name, outcome in outcomes.items() if outcome is not Outcome.PASS]
    held = f"held: {len(outcomes)} of {len(outcomes)} criteria" if outcomes else "nothing judged"
    return "; ".join([*lost, *open_ones]) or held


def failed_in(report: Report, verdict: ModelVerdict, simulation: str) -> tuple[int, int]:
    """Failed runs of a model in one simulation, and all of them."""
    own = [row for row in report.runs if row.model == verdict.model and row.simulation == simulation]
    return sum(row.outcome == "failed" for row in own), len(own)


def judged_in(verdict: ModelVerdict, simulation: str) -> dict[str, Outcome]:
    """The worst outcome, in one simulation, of each criterion that has a condition there."""
    found: dict[str, Outcome] = {}
    for criterion in verdict.criteria:
        # Conditions are in order, worst first.
        here = [c.outcome for c in criterion.conditions if c.measurement.where.get("simulation") == simulation]
        if here:
            found[criterion.name] = here[0]
    return found


def time_step(report: Report, verdict: ModelVerdict) -> float | None:
    """The largest time step (fs) of a simulation in which every criterion has passed and no run failed."""
    found = []
    for simulation in dict.fromkeys(row.simulation for row in report.runs if row.model == verdict.model):
        outcomes, settings = judged_in(verdict, simulation), settings_of(report, simulation)
        if failed_in(report, verdict, simulation)[0]:
            continue
        if settings is not None and outcomes and all(outcome is Outcome.PASS for outcome in outcomes.values()):
            found.append(settings[0])
    return max(found, default=None)


def _granted(report: Report, verdict: ModelVerdict) -> str:
    granted = [use for use in verdict.recommendations if use.granted and not use.warning]
    nothing = f"{NONE}: {INSTALLATION_CHECK}" if verdict.installation_check else NONE
    return "; ".join(f"{use.use}: {use.text}".rstrip(".: ") for use in granted) or nothing


def _refused(report: Report, verdict: ModelVerdict) -> str:
    warnings = [use for use in verdict.recommendations if use.warning and use.granted]
    refused = [use for use in verdict.recommendations if not use.warning and not use.granted]
    told = [f"{use.use}: {use.text}".rstrip(".: ") for use in warnings]
    told += [f"{use.use} ({_obstacle(use)})" for use in refused]
    return "; ".join([*told, "anything not listed here"])


def _obstacle(use: Recommendation) -> str:
    return use.reason or f"needs {', '.join(use.blocked_by[:3]) or 'more'}{' …' * (len(use.blocked_by) > 3)}"


def _systems(report: Report, verdict: ModelVerdict) -> str:
    return ", ".join(dict.fromkeys(row.system for row in report.runs if row.model == verdict.model)) or NONE


def _temperatures(report: Report, verdict: ModelVerdict) -> str:
    kelvin = sorted({row.temperature_K for row in report.runs if row.model == verdict.model})
    return f"{', '.join(f'{t:g}' for t in kelvin)} K" if kelvin else NONE


def _time_step(report: Report, verdict: ModelVerdict) -> str:
    found = time_step(report, verdict)
    return NONE if found is None else f"{found:g} fs"


def _speed(report: Report, verdict: ModelVerdict) -> str:
    times, step = side_by_side.step_times(report, verdict.model), time_step(report, verdict)
    if not times:
        return numbers.MISSING
    text = f"{side_by_side.worst(times)} a step, one molecule"
    if step is None:
        return text
    per_day = step / FS_PER_NS * SECONDS_PER_DAY * 1000 / max(m.value for m in times)
    return f"{text}; {numbers.plain(per_day, digits=2)} ns a day at {step:g} fs"


def _size(report: Report, verdict: ModelVerdict) -> str:
    parts: Mapping[str, str] = {
        "parameters": side_by_side.worst(of_role(report, Role.PARAMETERS, verdict.model)),
        "of weights": side_by_side.worst(of_role(report, Role.WEIGHTS, verdict.model)),
    }
    return ", ".join(f"{value} {what}" for what, value in parts.items() if value != numbers.MISSING) or numbers.MISSING
