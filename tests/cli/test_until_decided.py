"""run --until-decided and --stop-when-decided, on real models: what is added, what stays, what is left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml


def _verdict(folder: Path) -> dict:
    return json.loads((folder / "verdict.json").read_text(encoding="utf-8"))["models"][0]


@pytest.fixture
def open_protocol(small: Path) -> Path:
    """Two replicas, and a bound that each test can find and replace."""
    text = small.read_text(encoding="utf-8").replace("replicas: 3", "replicas: 2").replace("max: 5}", "max: 5.0}")
    small.write_text(text + "reports: [{type: json}]\n", encoding="utf-8")
    return small


@pytest.fixture
def first_look(cli, open_protocol: Path, tmp_path: Path) -> Path:
    """Two replicas were run, and the bound lies two standard errors above their mean: for Student that is open."""
    assert cli("run", open_protocol, "-o", "out", "-q").code == 0
    (criterion,) = [c for c in _verdict(tmp_path / "out")["criteria"] if c["name"] == "forces"]
    condition = criterion["conditions"][0]
    bound = condition["value"] + 2.0 * condition["standard_error"]
    text = open_protocol.read_text(encoding="utf-8").replace("max: 5.0}", f"max: {bound:.6f}}}")
    open_protocol.write_text(text, encoding="utf-8")
    return open_protocol


def test_replicas_are_added_until_the_verdict_is_decided(cli, first_look: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert cli("judge", "out", "--protocol", first_look).code == 3
    before = {path: path.read_bytes() for path in sorted(out.rglob("runs/**/*.nc"))}
    ended = cli("run", first_look, "-o", "out", "--until-decided", "--max-replicas", "24")
    verdict = _verdict(out)
    assert verdict["decision"] in ("APPROVED", "REJECTED", "UNDECIDED")
    after = sorted(out.rglob("runs/**/*.nc"))
    assert len(after) > len(before) == 2
    assert {path: path.read_bytes() for path in before} == before
    assert "replicas are added" in ended.err
    stored = yaml.safe_load((out / "protocol.yaml").read_text(encoding="utf-8"))
    additions = stored["simulations"]["nve"]["additions"]
    assert stored["looks"] == 3
    assert additions[-1]["replicas"] == len(after) <= 24
    assert additions[0]["look"] == 1
    assert any("replicas added after look 1" in note and "forces is inconclusive" in note for note in verdict["notes"])
    assert verdict["runs"] == {"planned": len(after), "completed": len(after), "failed": 0, "missing": 0}

    # Judging, and running again without the option, see the same replicas: what was looked at was looked at.
    decision = verdict["decision"]
    cli("judge", "out")
    assert _verdict(out)["decision"] == decision
    again = cli("run", first_look, "-o", "out")
    assert "nothing was simulated" in again.err
    assert _verdict(out)["runs"]["planned"] == len(after)
    assert _verdict(out)["decision"] == decision


def test_a_budget_that_is_spent_adds_nothing(cli, first_look: Path, tmp_path: Path) -> None:
    ended = cli("run", first_look, "-o", "out", "--until-decided", "--budget-minutes", "0.0001")
    assert ended.code == 3
    assert len(list((tmp_path / "out").rglob("runs/**/*.nc"))) == 2


def test_limits_without_what_they_limit_are_refused(cli, small: Path) -> None:
    ended = cli("run", small, "--max-replicas", "9")
    assert ended.code == 2
    assert "--until-decided" in ended.err


STOP = """
mdprotocol: 1
name: stop
models:
  gfn1: {type: tblite, method: GFN1-xTB}
systems:
  water: {type: builtin, name: water}
simulations:
  hot: &short
    integrator: {type: velocity_verlet}
    timestep_fs: 0.5
    duration_ps: 0.02
    temperatures_K: [300]
    replicas: 2
    record_every_fs: 1
    guards: {max_temperature_factor: 1.001, max_temperature_offset_K: 0, bond_stretch: 1.0001}
  later: {<<: *short, duration_ps: 0.2, guards: {}}
criteria:
  no_crash: {level: must, metric: stability.crashed, max: 0, where: {simulation: hot}}
  drift: {level: must, metric: energy_drift.per_atom, units: meV/atom/ps, max: 1000, where: {simulation: later}}
executor: {type: serial}
reports: [{type: json}]
"""


def test_runs_that_can_no_longer_change_the_verdict_are_left_out(cli, tmp_path: Path) -> None:
    """The guards of `hot` are so narrow that a sound molecule trips them at once; `later` could not save the verdict."""
    path = tmp_path / "stop.yaml"
    path.write_text(STOP, encoding="utf-8")
    ended = cli("run", path, "-o", "out", "-q", "--stop-when-decided", "--no-diagnosis")
    assert ended.code == 1, ended.err
    out = tmp_path / "out"
    assert not list(out.rglob("runs/gfn1/water/later/*.nc"))
    verdict = _verdict(out)
    assert verdict["decision"] == "REJECTED"
    assert "2 runs were not run: the verdict could no longer change" in verdict["notes"]
    rows = json.loads((out / "verdict.json").read_text(encoding="utf-8"))["runs"]
    assert sorted(row["outcome"] for row in rows) == ["failed", "failed", "skipped", "skipped"]

    # Without the option the runs that were left out are done, and nothing is skipped any more.
    assert cli("run", path, "-o", "out", "-q", "--no-diagnosis").code == 1
    assert len(list(out.rglob("runs/gfn1/water/later/*.nc"))) == 2
    assert not any("not run" in note for note in _verdict(out)["notes"])


@pytest.mark.parametrize("level", ["must", "should", "nice"])
def test_runs_that_were_left_out_are_missing_where_other_criteria_are_judged(cli, tmp_path: Path, level: str) -> None:
    """Nobody has seen them: what decided the first verdict decides this one no more."""
    path = tmp_path / "stop.yaml"
    path.write_text(STOP, encoding="utf-8")
    wall = "criteria.wall={level: must, metric: short_range_wall.holes, max: %d}"
    changes = ["criteria.no_crash=null", f"criteria.drift.level={level}"]
    first = [option for change in (*changes, wall % -1) for option in ("--set", change)]
    ended = cli("run", path, "-o", "out", "-q", "--stop-when-decided", "--no-diagnosis", *first)
    assert ended.code == 1, ended.err
    assert any("could no longer change" in note for note in _verdict(tmp_path / "out")["notes"])
    ended = cli("judge", "out", "--set", "criteria.wall.max=0")
    assert ended.code == 3, ended.err
    verdict = _verdict(tmp_path / "out")
    assert verdict["decision"] == "UNDECIDED"
    assert not any("could no longer change" in note for note in verdict["notes"])


def test_runs_that_a_use_still_depends_on_are_done(cli, tmp_path: Path) -> None:
    path = tmp_path / "stop.yaml"
    use = "recommendations:\n  - {use: cool dynamics, requires: [drift]}\n"
    path.write_text(STOP + use, encoding="utf-8")
    assert cli("run", path, "-o", "out", "-q", "--stop-when-decided", "--no-diagnosis").code == 1
    assert len(list((tmp_path / "out").rglob("runs/gfn1/water/later/*.nc"))) == 2
