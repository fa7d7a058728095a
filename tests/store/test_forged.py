"""Files with a sound seal and content that no run of ours has: each ends in our own error, or counts as not there.

A seal says that a file is as it was written, not by whom.
"""

from __future__ import annotations

import contextlib
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import pytest
import xarray as xr

from mdprotocol.errors import StoreError
from mdprotocol.store import ResultsFolder, open_results
from mdprotocol.store.seal import seal

HUGE = 2**40


def forge(path: Path, change: Callable[[netCDF4.Dataset], object]) -> None:
    """Change a file of ours and seal it again."""
    with netCDF4.Dataset(path, "a") as file:
        change(file)
    seal(path)


def a_huge_variable(file: netCDF4.Dataset) -> None:
    file.createDimension("huge", HUGE)
    file.createVariable("velocity", "f8", ("huge",), chunksizes=(1024,))


def a_huge_dim(file: netCDF4.Dataset) -> None:
    file.createDimension("sample_", HUGE)


def compressed_zeros(file: netCDF4.Dataset) -> None:
    file.createDimension("many", 10_000_000)
    file.createVariable("velocity", "f8", ("many",), zlib=True)[...] = 0.0


def many_virtual_frames(file: netCDF4.Dataset) -> None:
    file.renameDimension("frame", "old")
    file.createDimension("frame", HUGE)


@pytest.mark.parametrize("change", [a_huge_variable, a_huge_dim, compressed_zeros, many_virtual_frames])
def test_what_is_larger_than_its_file_is_refused_before_it_is_read(tmp_path: Path, small_run, run_path, change) -> None:
    folder = ResultsFolder(tmp_path)
    folder.write_dataset(run_path(), small_run())
    forge(folder.path(run_path()), change)
    tracemalloc.start()
    try:
        with pytest.raises(StoreError, match="larger than the file"):
            folder.open(run_path())
        with pytest.raises(StoreError):
            folder.load(run_path())
        assert folder.attributes(run_path()) is None
        assert folder.identity(run_path()) is None
        with pytest.raises(StoreError, match="has no run of"):
            open_results(tmp_path).dataset("m", "water", "nve")
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


def no_variables(file: netCDF4.Dataset) -> None:
    for name in list(file.variables):
        file.renameVariable(name, f"{name}_gone")


def texts_for_numbers(file: netCDF4.Dataset) -> None:
    file.renameVariable("position", "gone")
    file.createVariable("position", str, ("frame", "atom", "xyz"))


def compound_type(file: netCDF4.Dataset) -> None:
    made = file.createCompoundType(np.dtype([("a", "f8"), ("b", "i4")]), "pair")
    file.renameVariable("position", "gone")
    file.createVariable("position", made, ("frame",))


def ragged_type(file: netCDF4.Dataset) -> None:
    file.renameVariable("position", "gone")
    file.createVariable("position", file.createVLType(np.float64, "ragged"), ("frame",))


def enum_type(file: netCDF4.Dataset) -> None:
    file.renameVariable("position", "gone")
    file.createVariable("position", file.createEnumType(np.int8, "kind", {"a": 0}), ("frame",), fill_value=0)


def a_group(file: netCDF4.Dataset) -> None:
    file.createGroup("more")


def other_attributes(file: netCDF4.Dataset) -> None:
    file.setncatts({"temperature_K": "hot", "replica": -5, "outcome": 7, "seed": "no"})


def far_replica(file: netCDF4.Dataset) -> None:
    file.setncatts({"replica": 10**9})


def packed(file: netCDF4.Dataset) -> None:
    file["position"].setncatts({"scale_factor": "large", "add_offset": "far"})


def strange_calendar(file: netCDF4.Dataset) -> None:
    file["time"].setncatts({"units": "days since the beginning", "calendar": "maya"})


def no_frames(file: netCDF4.Dataset) -> None:
    file.renameDimension("frame", "moment")


