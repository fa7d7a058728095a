"""Finished runs of another folder: taken bit by bit where they are the planned ones, and noted as long as they are there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from app_kit import PROTOCOL, Gate

from mdprotocol.app import Source, check
from mdprotocol.app.reusing import donors, reuse, reused, strike_off
from mdprotocol.errors import UsageError
from mdprotocol.plan import Run
from mdprotocol.store import ResultsFolder


@pytest.fixture
def into(ran: Gate) -> ResultsFolder:
    return ResultsFolder(ran.folder / "S")


@pytest.fixture
def donor(ran: Gate) -> ResultsFolder:
    return ResultsFolder(ran.results)


def planned(gate: Gate, *sets: str) -> tuple[Run, ...]:
    return check(Source(gate.path, sets))[1].runs


def test_a_planned_run_is_copied_bit_by_bit_and_noted(ran: Gate, donor: ResultsFolder, into: ResultsFolder) -> None:
    runs, events = planned(ran), list[Any]()
    into.write_problem(runs[0].id, runs[0].identity, "lost")
    assert reuse(runs, into, [donor], events.append) == 2
    assert all(into.path(run.path).read_bytes() == donor.path(run.path).read_bytes() for run in runs)
    (entry,) = reused(into)
    assert (entry["from"], entry["protocol"]) == (str(donor.root), "gate")
    assert entry["runs"] == {run.id: run.identity for run in runs}
    assert into.problem(runs[0].id) == ""
    assert [event.text for event in events] == [f"2 finished runs are taken over from {donor.root}"]


def test_what_is_there_is_not_taken_again(ran: Gate, donor: ResultsFolder, into: ResultsFolder) -> None:
    runs = planned(ran)
    reuse(runs, into, [donor], lambda event: None)
    assert reuse(runs, into, [donor], lambda event: pytest.fail("nothing is to be taken")) == 0


@pytest.mark.parametrize("change", ["seed=4", "simulations.nve.duration_ps=0.2", "systems.copper.a_A=3.7"])
def test_another_run_is_not_taken(ran: Gate, donor: ResultsFolder, into: ResultsFolder, change: str) -> None:
    assert reuse(planned(ran, change), into, [donor], lambda event: None) == 0
    assert reused(into) == []
    assert into.run_ids() == []


def test_the_same_numbers_under_another_name_are_not_taken(
    ran: Gate, donor: ResultsFolder, into: ResultsFolder
) -> None:
    ran.write(models={"twin": PROTOCOL["models"]["m"]})
    runs = planned(ran)
    assert {run.identity for run in runs} == {donor.identity(path + ".nc") for path in donor.run_ids()}
    assert reuse(runs, into, [donor], lambda event: None) == 0


def test_a_note_is_struck_off_with_the_run_that_it_is_about(
    ran: Gate, donor: ResultsFolder, into: ResultsFolder
) -> None:
    first, second = planned(ran)
    reuse((first, second), into, [donor], lambda event: None)
    into.path(first.path).unlink()
    assert [entry["runs"] for entry in strike_off(into)] == [{second.id: second.identity}]
    into.path(second.path).unlink()
    assert strike_off(into) == reused(into) == []


def test_whose_runs_may_be_taken_is_another_results_folder(ran: Gate, tmp_path: Path) -> None:
    assert [folder.root for folder in donors([ran.results], tmp_path / "S")] == [ran.results]
    with pytest.raises(UsageError, match="is the results folder itself"):
        donors([ran.results], ran.folder / "S" / ".." / "R")
    with pytest.raises(UsageError, match="is not a results folder"):
        donors([tmp_path / "nowhere"], tmp_path / "S")
