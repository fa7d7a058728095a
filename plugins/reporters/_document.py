"""The readable report as blocks, the same for Markdown and HTML: decision, criteria, runs, figures."""

from __future__ import annotations

from collections.abc import Iterator

from mdprotocol.api import Decision, Figure, Level, ModelVerdict, Outcome, Report, RunRow
from mdprotocol.api.reporting import deployment, head, numbers, side_by_side, summary, tables
from mdprotocol_plugins.reporters._blocks import Banner, Block, Bullets, Code, Grid, Heading, Paragraph, Picture, Table

MOST_FAILURES = 12
"""Failed runs shown; the rest is counted by cause."""
MOST_MEASUREMENTS = 500
"""Measurements of one metric in the page; the file of all measurements has the rest."""

MEANING = {
    Decision.APPROVED: "every must criterion passed, and no run that they draw on failed, unless the protocol tolerates it",
    Decision.REJECTED: "at least one must criterion failed, or runs failed that a must criterion draws on",
    Decision.UNDECIDED: "nothing rejects the model, but not every must criterion could be decided",
}

GUIDE = (
    ("PASS", "the whole confidence interval of the measurement lies inside the bound."),
    ("FAIL", "the whole interval, widened for the number of conditions that were looked at, lies outside."),
    ("INCONCLUSIVE", "the interval contains the bound; the advice says how many more replicas would decide."),
    ("NOT MEASURED", "there is no number, and the reason is given. It never counts as a pass."),
    (
        "a condition",
        "one system, simulation and temperature, or several that a criterion pools; a criterion has the outcome of its worst.",
    ),
    ("value ± error", "the value pooled over replicas and its standard error; replicas are the independent samples."),
    ("must, should, nice", "the first decide, the second limit the recommended uses, the third inform."),
    *((str(decision), meaning + ".") for decision, meaning in MEANING.items()),
)


LEVEL_MEANING = {Level.MUST: "these decide", Level.SHOULD: "these limit the uses", Level.NICE: "these inform"}


def document(report: Report, *, complete: bool = False) -> Iterator[Block]:
    """The report from top to bottom.

    Args:
        complete: also every measurement and every run, folded away.
    """
    yield Heading(f"Verdict: {report.name}", 1)
    yield from decisions(report)
    if len(report.verdicts) > 1:
        yield from models_side_by_side(report)
    yield from criteria(report)
    yield from deployment_guide(report)
    yield from what_was_run(report)
    yield from results(report)
    yield from figures(report)
    if len(report.verdicts) > 1:
        yield from criteria_in_full(report)
    yield from reproduce(report)
    yield Heading("How to read this")
    yield Bullets(GUIDE)
    if complete:
        yield from appendix(report)


def decisions(report: Report) -> Iterator[Block]:
    """One banner a model with its recommended uses."""
    for verdict in report.verdicts:
        yield Banner(str(verdict.decision), head.title(verdict), _sentence(verdict))
        yield Bullets(tuple((line.name, f"{line.text}.") for line in head.remarks(verdict)))
        if verdict.recommendations:
            yield Bullets(tuple(_uses(verdict)))
    if not report.verdicts:
        yield Paragraph("There is no model to judge.")
    if report.description:
        yield Paragraph(f"What was asked: {report.description}")
    warnings = report.provenance.get("warnings", ())
    if warnings:
        yield Bullets(tuple(("warning of the plan", str(text)) for text in warnings))


def models_side_by_side(report: Report) -> Iterator[Block]:
    """The trade-off as a table and as a figure, what was expected, and how runs failed."""
    yield Heading("Models side by side")
    yield Grid(side_by_side.comparison(report))
    expected = side_by_side.expectations(report)
    if expected:
        yield Heading("Expected and measured", 3)
        yield Grid(expected)
    for figure in report.figures():
        if figure.png and not figure.model:
            yield from _picture(figure)
    yield Heading("Failure modes", 3)
    modes = side_by_side.failure_modes(report)
    yield Grid(modes) if modes else Paragraph("No run of any model ended early.")


def deployment_guide(report: Report) -> Iterator[Block]:
    """What each model may be used for, and the conditions in which it held."""
    if not report.runs:
        return
    yield Heading("Deployment guide")
    yield Grid(deployment.guide(report))
    yield Heading("Conditions, and whether the criteria judged in them passed", 3)
    yield Grid(deployment.conditions(report))
    yield Paragraph(
        "Other elements, temperatures, time steps, sizes and lengths were not tested, so nothing is said of them."
    )


def _sentence(verdict: ModelVerdict) -> str:
    meaning = MEANING[verdict.decision]
    return head.sentence(verdict) or f"{meaning[:1].upper()}{meaning[1:]}."


def _uses(verdict: ModelVerdict) -> Iterator[tuple[str, str]]:
    outcomes = {criterion.name: str(criterion.outcome) for criterion in verdict.criteria}
    for use in verdict.recommendations:
        if use.warning:
            if use.granted:
                yield use.use, f"because {head.because(use)}. {use.text}".strip()
            continue
        open_ones = {name: outcomes.get(name, str(Outcome.NOT_MEASURED)) for name in use.blocked_by}
        blocked = ", ".join(f"{name} ({outcome})" for name, outcome in open_ones.items() if outcome != Outcome.PASS)
        why = "; ".join(filter(None, (use.reason, blocked))) or "its requirements are not met"
        state = "recommended." if use.granted else f"not recommended: {why}."
        yield use.use, f"{state} {use.text}".strip() if use.granted else state


