"""Runs whose failure nobody would see, and bounds that allow failures in vain: `check` warns."""

from __future__ import annotations

from pathlib import Path

import pytest

from mdprotocol.plan import Plan, make_plan
from mdprotocol.protocol import read_document, validate
from mdprotocol.registry import build_registry

PROTOCOL = """\
mdprotocol: 1
name: p
models: {gfn1: {type: tblite, method: GFN1-xTB}}
systems: {water: {type: builtin, name: water}, methane: {type: builtin, name: methane}}
simulations:
  nve: &nve {integrator: {type: velocity_verlet}, timestep_fs: 0.5, duration_ps: 5, temperatures_K: [300, 800]}
  steps: {<<: *nve, timestep_fs: [0.5, 1.0]}
criteria:
  momentum: {level: must, metric: momentum.linear, max: 1}
"""
ALL = "criteria.no_crash={level: must, metric: stability.crashed, max: 0}"
M6 = Path(__file__).parents[2] / "protocols"


def warnings(tmp_path: Path, *sets: str) -> list[str]:
    path = tmp_path / "p.yaml"
    path.write_text(PROTOCOL, encoding="utf-8")
    return planned(path, *sets)


def planned(path: Path, *sets: str) -> list[str]:
    registry, document = build_registry(), read_document(path, sets)
    plan: Plan = make_plan(validate(document, registry), document.base, registry, document)
    return [text for text in plan.warnings if "no criterion on stability" in text or "allows failed runs" in text]


def test_every_simulation_without_a_stability_criterion_is_warned_of(tmp_path: Path) -> None:
    found = warnings(tmp_path)
    assert [text.partition("simulations.")[2].split(" ")[1] for text in found] == ["nve:", "steps_0.5fs:", "steps_1fs:"]
    assert ":6:" in found[0]
    assert warnings(tmp_path, ALL) == []


@pytest.mark.parametrize("level", ["must", "should", "nice"])
def test_a_criterion_of_any_level_covers_a_simulation(tmp_path: Path, level: str) -> None:
    one = (
        f"criteria.one={{level: {level}, metric: stability.survival, min: 1, where: {{simulation: [nve, steps_1fs]}}}}"
    )
    (text,) = warnings(tmp_path, one)
    assert "steps_0.5fs: no criterion" in text


def test_runs_that_are_left_out_are_named(tmp_path: Path) -> None:
    some = "criteria.some={level: must, metric: stability.crashed, max: 0, where: {system: water}}"
    assert all("its runs of methane at 300 K, methane at 800 K" in text for text in warnings(tmp_path, some))


@pytest.mark.parametrize("bound", ["crashed, max: 1", "survival, min: 0.5", "failures_by_cause, max: 3"])
def test_a_bound_that_allows_failures_needs_a_tolerance(tmp_path: Path, bound: str) -> None:
    loose = f"criteria.loose={{level: must, metric: stability.{bound}}}"
    (text,) = warnings(tmp_path, loose)
    assert "failed_runs: {max: ..., reason: ...}" in text
    assert warnings(tmp_path, loose, "failed_runs={max: 1, reason: one node is broken}") == []
    assert warnings(tmp_path, loose.replace("must", "should")) == []


@pytest.mark.parametrize("name", ["m6_original", "m6_phase", "smoke", "teacher_itself"])
def test_our_own_protocols_have_no_such_warning(name: str) -> None:
    assert planned(M6 / f"{name}.yaml") == []
