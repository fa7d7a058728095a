"""`run --reuse`: finished runs of another results folder are taken only where they are the very runs that are planned."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from mdprotocol.app import Finished, RunOptions, Source, run
from mdprotocol.app.reusing import reused
from mdprotocol.errors import UsageError
from mdprotocol.store import ResultsFolder
from mdprotocol.store.seal import seal

PROTOCOL = """\
mdprotocol: 1
name: shared
seed: 3
models:
  student: {{type: tblite, method: GFN1-xTB, accuracy: {accuracy}}}
reference: {{type: tblite, method: GFN2-xTB}}
systems:
  water: {{type: builtin, name: water}}
simulations:
  nve:
    integrator: {{type: velocity_verlet}}
    timestep_fs: 0.5
    duration_ps: 0.05
    temperatures_K: [300]
    replicas: 2
    record_every_fs: 5
    reference_every_fs: 25
    reference_trajectory: true
criteria:
  no_crash: {{level: must, metric: stability.crashed, max: 0}}
  bonds: {{level: must, metric: bond_lengths.mean, units: Å, max: 1}}
  forces: {{level: must, metric: force_error.rmse, units: eV/Å, max: 5}}
reports: [json]
executor: {{type: serial}}
"""
"""Models that differ in their accuracy share the reference's trajectories."""
TEACHER = [f"runs/reference/water/nve/T300K_r{replica}" for replica in range(2)]
STUDENT = [f"runs/student/water/nve/T300K_r{replica}" for replica in range(2)]

Run = Callable[..., Finished]


@pytest.fixture
def ran(tmp_path: Path) -> Run:
    """Run the protocol with a student of this accuracy into a folder of the test's own."""

    def ran(out: str, accuracy: float = 1.0, reuse: tuple[str, ...] = (), **changes: Any) -> Finished:
        path = tmp_path / "shared.yaml"
        path.write_text(PROTOCOL.format(accuracy=accuracy), encoding="utf-8")
        sets = tuple(f"{name.replace('__', '.')}={value}" for name, value in changes.items())
        options = RunOptions(diagnosis=False, reuse=tuple(tmp_path / name for name in reuse))
        return run(Source(path, sets), tmp_path / out, "mdprotocol run shared.yaml", lambda event: None, options)

    return ran


@pytest.fixture
def donor(ran: Run, tmp_path: Path) -> Path:
    assert ran("donor", accuracy=2.0).executed == 4
    return tmp_path / "donor"


def taken(folder: Path) -> dict[str, list[str]]:
    """Name of a folder -> the runs that the provenance says were taken from it."""
    return {Path(entry["from"]).name: sorted(entry["runs"]) for entry in reused(ResultsFolder(folder))}


def content(folder: Path, runs: list[str]) -> list[bytes]:
    return [(folder / f"{name}.nc").read_bytes() for name in runs]


def judged(folder: Path) -> str:
    """The verdict, every criterion and every measurement, with all digits."""
    verdict = json.loads((folder / "verdict.json").read_text(encoding="utf-8"))
    del verdict["provenance"]
    return json.dumps(verdict, sort_keys=True)


def test_the_teachers_trajectories_are_taken_and_the_verdict_is_bitwise_that_of_computed_ones(
    ran: Run, donor: Path, tmp_path: Path
) -> None:
    assert ran("computed").executed == 4
    assert ran("out", reuse=("donor",)).executed == 2
    assert content(tmp_path / "out", TEACHER) == content(donor, TEACHER)
    assert judged(tmp_path / "out") == judged(tmp_path / "computed")
    with (
        xr.open_dataset(tmp_path / "out" / "measurements.nc") as ours,
        xr.open_dataset(tmp_path / "computed" / "measurements.nc") as theirs,
    ):
        xr.testing.assert_identical(ours.load(), theirs.load())
    assert taken(tmp_path / "out") == {"donor": TEACHER}
    (entry,) = reused(ResultsFolder(tmp_path / "out"))
    theirs = json.loads((donor / "provenance.json").read_text(encoding="utf-8"))
    assert entry["protocol"] == "shared"
    assert entry["versions"] == theirs["versions"]
    facts = json.loads((tmp_path / "out" / "provenance.json").read_text(encoding="utf-8"))
    assert [session["runs_executed"] for session in facts["sessions"]] == [2]
    assert facts["command"] == "mdprotocol run shared.yaml"


def test_all_runs_of_the_same_protocol_are_taken_and_later_runs_keep_the_note(
    ran: Run, donor: Path, tmp_path: Path
) -> None:
    for reuse in (("donor",), ()):
        assert ran("out", accuracy=2.0, reuse=reuse).executed == 0
        assert taken(tmp_path / "out") == {"donor": TEACHER + STUDENT}
        assert judged(tmp_path / "out") == judged(donor)
    facts = json.loads((tmp_path / "out" / "provenance.json").read_text(encoding="utf-8"))
    assert {"command", "versions", "hardware", "sessions", "reused"} <= facts.keys()
    shown = json.loads((tmp_path / "out" / "verdict.json").read_text(encoding="utf-8"))["provenance"]["reused"]
    assert [Path(entry["from"]).name == entry["from"] for entry in shown] == [True]  # no folder of the user's


