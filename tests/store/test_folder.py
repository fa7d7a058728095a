"""The results folder: atomic, trusted only where whole, and never left by a path."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np
import pytest
import xarray as xr

from mdprotocol.errors import StoreError
from mdprotocol.store import ResultsFolder
from mdprotocol.store.atomic import STALE_AFTER_S


@pytest.fixture
def folder(tmp_path):
    return ResultsFolder(tmp_path / "results")


def test_a_dataset_comes_back_bit_by_bit_through_plain_xarray(folder, small_run):
    run = small_run()
    run["position"].values[0, 0, 0] = np.nan
    run["position"].values[0, 0, 1] = -0.0
    folder.write_dataset("runs/a.nc", run)
    with xr.open_dataset(folder.root / "runs" / "a.nc") as plain:
        xr.testing.assert_equal(plain.load(), run)
        for name in run.variables:
            assert plain[name].values.tolist() == run[name].values.tolist() or name == "position"
        assert plain["position"].values.tobytes() == run["position"].values.tobytes()
        assert plain.attrs == run.attrs
        assert plain["position"].attrs == {"units": "Å", "long_name": "position"}
        assert set(plain.coords) == {"time", "atomic_number", "mass", "xyz"}


def test_the_same_dataset_makes_the_same_file(folder, small_run):
    folder.write_dataset("a.nc", small_run())
    folder.write_dataset("b.nc", small_run())
    assert (folder.root / "a.nc").read_bytes() == (folder.root / "b.nc").read_bytes()


def test_a_variable_without_units_is_refused(folder):
    with pytest.raises(StoreError, match="'speed' has no `units`"):
        folder.write_dataset("a.nc", xr.Dataset({"speed": ("x", [1.0])}))
    assert not list(folder.root.iterdir())


def test_json_and_bytes(folder):
    folder.write_json("p.json", {"Å": [1, None, 0.1]})
    assert folder.read_json("p.json") == {"Å": [1, None, 0.1]}
    with pytest.raises(StoreError, match="JSON"):
        folder.write_json("q.json", {"x": float("nan")})
    folder.write_bytes("p.json", b"{")
    with pytest.raises(StoreError, match="not JSON"):
        folder.read_json("p.json")
    with pytest.raises(StoreError, match="cannot read"):
        folder.read_json("nothing.json")


@pytest.mark.parametrize(
    "path",
    ["../x", "/etc/x", "a/../../x", "", ".", "a\\..\\x", "runs/../..", "a\0b", "C:/x"],
)
def test_no_path_leaves_the_folder(folder, path):
    for use in (folder.open, folder.identity, folder.read_json, lambda p: folder.write_bytes(p, b"")):
        with pytest.raises(StoreError):
            use(path)


def test_a_symbolic_link_is_no_way_out(folder, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    folder.root.mkdir()
    (folder.root / "runs").symlink_to(outside)
    with pytest.raises(StoreError, match="leads out"):
        folder.write_bytes("runs/a.nc", b"x")
    assert not list(outside.iterdir())


@pytest.mark.parametrize("damage", ["cut", "text", "empty", "no identity", "absent"])
def test_what_is_not_whole_has_no_identity(folder, small_run, damage):
    folder.write_dataset("a.nc", small_run(identity="" if damage == "no identity" else "ff"))
    path = folder.root / "a.nc"
    {
        "cut": lambda: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
        "text": lambda: path.write_text("not a file of that kind"),
        "empty": lambda: path.write_bytes(b""),
        "no identity": lambda: None,
        "absent": path.unlink,
    }[damage]()
    assert folder.identity("a.nc") is None
    assert folder.attributes("a.nc") is None


def test_identity_and_attributes_of_a_whole_file(folder, small_run):
    folder.write_dataset("a.nc", small_run(identity="ff", replica=3))
    assert folder.identity("a.nc") == "ff"
    assert folder.attributes("a.nc")["replica"] == 3


def test_a_failed_write_leaves_what_was_there(folder, small_run, monkeypatch):
    folder.write_dataset("a.nc", small_run(identity="old"))

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StoreError, match="No space left"):
        folder.write_dataset("a.nc", small_run(identity="new"))
    assert folder.identity("a.nc") == "old"
    assert [path.name for path in folder.root.iterdir()] == ["a.nc"]


def test_the_rename_comes_after_the_data_are_on_disk(folder, monkeypatch):
    calls = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append("fsync"), sync(fd)))
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("rename"), replace(a, b)))
    folder.write_bytes("a", b"x")
    assert calls == ["fsync", "rename", "fsync"]


KILLED = """
import os, sys
from mdprotocol.store import ResultsFolder
from mdprotocol.store import atomic
atomic._sync_file = lambda path: os._exit(9)
ResultsFolder(sys.argv[1]).write_bytes("runs/a.nc", b"half")
"""


def test_a_killed_writer_leaves_nothing_that_counts_and_its_rest_is_swept(folder):
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder.root)], check=False)
    assert done.returncode == 9
    (rest,) = (folder.root / "runs").iterdir()
    assert folder.run_ids() == []
    assert folder.identity("runs/a.nc") is None
    assert folder.sweep() == 1
    assert not rest.exists()


def test_sweeping_spares_files_that_are_being_written(folder):
    folder.root.mkdir()
    from mdprotocol.store.atomic import _temporary_name

    ours = folder.root / _temporary_name("a.nc")
    other = folder.root / ".tmp-0123abcd-1-ffff-a.nc"
    old = folder.root / ".tmp-0123abcd-1-eeee-a.nc"
    for path in (ours, other, old):
        path.write_bytes(b"x")
    long_ago = time.time() - 2 * STALE_AFTER_S
    os.utime(old, (long_ago, long_ago))
    (folder.root / ".tmp-mine").write_bytes(b"no file of ours")
    assert folder.sweep() == 1
    assert ours.exists()
    assert other.exists()
    assert not old.exists()


def test_run_ids_come_in_the_order_of_temperature_and_replica(folder, small_run, run_path):
    for kelvin, replica in ((1000.0, 0), (300.0, 10), (300.0, 2)):
        folder.write_dataset(run_path(kelvin, replica), small_run(kelvin, replica))
    assert [run.rpartition("/")[2] for run in folder.run_ids()] == ["T300K_r2", "T300K_r10", "T1000K_r0"]
