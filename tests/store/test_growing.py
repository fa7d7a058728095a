"""Datasets written a slab at a time are those that were written at once; a disk that fills up leaves nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from mdprotocol.errors import StoreError
from mdprotocol.store import ResultsFolder
from mdprotocol.store.netcdf import Growing


def slabs(run: xr.Dataset, dim: str, size: int):
    names = [name for name in run.variables if run[name].dims[:1] == (dim,)]
    for start in range(0, run.sizes[dim], size):
        yield start, {name: run[name].values[start : start + size] for name in names}


@pytest.mark.parametrize("size", [1, 2, 5])
def test_slab_by_slab_is_as_at_once(tmp_path: Path, small_run, size: int) -> None:
    folder, run = ResultsFolder(tmp_path), small_run()
    run["position"].values[0, 0, 0] = np.nan
    folder.write_dataset("a.nc", run)
    fixed = run.drop_vars([name for name in run.variables if {"frame", "sample"} & set(run[name].dims)])
    parts = [Growing(dim, run.sizes[dim], slabs(run, dim, size)) for dim in ("frame", "sample")]
    folder.write_growing("b.nc", fixed, parts)
    with folder.open("a.nc") as one, folder.open("b.nc") as other:
        xr.testing.assert_identical(one.load(), other.load())
        assert set(one.coords) == set(other.coords)


FULL = """
import resource, sys
import numpy as np, xarray as xr
from mdprotocol.store import ResultsFolder
from mdprotocol.store.netcdf import Growing
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))  # what a full disk is to a library in C
slabs = ((k, {"time": np.full(10_000, 1.0 + k)}) for k in range(0, 100_000, 10_000))
ResultsFolder(sys.argv[1]).write_growing("runs/a.nc", xr.Dataset(attrs={"identity": "ff"}), [Growing("frame", 100_000, slabs)])
"""


def test_a_disk_that_fills_up_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "StoreError: cannot write a.nc" in done.stderr
    assert list((tmp_path / "runs").iterdir()) == []


def test_an_error_of_the_source_of_slabs_leaves_what_was_there(tmp_path: Path, small_run) -> None:
    folder = ResultsFolder(tmp_path)
    folder.write_dataset("a.nc", small_run(identity="old"))

    def broken():
        yield 0, {"time": np.zeros(2)}
        raise OSError("a segment has gone")

    with pytest.raises(StoreError, match="a segment has gone"):
        folder.write_growing("a.nc", small_run().drop_dims(["frame", "sample"]), [Growing("frame", 4, broken())])
    assert folder.identity("a.nc") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.nc"]
