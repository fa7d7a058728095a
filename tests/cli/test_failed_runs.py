"""A force field under which every run blows up, and a criterion that looks elsewhere: REJECTED, whatever it measured."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

CHECKPOINT = Path(__file__).parents[2] / "checkpoints" / "ultra_tiny.safetensors"
PROTOCOL = f"""\
mdprotocol: 1
name: blown
models: {{tiny: {{type: painn, checkpoint: "{CHECKPOINT}"}}}}
systems: {{methane: {{type: builtin, name: methane}}}}
simulations:
  hot:
    integrator: {{type: velocity_verlet}}
    timestep_fs: 4
    duration_ps: 0.4
    temperatures_K: [800]
    replicas: 4
    record_every_fs: 4
    reference_every_fs: null
criteria:
  momentum: {{level: must, metric: momentum.linear, max: 1000000}}
executor: {{type: serial}}
"""


@pytest.fixture
def blown(tmp_path: Path) -> Path:
    path = tmp_path / "blown.yaml"
    path.write_text(PROTOCOL, encoding="utf-8")
    return path


def test_four_of_four_runs_that_blew_up_are_no_approval(cli, blown: Path, tmp_path: Path) -> None:
    checked = cli("check", blown)
    assert "hot: no criterion on stability covers its runs" in checked.out + checked.err
    ended = cli("run", blown, "-o", "out", "-q")
    assert ended.code == 1, ended.out + ended.err
    assert ended.out.splitlines()[0].startswith("REJECTED  tiny")
    assert "4 of 4 runs that must criteria draw on failed" in ended.out
    (model,) = json.loads((tmp_path / "out" / "verdict.json").read_text(encoding="utf-8"))["models"]
    assert (model["decision"], model["runs"]["failed"]) == ("REJECTED", 4)
    assert ET.parse(tmp_path / "out" / "junit.xml").getroot().get("failures") == "1"


def test_what_the_protocol_tolerates_is_told_first_and_is_never_most_of_a_condition(cli, blown: Path) -> None:
    ended = cli("run", blown, "-o", "out", "-q", "--set", "failed_runs={max: 4, reason: a test of the guards}")
    assert ended.code == 1, ended.out + ended.err
    first = ended.out.splitlines()[1]
    assert first.startswith("  4 of 4 runs that must criteria draw on failed")
    assert "the protocol tolerates 4: a test of the guards; but more than half failed in methane, hot, 800 K" in first


@pytest.mark.parametrize("given", ["failed_runs.max=0", "failed_runs={max: 1}", 'failed_runs={max: 1, reason: " "}'])
def test_a_tolerance_without_a_number_or_a_reason_is_refused(cli, blown: Path, given: str) -> None:
    ended = cli("check", blown, "--set", given)
    assert ended.code == 2
    assert "failed_runs" in ended.err
