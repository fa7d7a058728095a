"""What is left to do: what is missing and nothing else, in the batches that were begun; and why something is missing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from app_kit import Gate

from mdprotocol.app import Source, check
from mdprotocol.app.resuming import forget_problems, keep_problem, pending
from mdprotocol.contracts import TaskFailure
from mdprotocol.plan import Batch, Plan
from mdprotocol.store import ResultsFolder
from mdprotocol.store.work import Work

LOST = TaskFailure("MemoryError", "too large")


@pytest.fixture
def plan(gate: Gate) -> Plan:
    return check(Source(gate.path))[1]


def begin(folder: ResultsFolder, batch: Batch) -> Work:
    """Leave what the engine leaves of a batch that it has begun."""
    work = Work(folder, batch.key)
    work.begin({"runs": [{"id": run.id, "identity": run.identity} for run in batch.runs]})
    return work


def test_in_a_new_folder_everything_is_to_be_done(gate: Gate, plan: Plan) -> None:
    assert pending(plan, ResultsFolder(gate.results)) == (list(plan.batches), list(plan.probe_batches))


def test_what_is_finished_is_not_done_again(ran: Gate) -> None:
    folder, plan = ResultsFolder(ran.results), check(Source(ran.path))[1]
    assert pending(plan, folder) == ([], [])
    folder.path(plan.runs[1].path).unlink()
    (batch,), probes = pending(plan, folder)
    assert (batch.runs, probes) == (plan.runs[1:], [])


def test_a_file_of_another_run_is_as_good_as_none(ran: Gate) -> None:
    folder, plan = ResultsFolder(ran.results), check(Source(ran.path, ("seed=4",)))[1]
    batches, probes = pending(plan, folder)
    assert [run.id for batch in batches for run in batch.runs] == [run.id for run in plan.runs]
    assert [probe.id for batch in probes for probe in batch.probes] == [probe.id for probe in plan.probes]


def test_a_batch_that_was_begun_keeps_who_steps_together(gate: Gate, plan: Plan) -> None:
    folder, (batch,) = ResultsFolder(gate.results), plan.batches
    begun = replace(batch, runs=batch.runs[:1])
    begin(folder, begun)
    batches, _ = pending(plan, folder)
    assert sorted([run.id for run in found.runs] for found in batches) == [[run.id] for run in plan.runs]
    assert begun in batches


def test_what_was_begun_of_another_plan_is_removed(gate: Gate, plan: Plan) -> None:
    folder, (batch,) = ResultsFolder(gate.results), plan.batches
    other = replace(batch, runs=tuple(replace(run, identity="0" * 64) for run in batch.runs))
    work = begin(folder, other)
    folder.write_json("work/odd/batch.json", {"runs": 3})
    assert pending(plan, folder)[0] == list(plan.batches)
    assert not work.path.exists()
    assert not folder.path("work/odd").exists()


def test_why_a_task_was_lost_is_kept_for_what_it_has_not_finished(ran: Gate) -> None:
    folder, plan = ResultsFolder(ran.results), check(Source(ran.path))[1]
    folder.path(plan.runs[1].path).unlink()
    keep_problem(folder, plan.batches[0], LOST)
    assert [folder.problem(run.id, run.identity) for run in plan.runs] == ["", "MemoryError: too large"]
    assert folder.problem(plan.runs[1].id, "0" * 64) == ""
    forget_problems(folder, plan.batches)
    assert folder.problem(plan.runs[1].id) == ""


def test_a_probe_that_was_lost_has_its_reason_too(gate: Gate, plan: Plan) -> None:
    folder, (batch,) = ResultsFolder(gate.results), plan.probe_batches
    keep_problem(folder, batch, LOST)
    assert folder.problem(plan.probes[0].id, plan.probes[0].identity) == "MemoryError: too large"
