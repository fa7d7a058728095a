"""A stored protocol is usable from the results folder: its files are found, and its runs keep their identity."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from ase.build import molecule

from mdprotocol.app import Source, check, judge, run, stored
from mdprotocol.protocol.moving import relative

CHECKPOINTS = Path(__file__).parents[2] / "checkpoints"
PROTOCOL = """\
mdprotocol: 1
name: moving
models:
  student: {type: painn, checkpoint: ../models/ultra_tiny.safetensors}
systems:
  water: {type: file, path: ../structures/water.xyz}
  methane: {type: builtin, name: methane}
simulations:
  nve: {integrator: {type: velocity_verlet}, timestep_fs: 0.5, duration_ps: 0.01, temperatures_K: [100], replicas: 2,
        record_every_fs: 5, reference_every_fs: null}
criteria:
  no_crash: {level: must, metric: stability.crashed, max: 0}
reports: []
executor: {type: serial}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for folder in ("protocols", "models", "structures"):
        (tmp_path / "project" / folder).mkdir(parents=True)
    root = tmp_path / "project"
    (root / "protocols" / "moving.yaml").write_text(PROTOCOL, encoding="utf-8")
    molecule("H2O").write(root / "structures" / "water.xyz")
    for name in ("ultra_tiny.safetensors", "ultra_tiny.json"):
        shutil.copy(CHECKPOINTS / name, root / "models")
    return root


def ran(source: Source, output: Path):
    return run(source, output, "test", lambda event: None)


def test_a_results_folder_is_judged_and_run_again_from_its_own_protocol(project: Path) -> None:
    results = project / "results" / "moving"
    assert ran(Source(project / "protocols" / "moving.yaml"), results).executed == 4
    prepared, _ = check(Source(results / "protocol.yaml"))
    assert prepared.protocol.models["student"].checkpoint == "../../models/ultra_tiny.safetensors"
    assert prepared.protocol.systems["water"].path == "../../structures/water.xyz"
    assert [v.decision for v in judge(results, stored(results)).verdicts] == ["APPROVED"]
    assert ran(Source(results / "protocol.yaml"), results).executed == 0, "another path is no other run"


def test_a_project_can_be_moved_as_a_whole(project: Path) -> None:
    results = project / "results" / "moving"
    ran(Source(project / "protocols" / "moving.yaml"), results)
    elsewhere = project.rename(project.parent / "elsewhere")
    results = elsewhere / "results" / "moving"
    assert ran(Source(results / "protocol.yaml"), results).executed == 0


def test_an_edited_protocol_from_elsewhere_is_stored_with_paths_that_lead_back(project: Path) -> None:
    results = project / "results" / "moving"
    ran(Source(project / "protocols" / "moving.yaml"), results)
    deeper = project / "protocols" / "strict" / "moving.yaml"
    deeper.parent.mkdir()
    deeper.write_text(PROTOCOL.replace("../", "../../"), encoding="utf-8")
    judge(results, Source(deeper))
    assert ran(Source(results / "protocol.yaml"), results).executed == 0


def test_links_are_followed_for_folders_and_not_for_the_file(tmp_path: Path) -> None:
    for name in ("real/models", "blobs", "results"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "blobs" / "x").write_text("")
    (tmp_path / "real" / "models" / "m.pt").symlink_to(tmp_path / "blobs" / "x")
    (tmp_path / "link").symlink_to(tmp_path / "real" / "models")
    assert relative(tmp_path / "link" / "m.pt", tmp_path / "results") == "../real/models/m.pt"
    assert relative(tmp_path / "link" / ".." / "models" / "m.pt", tmp_path / "results") == "../real/models/m.pt"
