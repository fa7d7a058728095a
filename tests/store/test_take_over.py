"""A file of another results folder: taken bit by bit where it is whole and wanted, and else nothing has changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import xarray as xr

from mdprotocol.errors import StoreError
from mdprotocol.store import ResultsFolder

RUN = "runs/a.nc"


@pytest.fixture
def folders(tmp_path: Path, small_run: Callable[..., xr.Dataset]) -> tuple[ResultsFolder, ResultsFolder]:
    """Two folders with other bytes in the same place."""
    ours, theirs = ResultsFolder(tmp_path / "ours"), ResultsFolder(tmp_path / "theirs")
    ours.write_dataset(RUN, small_run(100.0))
    theirs.write_dataset(RUN, small_run(300.0))
    return ours, theirs


def content(folder: ResultsFolder) -> bytes:
    return folder.path(RUN).read_bytes()


def test_a_whole_file_that_is_wanted_is_copied_bit_by_bit(folders: tuple[ResultsFolder, ResultsFolder]) -> None:
    ours, theirs = folders
    seen: list[object] = []
    assert ours.take_over(RUN, theirs, lambda attrs: seen.append(attrs["temperature_K"]) or True)
    assert seen == [300.0]
    assert content(ours) == content(theirs)
    assert ours.identity(RUN) == theirs.identity(RUN)


@pytest.mark.parametrize("why", ["not wanted", "damaged", "not there"])
def test_what_is_refused_changes_nothing(folders: tuple[ResultsFolder, ResultsFolder], why: str) -> None:
    ours, theirs = folders
    before, path = content(ours), theirs.path(RUN)
    if why == "damaged":
        data = bytearray(content(theirs))
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    if why == "not there":
        path.unlink()
    assert not ours.take_over(RUN, theirs, lambda attrs: why != "not wanted" and "identity" in attrs)
    assert content(ours) == before
    assert [file.name for file in ours.root.rglob("*") if file.is_file()] == ["a.nc"]


def test_a_link_out_of_the_other_folder_is_not_followed(
    folders: tuple[ResultsFolder, ResultsFolder], tmp_path: Path
) -> None:
    ours, theirs = folders
    before = content(ours)
    theirs.path(RUN).rename(tmp_path / "elsewhere.nc")
    (theirs.root / RUN).symlink_to(tmp_path / "elsewhere.nc")
    with pytest.raises(StoreError, match="leads out"):
        ours.take_over(RUN, theirs, lambda attrs: True)
    assert content(ours) == before