def criteria(report: Report) -> Iterator[Block]:
    """Criteria by level, `must` first; of each model what did not pass and why."""
    several = len(report.verdicts) > 1
    yield Heading("Criteria")
    if several:
        for level in side_by_side.levels(report):
            yield Heading(f"{level}: {LEVEL_MEANING[level]}", 3)
            yield Grid(side_by_side.criteria(report, level))
    for verdict in report.verdicts:
        if not several:
            yield from _by_level(verdict, 3)
        yield from _not_passed(verdict, f": {verdict.model}" if several else "")


def criteria_in_full(report: Report) -> Iterator[Block]:
    """The criteria of each model with intervals, bounds and worst conditions."""
    for verdict in report.verdicts:
        yield Heading(f"Criteria of {verdict.model} in full")
        yield from _by_level(verdict, 3)


def _by_level(verdict: ModelVerdict, heading: int) -> Iterator[Block]:
    for level in Level:
        found = side_by_side.at_level(verdict, level)
        if found:
            yield Heading(f"{level}: {LEVEL_MEANING[level]} ({side_by_side.passed(found)} passed)", heading)
            yield Grid(tables.criteria(verdict, level))


def _not_passed(verdict: ModelVerdict, whose: str) -> Iterator[Block]:
    obstacles = tables.obstacles(verdict)
    if obstacles:
        yield Heading(f"Not passed{whose}", 3)
        yield Bullets(tuple((f"{c.outcome}, {c.name} ({c.level})", why) for c, why in obstacles))
    if verdict.diagnosis:
        yield Heading(f"Diagnosis{whose}", 3)
        yield Grid(tables.diagnosis(verdict))
    if verdict.notes:
        yield Heading(f"Notes{whose}", 3)
        yield Bullets(tuple(("Note", note) for note in verdict.notes))


def what_was_run(report: Report) -> Iterator[Block]:
    """Runs by simulation, failures, the worst run of each model."""
    yield Heading("What was run")
    yield Paragraph(_count(report))
    if report.runs:
        yield Grid(tables.simulations(report))
    yield from _failures(report)
    worst = [run for verdict in report.verdicts for run in tables.worst_runs(report, verdict)]
    if worst:
        yield Heading("Worst run" if len(report.verdicts) < 2 else "Worst run of each model", 3)
        yield Bullets(tuple((run.run, run.text) for run in worst))


def _count(report: Report) -> str:
    counts = {name: sum(row.outcome == name for row in report.runs) for name in ("completed", "failed")}
    missing = len(report.runs) - sum(counts.values())
    outcomes = f"{counts['completed']} completed, {counts['failed']} failed, {missing} missing"
    return f"Runs planned: {len(report.runs)} ({outcomes})."


def _failures(report: Report) -> Iterator[Block]:
    failed = [row for row in report.runs if row.outcome == "failed"]
    if not failed:
        return
    yield Heading("Failed runs", 3)
    yield Grid(tables.failures(failed[:MOST_FAILURES]))
    if len(failed) > MOST_FAILURES:
        yield Paragraph(f"and {len(failed) - MOST_FAILURES} more. All {len(failed)} by cause: {_causes(failed)}.")


def _causes(failed: list[RunRow]) -> str:
    """`3 nan, 2 broken_bond`: the cause is what stands before the time."""
    names = [side_by_side.cause(row) for row in failed]
    return ", ".join(f"{names.count(name)} {name}" for name in dict.fromkeys(names))


def results(report: Report) -> Iterator[Block]:
    """Key quantities by system and temperature."""
    found = [(verdict.model, summary.summary(report, verdict.model)) for verdict in report.verdicts]
    if not any(table for _, table in found):
        return
    yield Heading("Results by system and temperature")
    for model, table in found:
        if table and len(found) > 1:
            yield Heading(model, 3)
        if table:
            yield Grid(table)


def figures(report: Report) -> Iterator[Block]:
    """The figures of each model (those of all models stand above); those that could not be drawn, with the reason."""
    drawn = report.figures()
    if not drawn:
        return
    yield Heading("Figures")
    for figure in drawn:
        if figure.png and (figure.model or len(report.verdicts) < 2):
            yield from _picture(figure)
    missing = tuple((figure.title, figure.missing) for figure in drawn if not figure.png)
    if missing:
        yield Heading("Figures left out", 3)
        yield Bullets(missing)


def _picture(figure: Figure) -> Iterator[Block]:
    yield Heading(figure.title, 3)
    yield Picture(figure)
    yield Paragraph(figure.caption)


def reproduce(report: Report) -> Iterator[Block]:
    """The command, and what it ran with."""
    yield Heading("How to reproduce")
    if report.command:
        yield Code(report.command)
    facts = summary.reproduction(report)
    if facts:
        yield Grid(facts)
    yield Paragraph(
        "The resolved protocol is in protocol.yaml, every run's trajectory in runs/, every number in measurements.nc. "
        "Judge them again, with other criteria if you like and without simulating: mdprotocol judge, with this folder."
    )


def appendix(report: Report) -> Iterator[Block]:
    """Every measurement, a table a metric, and every run."""
    yield Heading("Everything that was measured")
    yield Paragraph(
        f"{len(report.measurements)} measurements, by metric; measurements.nc holds those of each run as well."
    )
    for metric, found in tables.by_metric(report.measurements).items():
        rest = len(found) - MOST_MEASUREMENTS
        shown = f"{metric}: {len(found)} measurements" + (f", the first {MOST_MEASUREMENTS} shown" if rest > 0 else "")
        yield Grid(tables.measurements(found[:MOST_MEASUREMENTS]), folded=shown)
    columns = ("run", "outcome", "cause, time, detail")
    runs = Table(columns, tuple((row.run, row.outcome, row.failure or numbers.MISSING) for row in report.runs))
    yield Grid(runs, folded=f"{len(runs.rows)} runs")
