"""Stored results once more: judged, reported and compared by what their files are, with nothing simulated."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import netCDF4
import pytest
from app_kit import Gate, outcomes

from mdprotocol.app import changed, compare, judge, judging, report, stored
from mdprotocol.errors import UsageError
from mdprotocol.verdicts import Decision, Outcome


@pytest.mark.parametrize("look", ["judge", "report"])
def test_started_over_and_interrupted_nothing_is_approved(ran: Gate, look: str, interrupted: Any) -> None:
    bad = ran.write("bad.yaml", models={"m": {"type": "ase", "calculator": "ase.calculators.lj:LennardJones"}})
    interrupted(lambda: ran.run(path=bad, fresh=True))
    finished = ran.judge() if look == "judge" else report(ran.results, stored(ran.results))
    assert finished.verdicts[0].decision is Decision.UNDECIDED
    assert outcomes(finished) == {Outcome.NOT_MEASURED}
    assert finished.verdicts[0].runs_missing == 2


def test_measurements_of_another_folder_are_not_reported(ran: Gate) -> None:
    ran.run("criteria.drift.max=1e-9", "seed=5", out="S")
    shutil.copy(ran.folder / "S/measurements.nc", ran.results / "measurements.nc")
    finished = report(ran.results, stored(ran.results))
    samples = {run: s for c in finished.verdicts[0].criteria for x in c.conditions
               for run, s in zip(x.measurement.runs, x.measurement.samples, strict=True)}  # fmt: skip
    again = ran.judge()
    assert samples == {run: s for c in again.verdicts[0].criteria for x in c.conditions
                       for run, s in zip(x.measurement.runs, x.measurement.samples, strict=True)}  # fmt: skip


def test_a_report_needs_the_evidence(ran: Gate) -> None:
    shutil.rmtree(ran.results / "runs")
    assert report(ran.results, stored(ran.results)).verdicts[0].decision is Decision.UNDECIDED


def test_a_file_says_whose_it_is(ran: Gate) -> None:
    """A run of equal identity under another name (two models from one checkpoint) is not this one's."""
    from mdprotocol.store.seal import seal

    path = ran.results / "runs/m/copper/nve/T300K_r0.nc"
    path.write_bytes(path.read_bytes()[:-40])  # without its seal
    with netCDF4.Dataset(path, "a") as file:
        file.setncattr("model", "twin")
    seal(path)
    finished = ran.judge()
    assert finished.verdicts[0].decision is Decision.UNDECIDED
    reasons = {c.measurement.reason for criterion in finished.verdicts[0].criteria for c in criterion.conditions}
    assert any("it says model twin" in reason for reason in reasons)


def test_comparing_says_whose_criteria_were_changed(ran: Gate, capsys: pytest.CaptureFixture[str]) -> None:
    from mdprotocol.cli import main

    ran.run(out="S")
    ran.judge("criteria.drift.max=1e9")
    assert main(["compare", str(ran.results), str(ran.folder / "S")]) == 0
    assert capsys.readouterr().out.endswith("A: changed after the data: 1 criterion: drift.max 1000 → 1e9\n")


def test_a_bound_that_is_judged_anew_needs_no_run_and_changes_none(ran: Gate) -> None:
    before = {name: data for name, data in ran.snapshot().items() if name.startswith(("runs/", "probes/"))}
    finished = ran.judge("criteria.size.max=-1")
    assert (finished.verdicts[0].decision, finished.executed) == (Decision.REJECTED, 0)
    assert {name: ran.snapshot()[name] for name in before} == before
    assert report(ran.results, stored(ran.results)).verdicts[0].decision is Decision.REJECTED  # it is kept
    assert changed(ran.results) == ("size.max 10 → -1",)


def test_a_report_takes_the_stored_measurements_and_measures_where_there_are_none(
    ran: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[Path] = []
    measure = judging.measure

    def counting(study: Any, folder: Any) -> Any:
        measured.append(folder.root)
        return measure(study, folder)

    monkeypatch.setattr(judging, "measure", counting)
    first = report(ran.results, stored(ran.results))
    assert measured == []
    (ran.results / "measurements.nc").unlink()
    again = report(ran.results, stored(ran.results))
    assert measured == [ran.results]
    assert again.verdicts == first.verdicts
    assert (ran.results / "measurements.nc").exists()


def test_judging_loads_no_model(ran: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    from mdprotocol_plugins.models.ase.model import AseModel

    monkeypatch.setattr(AseModel, "load", lambda self, base: pytest.fail("judging loads no model"))
    assert ran.judge().verdicts[0].decision is Decision.APPROVED


def test_two_folders_are_compared_criterion_by_criterion(ran: Gate) -> None:
    ran.run("seed=5", out="S")
    rows = compare(ran.results, ran.folder / "S")
    assert [row["criterion"] for row in rows] == ["drift", "no_crash", "size"], "in the order of the protocol"
    assert changed(ran.results) == ()


@pytest.mark.parametrize("use", [lambda path: compare(path, path), changed, lambda path: judge(path, stored(path))])
def test_what_is_no_results_folder_is_refused(tmp_path: Path, use: Any) -> None:
    with pytest.raises(UsageError, match="is not a results folder"):
        use(tmp_path)
