"""Labels that the reference could not give: a comparison with the others is NOT MEASURED, and nobody is approved by it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from mdprotocol.cli import main
from mdprotocol.store import ResultsFolder

PLUGIN = str(Path(__file__).with_name("toy_fields.py"))


def protocol(folder: Path, teacher: str = "picky", **changes: Any) -> Path:
    """A protocol whose one criterion is the force error; one run of 21 labels."""
    nve = {
        "integrator": {"type": "velocity_verlet"}, "timestep_fs": 0.5, "duration_ps": 0.1, "temperatures_K": [300],
        "replicas": 2, "record_every_fs": 1, "reference_every_fs": 5,
    }  # fmt: skip
    content = {
        "mdprotocol": 1, "name": "labels", "models": {"toy": {"type": "toy", "how": "bad where strained"}},
        "reference": {"type": "toy_teacher", "how": teacher}, "systems": {"water": {"type": "builtin", "name": "water"}},
        "simulations": {"nve": nve | changes.pop("nve", {})}, "executor": {"type": "serial"},
        "criteria": {"forces": {"level": "must", "metric": "force_error.rmse", "units": "eV/Å", "max": 0.1}},
        "reports": [{"type": "json"}, {"type": "markdown"}, {"type": "csv"}],
    } | changes  # fmt: skip
    path = folder / "p.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


def run(path: Path) -> tuple[int, dict[str, Any], Path]:
    out = path.parent / "out"
    code = main(["run", str(path), "-o", str(out), "-q", "--plugin", PLUGIN, "--no-diagnosis"])
    (model,) = json.loads((out / "verdict.json").read_text(encoding="utf-8"))["models"]
    return code, model, out


def test_a_teacher_that_fails_where_the_model_is_bad_approves_nobody(tmp_path: Path) -> None:
    """On the frames that are left the error is 0.02 eV/Å; over all frames it is above the bound."""
    code, model, out = run(protocol(tmp_path))
    assert (code, model["decision"]) == (3, "UNDECIDED")
    (condition,) = model["criteria"][0]["conditions"]
    assert condition["outcome"] == "NOT MEASURED"
    assert "labels failed (frame " in condition["reason"]
    assert "SCF did not converge); at most 0 % may" in condition["reason"]
    left = ResultsFolder(out).load("runs/toy/water/nve/T300K_r0.nc")
    error = left["force"].values[left["sample_frame"].values] - left["reference_force"].values
    assert np.sqrt((error**2).mean()) < 0.03
    (tmp_path / "all").mkdir()
    code, model, _ = run(protocol(tmp_path / "all", teacher=""))
    assert code in (1, 3)
    assert model["criteria"][0]["conditions"][0]["value"] > 0.1


def test_a_declared_share_tolerates_them_and_their_number_is_shown(tmp_path: Path) -> None:
    code, model, out = run(protocol(tmp_path, labels={"max_failed_share": 0.9}))
    assert (code, model["decision"]) == (0, "APPROVED")
    (condition,) = model["criteria"][0]["conditions"]
    files = [ResultsFolder(out).load(f"runs/toy/water/nve/T300K_r{k}.nc") for k in (0, 1)]
    count = sum(file.sizes["sample"] for file in files)
    assert 6 <= count < 42
    assert condition["labels"] == count
    assert f"eV/Å, {count} labels" in (out / "verdict.md").read_text(encoding="utf-8")
    (row,) = csv.DictReader(io.StringIO((out / "verdict.csv").read_text(encoding="utf-8")))
    assert row["labels"] == str(count)


def test_it_is_judged_so_again_and_reported_so_again(tmp_path: Path) -> None:
    code, _, out = run(protocol(tmp_path))
    for command in ("judge", "report"):
        (out / "verdict.json").unlink()
        assert main([command, str(out), "--plugin", PLUGIN]) == code == 3
        (model,) = json.loads((out / "verdict.json").read_text(encoding="utf-8"))["models"]
        assert model["criteria"][0]["outcome"] == "NOT MEASURED"


def test_measurements_of_an_earlier_version_are_refused_with_one_reason(tmp_path: Path, capsys: Any) -> None:
    """They may rest on labels that nobody counted."""
    _, _, out = run(protocol(tmp_path, labels={"max_failed_share": 0.9}))
    folder = ResultsFolder(out)
    stored = folder.load("measurements.nc").drop_vars(["run_labels", "run_labels_planned"])
    folder.write_dataset("measurements.nc", stored.assign_attrs(mdprotocol_measurements=1))
    capsys.readouterr()
    assert main(["report", str(out), "--plugin", PLUGIN]) != 0
    said = capsys.readouterr().err
    assert "format 1, and this version reads format 2" in said
    assert "`mdprotocol judge` measures again" in said
    assert main(["judge", str(out), "--plugin", PLUGIN]) == 0


@pytest.mark.parametrize(("every", "least", "planned"), [(101, 2, "1 label"), (500, 2, "1 label"), (20, 7, "6 labels")])
def test_fewer_labels_than_a_comparison_needs_are_refused(
    tmp_path: Path, capsys: Any, every: float, least: int, planned: str
) -> None:
    path = protocol(tmp_path, teacher="", nve={"reference_every_fs": every}, labels={"least": least})
    line = 1 + path.read_text(encoding="utf-8").splitlines().index(f"    reference_every_fs: {every}")
    for command in ("check", "run"):
        assert main([command, str(path), "--plugin", PLUGIN]) == 2
        said = capsys.readouterr().err
        assert f"p.yaml:{line}:25: simulations.nve.reference_every_fs: gives a run {planned}" in said
        assert f"criterion 'forces' needs {least} of each run" in said


def test_where_only_some_runs_plan_too_few_it_is_a_warning(tmp_path: Path, capsys: Any) -> None:
    path = protocol(tmp_path, teacher="")
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    content["simulations"]["short"] = content["simulations"]["nve"] | {"duration_ps": 0.004}
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    assert main(["check", str(path), "--plugin", PLUGIN]) == 0
    said = capsys.readouterr()
    assert "simulations.short.reference_every_fs: gives a run 1 label" in said.out + said.err


def test_a_run_that_fails_early_is_not_compared_by_the_label_that_it_has(tmp_path: Path) -> None:
    """Its first frame, which every model knows, has a label; the run ends soon after."""
    guards = {"max_temperature_factor": 1.001, "max_temperature_offset_K": 0, "bond_stretch": 1.0001}
    code, model, _ = run(protocol(tmp_path, teacher="", nve={"guards": guards | {"check_every_fs": 1}}))
    assert model["runs"]["failed"] == 2
    assert code != 0
    assert model["criteria"][0]["outcome"] == "NOT MEASURED"
    assert (
        "the run has 1 label; a comparison needs 2 (`labels: least`)" in model["criteria"][0]["conditions"][0]["reason"]
    )


@pytest.mark.parametrize("rules", [{"max_failed_share": 1.0}, {"max_failed_share": -0.1}, {"least": 0}, {"most": 4}])
def test_rules_that_are_none_are_refused_with_their_place(tmp_path: Path, capsys: Any, rules: dict[str, Any]) -> None:
    path = protocol(tmp_path, labels=rules)
    line = path.read_text(encoding="utf-8").splitlines().index("labels:") + 2
    assert main(["check", str(path), "--plugin", PLUGIN]) == 2
    assert f"p.yaml:{line}:" in capsys.readouterr().err
