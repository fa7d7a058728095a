"""What is known of a protocol without a simulation: the plan, or everything that is wrong, and nothing is written."""

from __future__ import annotations

import pytest
from app_kit import Gate

from mdprotocol.app import Source, check
from mdprotocol.app.checking import plan_of
from mdprotocol.errors import ProtocolError


def test_a_plan_names_every_run_and_probe_and_writes_nothing(gate: Gate) -> None:
    before = sorted(gate.folder.rglob("*"))
    prepared, plan = check(Source(gate.path))
    assert [run.id for run in plan.runs] == [f"runs/m/copper/nve/T300K_r{replica}" for replica in (0, 1)]
    assert [probe.id for probe in plan.probes] == ["probes/m/copper/resources"]
    assert plan.study.protocol == prepared.protocol
    assert sorted(gate.folder.rglob("*")) == before


def test_planning_again_gives_the_same_identities(gate: Gate) -> None:
    prepared, plan = check(Source(gate.path))
    assert [item.identity for item in plan_of(prepared).study.items] == [item.identity for item in plan.study.items]
    assert all(len(item.identity) == 64 for item in plan.study.items)


def test_a_file_of_a_model_that_is_not_there_is_refused_at_its_place(gate: Gate) -> None:
    (gate.folder / "weights.txt").unlink()
    with pytest.raises(ProtocolError, match=r"gate\.yaml:\d+:\d+: models\.m.*weights\.txt"):
        check(Source(gate.path))


def test_all_problems_of_a_plan_come_at_once(gate: Gate) -> None:
    sets = ("simulations.nve.duration_ps=0.1001", "systems.copper.name=Qq")
    with pytest.raises(ProtocolError) as caught:
        check(Source(gate.path, sets))
    assert {problem.path for problem in caught.value.problems} == {"simulations.nve.duration_ps", "systems.copper"}