def test_several_folders_are_looked_into_in_turn(ran: Run, donor: Path, tmp_path: Path) -> None:
    shutil.copytree(donor, tmp_path / "other")
    (donor / f"{TEACHER[1]}.nc").unlink()
    assert ran("out", reuse=("donor", "other")).executed == 2
    assert taken(tmp_path / "out") == {"donor": TEACHER[:1], "other": TEACHER[1:]}


def test_nothing_is_taken_where_anything_differs(ran: Run, donor: Path, tmp_path: Path) -> None:
    for name, changes in (("seed", {"seed": 4}), ("length", {"simulations__nve__duration_ps": 0.06})):
        assert ran(name, reuse=("donor",), **changes).executed == 4
        assert taken(tmp_path / name) == {}


def test_a_run_that_is_computed_anew_is_struck_off(ran: Run, donor: Path, tmp_path: Path) -> None:
    ran("out", reuse=("donor",))
    assert ran("out", seed=4).executed == 4
    assert taken(tmp_path / "out") == {}


def test_what_was_noted_and_never_copied_is_struck_off(ran: Run, donor: Path, tmp_path: Path) -> None:
    """As a kill between the note and the copies leaves it."""
    ran("out", reuse=("donor",))
    (tmp_path / "out" / f"{TEACHER[0]}.nc").unlink()
    assert ran("out").executed == 1
    assert taken(tmp_path / "out") == {"donor": TEACHER[1:]}
    assert content(tmp_path / "out", TEACHER) == content(donor, TEACHER)  # computed again: the same bits


# ------------------------------------------------------------------------------------------------------- not taken


def rewritten(path: Path, sealed: bool, **attrs: Any) -> None:
    """Another energy, under the attributes that the file had or other ones."""
    with xr.open_dataset(path) as stored:
        forged = stored.load()
    forged["potential_energy"] = forged["potential_energy"] + 1.0
    forged.assign_attrs(attrs).to_netcdf(path)
    if sealed:
        seal(path)


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def linked_out(path: Path) -> None:
    path.rename(path.parents[5] / "elsewhere.nc")
    path.symlink_to(path.parents[5] / "elsewhere.nc")


def swapped(path: Path) -> None:
    shutil.copyfile(path.with_name("T300K_r1.nc"), path)


FORGERIES: dict[str, Callable[[Path], None]] = {
    "rewritten without a seal": lambda path: rewritten(path, sealed=False),
    "sealed under another identity": lambda path: rewritten(path, sealed=True, identity="0" * 64),
    "sealed without an identity": lambda path: rewritten(path, sealed=True, identity=""),
    "sealed as another model's": lambda path: rewritten(path, sealed=True, model="other"),
    "sealed as another replica": lambda path: rewritten(path, sealed=True, replica=7),
    "one bit flipped": flipped,
    "torn": torn,
    "another replica's file": swapped,
    "a link out of the folder": linked_out,
    "no file": lambda path: path.write_text("no NetCDF", encoding="utf-8") and None,
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_file_is_not_taken(ran: Run, donor: Path, tmp_path: Path, forge: Callable[[Path], None]) -> None:
    honest = content(donor, TEACHER)
    forge(donor / f"{TEACHER[0]}.nc")
    assert ran("out", reuse=("donor",)).executed == 3
    assert content(tmp_path / "out", TEACHER) == honest
    assert taken(tmp_path / "out") == {"donor": TEACHER[1:]}
    assert not list((tmp_path / "out").rglob(".tmp-*"))


def test_a_file_that_changes_while_it_is_taken_is_not_kept(
    ran: Run, donor: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copyfile

    def tampering(source: Path, target: Path) -> None:
        copy(source, target)
        if source.name == "T300K_r0.nc":
            flipped(target)

    honest = content(donor, TEACHER)
    monkeypatch.setattr("mdprotocol.store.folder.shutil.copyfile", tampering)
    assert ran("out", reuse=("donor",)).executed == 3
    assert content(tmp_path / "out", TEACHER) == honest
    assert taken(tmp_path / "out") == {"donor": TEACHER[1:]}


def test_a_finished_run_is_never_replaced(ran: Run, donor: Path, tmp_path: Path) -> None:
    ran("out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("runs/**/*.nc")}
    assert ran("out", reuse=("donor",)).executed == 0
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("runs/**/*.nc")}
    assert taken(tmp_path / "out") == {}


@pytest.mark.parametrize("reuse", ["missing", ".", "out"])
def test_what_is_no_other_results_folder_is_refused_before_anything_is_written(
    ran: Run, tmp_path: Path, reuse: str
) -> None:
    with pytest.raises(UsageError, match="results folder"):
        ran("out", reuse=(reuse,))
    assert not (tmp_path / "out").exists()


def test_the_command_line_says_so_with_exit_code_2(cli, small: Path, tmp_path: Path) -> None:
    ended = cli("run", small, "-o", "out", "-q", "--reuse", "nowhere")
    assert ended.code == 2
    assert ended.err.strip() == "mdprotocol: nowhere is not a results folder (it has no protocol.yaml)"
    assert not (tmp_path / "out").exists()
