"""run, judge, report, compare on real data: exit codes, files, resuming, evidence taken away."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import xarray as xr

FILES = (
    "protocol.yaml",
    "provenance.json",
    "measurements.nc",
    "verdict.json",
    "verdict.md",
    "verdict.csv",
    "report.html",
)


@pytest.fixture
def finished(cli, small: Path, tmp_path: Path) -> Path:
    ended = cli("run", small, "-o", "out", "-q")
    assert ended.code == 0, ended.err
    assert "APPROVED" in ended.out
    return tmp_path / "out"


def _decision(folder: Path) -> str:
    verdict = json.loads((folder / "verdict.json").read_text(encoding="utf-8"))
    return verdict["models"][0]["decision"]


def test_run_leaves_a_verdict_with_its_evidence(finished: Path) -> None:
    for name in FILES:
        assert (finished / name).stat().st_size > 0, name
    runs = sorted((finished / "runs").rglob("*.nc"))
    assert [run.name for run in runs] == ["T300K_r0.nc", "T300K_r1.nc", "T300K_r2.nc"]
    with xr.open_dataset(runs[0]) as ds:
        assert ds.sizes["frame"] == 21
        assert ds.position.attrs["units"] == "Å"
        assert ds.attrs["outcome"] == "completed"


def test_a_second_run_simulates_nothing_and_changes_no_run(cli, finished: Path, small: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("runs/**/*.nc")}
    ended = cli("run", small, "-o", "out")
    assert ended.code == 0
    assert "nothing was simulated" in ended.err
    assert before == {path: path.stat().st_mtime_ns for path in finished.rglob("runs/**/*.nc")}


def test_a_changed_threshold_is_judged_without_simulation(cli, finished: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("runs/**/*.nc")}
    ended = cli("judge", "out", "--set", "criteria.no_crash.max=-1")
    assert ended.code == 1
    assert _decision(finished) == "REJECTED"
    assert before == {path: path.stat().st_mtime_ns for path in finished.rglob("runs/**/*.nc")}


def test_a_changed_seed_is_simulated_again(cli, finished: Path, small: Path) -> None:
    before = (finished / "runs/gfn1/water/nve/T300K_r0.nc").read_bytes()
    ended = cli("run", small, "-o", "out", "-q", "--set", "seed=4")
    assert ended.code == 0
    assert (finished / "runs/gfn1/water/nve/T300K_r0.nc").read_bytes() != before


def test_evidence_taken_away_is_never_a_pass(cli, finished: Path) -> None:
    run = finished / "runs/gfn1/water/nve/T300K_r1.nc"
    with xr.open_dataset(run) as ds:
        maimed = ds.load().drop_vars("reference_force")
    maimed.to_netcdf(run)
    ended = cli("judge", "out")
    assert ended.code == 3
    assert _decision(finished) == "UNDECIDED"
    assert "NOT MEASURED" in (finished / "verdict.md").read_text(encoding="utf-8")


def test_a_missing_run_is_never_a_pass(cli, finished: Path) -> None:
    (finished / "runs/gfn1/water/nve/T300K_r2.nc").unlink()
    assert cli("judge", "out").code == 3


def test_report_writes_the_verdict_again(cli, finished: Path) -> None:
    before = (finished / "verdict.md").read_bytes()
    (finished / "verdict.md").unlink()
    assert cli("report", "out").code == 0
    assert (finished / "verdict.md").read_bytes() == before


def test_compare_shows_both(cli, finished: Path, small: Path) -> None:
    assert cli("run", small, "-o", "other", "-q", "--set", "seed=9").code == 0
    ended = cli("compare", "out", "other")
    assert ended.code == 0
    assert "forces" in ended.out


def test_the_same_seed_gives_the_same_bytes_of_data(cli, finished: Path, small: Path) -> None:
    assert cli("run", small, "-o", "again", "-q").code == 0
    for run in sorted(finished.rglob("runs/**/*.nc")):
        with xr.open_dataset(run) as one, xr.open_dataset(finished.parent / "again" / run.relative_to(finished)) as two:
            xr.testing.assert_identical(one.load(), two.load())


def test_the_number_of_workers_changes_no_bit(cli, finished: Path, small: Path) -> None:
    """Runs, measurements and figures; the small protocol times nothing."""
    for workers, folder in ((1, "one"), (3, "three")):
        executor = f"executor={{type: processes, workers: {workers}}}"
        assert cli("run", small, "-o", folder, "-q", "--set", executor).code == 0
    patterns = ("runs/**/*.nc", "measurements.nc", "figures/*.png", "verdict.csv")
    files = [path.relative_to(finished) for pattern in patterns for path in finished.glob(pattern)]
    assert len(files) >= 8
    for file in files:
        here = (finished / file).read_bytes()
        for folder in ("one", "three"):
            assert (finished.parent / folder / file).read_bytes() == here, file


def test_judging_needs_no_torch(cli, finished: Path, tmp_path: Path) -> None:
    """A folder in which importing torch raises comes first on the path."""
    (tmp_path / "poison").mkdir()
    (tmp_path / "poison" / "torch.py").write_text("raise ImportError('torch must not be imported here')\n")
    assert cli("judge", "out", path=str(tmp_path / "poison")).code == 0