CONTENT = [
    no_variables, texts_for_numbers, compound_type, ragged_type, enum_type, a_group, other_attributes, far_replica, packed,
    strange_calendar, no_frames,
]  # fmt: skip


class NoPosition(Exception):
    """A variable that is not there is for the caller to notice."""


def position(dataset: xr.Dataset) -> np.ndarray:
    if "position" not in dataset:
        raise NoPosition
    return np.asarray(dataset["position"].values)


@pytest.mark.parametrize("change", CONTENT)
@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside a sound run"])
def test_content_that_no_run_has_ends_in_our_own_error(
    tmp_path: Path, small_run, run_path, change, beside: bool
) -> None:
    folder = ResultsFolder(tmp_path)
    folder.write_dataset(run_path(), small_run())
    if beside:
        folder.write_dataset(run_path(300.0, 1), small_run(300.0, 1))
    forge(folder.path(run_path()), change)
    results = open_results(tmp_path)
    for look in (
        lambda: results.runs,
        lambda: folder.load(run_path()),
        lambda: results.dataset("m", "water", "nve").load(),
        lambda: position(results.dataset("m", "water", "nve")),
    ):
        with contextlib.suppress(StoreError, NoPosition):
            look()


def linked(file: h5py.File, secret: Path) -> None:
    file["position"] = h5py.ExternalLink(secret.with_suffix(".h5"), "/x")


def soft_linked(file: h5py.File, secret: Path) -> None:
    file["position"] = h5py.SoftLink("/time")


def raw(file: h5py.File, secret: Path) -> None:
    file.create_dataset("position", (4, 3, 3), "u1", external=[(str(secret), 0, 36)])


def virtual(file: h5py.File, secret: Path) -> None:
    layout = h5py.VirtualLayout(shape=(4, 3, 3), dtype="f8")
    layout[:] = h5py.VirtualSource(secret.with_suffix(".h5"), "x", shape=(4, 3, 3))
    file.create_virtual_dataset("position", layout)


def linked_in_a_group(file: h5py.File, secret: Path) -> None:
    file.create_group("more")["position"] = h5py.ExternalLink(secret.with_suffix(".h5"), "/x")


@pytest.mark.parametrize("refer", [linked, soft_linked, raw, virtual, linked_in_a_group])
def test_content_of_other_files_is_never_read(tmp_path: Path, small_run, run_path, refer) -> None:
    """To a reader of NetCDF these are variables like any other."""
    secret = tmp_path / "secret.txt"
    secret.write_text(36 * "s")
    with h5py.File(secret.with_suffix(".h5"), "w") as other:
        other["x"] = np.full((4, 3, 3), 7.0)
    folder = ResultsFolder(tmp_path / "results")
    folder.write_dataset(run_path(), small_run())
    path = folder.path(run_path())
    with h5py.File(path, "a") as file:
        del file["position"]
        refer(file, secret)
    seal(path)
    with netCDF4.Dataset(path) as file:
        assert "position" in file.variables or "more" in file.groups
    with pytest.raises(StoreError, match=r"elsewhere|in another file|is a group"):
        folder.load(run_path())
    assert folder.attributes(run_path()) is None
    with pytest.raises(StoreError, match="has no run of"):
        open_results(folder.root).dataset("m", "water", "nve")


def test_runs_of_other_sizes_are_not_multiplied(tmp_path: Path, small_run, run_path) -> None:
    """Many atoms in one, many frames in the other: the view over both would need the product."""
    folder = ResultsFolder(tmp_path)
    folder.write_dataset(run_path(), small_run(frames=3000))
    wide = small_run(300.0, 1)
    folder.write_dataset(run_path(300.0, 1), xr.concat([wide] * 1500, dim="atom", data_vars="minimal"))
    with pytest.raises(StoreError, match=r"do not fit together: .* other dims"):
        open_results(tmp_path).dataset("m", "water", "nve")
