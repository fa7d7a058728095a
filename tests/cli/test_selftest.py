"""mdprotocol selftest: exit codes, the report, bad input. GFN1-xTB stands for a sound model of water."""

from __future__ import annotations

import json
from pathlib import Path

from mdprotocol.app.selftesting import smaller
from mdprotocol.app.sources import Source

SECTION = """
selftest:
  sound: 2
  power: 1
  changes: {simulations.nve.duration_ps: 0.02, simulations.nve.equilibration: null, simulations.gone.duration_ps: 1}
  without: [speed]
"""


def _with_section(small: Path) -> Path:
    text = small.read_text(encoding="utf-8")
    gradient = "  gradient: {level: must, metric: force_consistency.relative, max: 0.003}\n"
    speed = "  speed: {level: must, metric: inference_time.median_ms, max: 1000}\n"
    text = text.replace("recommendations:", gradient + speed + "recommendations:") + SECTION
    small.write_text(text, encoding="utf-8")
    return small


def test_a_protocol_that_sees_its_faults_meets_its_power(cli, small: Path, tmp_path: Path) -> None:
    faults = "forces_10_percent,skipped_simulation,lost_variable"
    ended = cli("selftest", _with_section(small), "-o", "out", "-q", "--faults", faults)
    assert ended.code == 0, ended.err + ended.out
    assert "MET  gfn1" in ended.out
    (model,) = json.loads((tmp_path / "out" / "selftest.json").read_text(encoding="utf-8"))["models"]
    by = {seen["fault"]["name"]: seen["by"] for seen in model["faults"]}
    assert by["forces_10_percent"] == ["gradient"]
    assert "no_crash" in by["skipped_simulation"]
    assert "gradient" not in by["skipped_simulation"]  # probes are another matter, and were taken over
    assert by["lost_variable"] == ["forces"]
    assert model["sound"]["repetitions"] == 2
    left = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert left == [".lock", "figures", "selftest.json", "selftest.md"]


def test_a_protocol_that_misses_a_fault_does_not(cli, small: Path) -> None:
    ended = cli("selftest", _with_section(small), "-o", "out", "-q", "--faults", "oriented", "--sound", "1", "--oracle")
    assert ended.code == 1, ended.err
    assert ended.out.count("oriented: not seen") == 2  # in the protocol's own model, and in the analytic one
    assert "NOT MET  oracle" in ended.out


def test_an_unknown_fault_is_a_usage_error(cli, small: Path) -> None:
    ended = cli("selftest", small, "--faults", "curll")
    assert ended.code == 2
    assert "did you mean 'curl'" in ended.err


def test_sizes_are_those_of_faults_that_have_one(cli, small: Path) -> None:
    text = small.read_text(encoding="utf-8") + "selftest: {sizes: {curll: 0.1, jump: 0.1, euler: 1}}\n"
    small.write_text(text, encoding="utf-8")
    ended = cli("check", small)
    assert ended.code == 2
    line = text.count("\n")
    assert f"small.yaml:{line}:20: selftest.sizes.curll: there is no fault 'curll' with a size" in ended.err
    assert "did you mean 'curl'?" in ended.err
    assert "selftest.sizes.euler" in ended.err
    assert "selftest.sizes.jump" not in ended.err


def test_bounds_cannot_be_changed_for_the_self_test(cli, small: Path) -> None:
    ended = cli("check", small, "--set", "selftest.changes={criteria.forces.max: 100}")
    assert ended.code == 2
    assert "criteria.forces.max" in ended.err


def test_a_criterion_that_is_left_out_must_exist(cli, small: Path) -> None:
    ended = cli("check", small, "--set", "selftest.without=[force]")
    assert ended.code == 2
    assert "did you mean 'forces'" in ended.err


def test_the_smaller_protocol_has_the_same_bounds_and_fewer_steps(small: Path) -> None:
    protocol = smaller(Source(_with_section(small))).protocol
    assert protocol.simulations["nve"].duration_ps == 0.02
    assert protocol.simulations["nve"].equilibration is None
    assert sorted(protocol.criteria) == ["forces", "gradient", "no_crash"]
    assert protocol.criteria["forces"].max == 5
