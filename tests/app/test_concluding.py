"""From measurements to a verdict with all that the folder knows, reports and an exit code."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import pytest
from app_kit import PROTOCOL, Gate

from mdprotocol.app import RunOptions, Source, check, exit_code, prepare, run
from mdprotocol.app.concluding import reporters_of, resolved, run_rows
from mdprotocol.protocol import read_document, validate
from mdprotocol.store import ResultsFolder
from mdprotocol.verdicts import Decision, ModelVerdict


def test_planned_runs_that_are_missing_leave_the_verdict_open(gate: Gate) -> None:
    """Whoever draws on them: a model is not approved while some of what was planned has not been seen."""
    criteria = {"size": PROTOCOL["criteria"]["size"], "crash": {**PROTOCOL["criteria"]["no_crash"], "level": "nice"}}
    gate.write(criteria=criteria)
    assert gate.run().verdicts[0].decision is Decision.APPROVED
    (gate.results / "runs/m/copper/nve/T300K_r1.nc").unlink()
    verdict = gate.judge().verdicts[0]
    assert verdict.decision is Decision.UNDECIDED
    assert verdict.reasons[0] == "1 planned run is missing"


def test_guards_that_see_little_are_in_the_head(gate: Gate) -> None:
    finished = gate.run("simulations.nve.guards={bond_stretch: 1000, new_bond: null, check_every_fs: 1e6}")
    assert [line.partition(",")[0] for line in finished.verdicts[0].guards] == [
        "nve: bond_stretch: lets bonds grow to 1000 times their length",
        "nve: new_bond: is off",
        "nve: check_every_fs: guards look every 1e+06 fs only",
    ]
    assert "lets bonds grow to 1000 times" in (gate.results / "verdict.md").read_text()


A, R, U = Decision.APPROVED, Decision.REJECTED, Decision.UNDECIDED


@pytest.mark.parametrize(
    ("decisions", "problems", "code"),
    [
        ([A, A], (), 0),
        ([A, A], ("a report failed",), 4),
        ([A, R, U], (), 1),
        ([R], ("a report failed",), 1),
        ([A, U], (), 3),
        ([U], ("a report failed",), 3),
        ([], (), 3),
    ],
)
def test_the_exit_code_says_the_worst(decisions: list[Decision], problems: tuple[str, ...], code: int) -> None:
    assert exit_code([ModelVerdict("m", decision, (), ()) for decision in decisions], problems) == code


def test_the_verdict_file_is_written_whatever_the_protocol_asks_for(gate: Gate) -> None:
    def reporters(reports: object) -> list[str]:
        prepared = prepare(Source(gate.write(reports=reports)))
        return [reporter.type for reporter in reporters_of(prepared.protocol, prepared.registry)]

    assert reporters([{"type": "markdown"}]) == ["json", "markdown"]
    assert reporters([{"type": "markdown"}, {"type": "json"}]) == ["markdown", "json"]
    assert reporters([]) == ["json"]
    assert {"json", "markdown", "html", "junit"} <= set(reporters(None))


def test_every_planned_run_has_a_row_with_what_became_of_it(ran: Gate) -> None:
    folder, plan = ResultsFolder(ran.results), check(Source(ran.path, ("simulations.nve.replicas=4",)))[1]
    done, _, left_out, lost = plan.runs
    folder.write_problem(lost.id, lost.identity, "MemoryError: too large")
    folder.write_json("skipped.json", {"runs": {left_out.id: "the verdict could no longer change"}})
    rows = run_rows(plan.runs, folder)
    assert [row.run for row in rows] == [run.id for run in plan.runs]
    assert [row.outcome for row in rows] == ["completed", "completed", "skipped", "missing"]
    assert [row.failure for row in rows] == ["", "", "the verdict could no longer change", "MemoryError: too large"]
    assert rows[0].time_ps == pytest.approx(done.length_ps)
    assert math.isnan(rows[2].time_ps)


def test_a_failed_run_has_a_row_with_its_time_and_cause(gate: Gate) -> None:
    guards = "simulations.nve.guards={bond_stretch: 1.0001, check_every_fs: 2}"
    gate.run(guards)
    row, *_ = run_rows(check(Source(gate.path, (guards,)))[1].runs, ResultsFolder(gate.results))
    assert row.outcome == "failed"
    assert row.failure.startswith(f"broken_bond at {1000 * row.time_ps:g} fs: ")
    assert 0 < row.time_ps < 0.1


def test_a_file_that_another_run_has_left_is_no_run_of_the_plan(ran: Gate) -> None:
    rows = run_rows(check(Source(ran.path, ("seed=4",)))[1].runs, ResultsFolder(ran.results))
    assert {(row.outcome, row.failure) for row in rows} == {("missing", "")}


def test_the_stored_protocol_finds_its_files_from_where_it_lies(gate: Gate, tmp_path: Path) -> None:
    prepared, folder = prepare(Source(gate.path)), ResultsFolder(tmp_path / "deep" / "R")
    folder.write_bytes("protocol.yaml", resolved(prepared, folder))
    document = read_document(folder.path("protocol.yaml"))
    protocol = validate(document, prepared.registry, files=True)
    assert protocol.models["m"].files(document.base)[0].resolve() == gate.folder / "weights.txt"
    assert protocol.criteria == prepared.protocol.criteria


def test_written_reports_come_with_their_digests(gate: Gate) -> None:
    finished = gate.run()
    assert finished.written.keys() == {"verdict.json", "verdict.md", "junit.xml"}
    for name, digest in finished.written.items():
        assert digest == hashlib.sha256((gate.results / name).read_bytes()).hexdigest()


REPORTER = """\
from typing import Literal
from mdprotocol.api import Report, Reporter, hookimpl

class Sly(Reporter):
    "Writes what is not its own."
    type: Literal["sly"] = "sly"
    path: str

    def render(self, report):
        if not self.path:
            raise ZeroDivisionError("a bug in the reporter")
        return {"page.txt": b"mine", self.path: b"forged"}

@hookimpl
def mdprotocol_reporters():
    return [Sly]
"""
FORGED = {
    "": "ZeroDivisionError: a bug in the reporter",
    "Protocol.yaml": "'Protocol.yaml' is no name for a report",
    "runs/m/copper/nve/T300K_r0.nc": "is no name for a report",
    "verdict.json": "'verdict.json' is written by the reporter 'json' only",
    "PAGE.txt": "'PAGE.txt' was written by another reporter",
    "../page.txt": "page.txt",
}


def test_a_reporter_that_fails_or_writes_what_is_not_its_own_costs_its_own_file_only(gate: Gate) -> None:
    (gate.folder / "sly.py").write_text(REPORTER)
    path = gate.write(reports=[*({"type": "sly", "path": path} for path in FORGED), {"type": "markdown"}])
    source = Source(path, plugins=(str(gate.folder / "sly.py"),))
    finished = run(source, gate.results, "", lambda event: None, RunOptions(diagnosis=False))
    assert len(finished.problems) == len(FORGED)
    for problem, said in zip(finished.problems, FORGED.values(), strict=True):
        assert problem.startswith("reporter 'sly' failed: ")
        assert said in problem or "page.txt" in problem  # the page of the first stays, and the next may not replace it
    assert finished.written.keys() == {"verdict.json", "verdict.md", "page.txt"}
    assert not any(b"forged" in data for data in gate.snapshot().values())
    assert not (gate.folder / "page.txt").exists()
