"""`stop_when_decided`: what can no longer change a verdict is left out, said so, and only as long as nothing depends on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from app_kit import PROTOCOL, Gate

from mdprotocol.app import Source, check
from mdprotocol.app.stopping import (
    FILE,
    excused,
    final_failures,
    needed,
    none_skipped,
    simulate_while_open,
    skipped,
)
from mdprotocol.errors import StoreError
from mdprotocol.plan import Batch, Plan
from mdprotocol.protocol.schema import Criterion, Protocol, RecommendedUse
from mdprotocol.store import ResultsFolder
from mdprotocol.verdicts import Decision

NVE = PROTOCOL["simulations"]["nve"]
NARROW = {**NVE, "duration_ps": 0.02, "guards": {"bond_stretch": 1.0001, "check_every_fs": 2}}
"""Ends every run as failed: thermal motion stretches each bond by more than this."""
CRITERIA = {
    "no_crash": {"level": "must", "metric": "stability.crashed", "max": 0, "where": {"simulation": "hot"}},
    "drift": {"level": "must", "metric": "energy_drift.per_atom", "max": 1e6, "where": {"simulation": "later"}},
}


@pytest.fixture
def hot(gate: Gate) -> Gate:
    """The short runs of `hot` fail, whatever `later` does."""
    gate.write(simulations={"hot": NARROW, "later": NVE}, criteria=CRITERIA)
    return gate


def run_ids(plan: Plan, simulation: str) -> set[str]:
    return {run.id for run in plan.runs if run.simulation == simulation}


def test_what_can_no_longer_change_a_verdict_is_left_out_and_excused(hot: Gate) -> None:
    finished = hot.run(stop_when_decided=True)
    (verdict,), plan, folder = finished.verdicts, check(Source(hot.path))[1], ResultsFolder(hot.results)
    assert verdict.decision is Decision.REJECTED
    assert "2 runs were not run: the verdict could no longer change" in verdict.notes
    assert skipped(folder).keys() == run_ids(plan, "later")
    assert set(skipped(folder).values()) == {"not run: the verdict could no longer change (no_crash failed)"}
    assert excused(plan.study, verdict, skipped(folder)) == run_ids(plan, "later")
    assert hot.run().executed == 2  # without the option they are done, and nothing is left out any more
    assert skipped(folder) == {}


def test_a_failed_count_is_final_and_nothing_else_is(hot: Gate) -> None:
    hot.run("criteria.drift.max=-1e6")
    study, folder = check(Source(hot.path, ("criteria.drift.max=-1e6",)))[1].study, ResultsFolder(hot.results)
    assert final_failures(study, folder, "m") == {"no_crash"}  # a mean may still come back
    no_count = study.narrowed("m", ["drift"], study.runs)
    assert final_failures(no_count, folder, "m") == set()
    both_ways = check(Source(hot.path, ("criteria.no_crash.min=0",)))[1].study
    assert final_failures(both_ways, folder, "m") == set()


def test_without_a_failure_everything_is_simulated_the_shortest_first(hot: Gate) -> None:
    plan, folder, waves = check(Source(hot.path))[1], ResultsFolder(hot.results), list[list[str]]()

    def simulate(batches: Sequence[Batch]) -> None:
        waves.append([batch.runs[0].simulation for batch in batches])

    simulate_while_open(plan, folder, plan.batches, simulate, at_once=1)
    assert waves == [["hot"], ["later"]]
    assert skipped(folder) == {}
    waves.clear()
    simulate_while_open(plan, folder, plan.batches, simulate, at_once=4)
    assert waves == [["hot", "later"]]


BEHIND = {"no_crash": ("a",), "drift": ("b",), "spread": ("c",)}
USES: dict[str, tuple[list[dict[str, Any]], set[str], set[str]]] = {
    "nothing failed": ([], set(), {"a", "b"}),
    "a must failed": ([], {"no_crash"}, set()),
    "what is nice decides nothing": ([], {"spread"}, {"a", "b"}),
    "a use may still be granted": ([{"use": "x", "requires": ["drift", "spread"]}], {"no_crash"}, {"b", "c"}),
    "a use that is refused": ([{"use": "x", "requires": ["must", "spread"]}], {"no_crash"}, set()),
    "a warning may still come": ([{"use": "x", "if_failed": ["nice"]}], {"no_crash"}, {"c"}),
    "a warning that is given": ([{"use": "x", "if_failed": ["no_crash", "nice"]}], {"no_crash"}, set()),
}


@pytest.mark.parametrize("case", USES)
def test_what_is_needed_are_the_runs_of_criteria_that_are_open(case: str) -> None:
    uses, failed, wanted = USES[case]
    nice = {"level": "nice", "metric": "temperature.mean_error", "max": 1}
    plain = {**CRITERIA, "spread": nice}
    protocol = Protocol.model_construct(
        criteria={name: Criterion.model_validate(one) for name, one in plain.items()},
        recommendations=[RecommendedUse.model_validate(use) for use in uses],
    )
    assert needed(protocol, BEHIND, failed) == wanted


def test_a_damaged_list_of_what_was_left_out_is_an_error(ran: Gate) -> None:
    folder = ResultsFolder(ran.results)
    folder.write_json(FILE, {"runs": ["runs/m/copper/nve/T300K_r0"]})
    with pytest.raises(StoreError, match=r"skipped\.json is damaged"):
        skipped(folder)
    none_skipped(folder)
    assert skipped(folder) == {}


def test_where_nothing_was_left_out_no_list_is_written(ran: Gate) -> None:
    folder = ResultsFolder(ran.results)
    none_skipped(folder)
    assert not folder.exists(FILE)
