"""Links in a results folder by a stranger: nothing outside of it is written, emptied, swept or removed."""

from __future__ import annotations

from pathlib import Path

import pytest

from mdprotocol.errors import StoreError
from mdprotocol.store import ResultsFolder
from mdprotocol.store.atomic import _temporary_name
from mdprotocol.store.work import Work, unfinished


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder of somebody with a file, and one that looks like a dead writer's."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "precious").write_text("a year of work")
    (folder / ".tmp-0123abcd-1-ffff-a.nc").write_text("mine")
    (folder / "batch.json").write_text("{}")
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> ResultsFolder:
    (tmp_path / "results").mkdir()
    return ResultsFolder(tmp_path / "results")


def content(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("name", ["runs", "probes", "work", "figures"])
def test_sweeping_stays_inside(folder: ResultsFolder, outside: Path, name: str) -> None:
    before = content(outside)
    (folder.root / name).symlink_to(outside)
    folder.sweep()
    assert content(outside) == before


def test_a_temporary_name_that_is_a_link_loses_the_link_only(folder: ResultsFolder, outside: Path) -> None:
    (folder.root / "runs").mkdir()
    link = folder.root / "runs" / _temporary_name("a.nc")
    link.symlink_to(outside / "precious")
    assert folder.sweep() == 1
    assert not link.is_symlink()
    assert (outside / "precious").read_text() == "a year of work"


def test_a_lock_that_is_a_link_empties_nothing(folder: ResultsFolder, outside: Path) -> None:
    (folder.root / ".lock").symlink_to(outside / "precious")
    with pytest.raises(StoreError, match="cannot write into"), folder.locked():
        pass
    assert (outside / "precious").read_text() == "a year of work"


def test_a_file_that_is_a_link_is_neither_written_nor_read(folder: ResultsFolder, outside: Path) -> None:
    (folder.root / "verdict.md").symlink_to(outside / "precious")
    for use in (lambda: folder.write_bytes("verdict.md", b"x"), lambda: folder.read_json("verdict.md")):
        with pytest.raises(StoreError, match="leads out"):
            use()
    assert (outside / "precious").read_text() == "a year of work"


def test_a_work_folder_that_is_a_link_is_not_resumed_nor_removed(folder: ResultsFolder, outside: Path) -> None:
    before = content(outside)
    (folder.root / "work").mkdir()
    (folder.root / "work" / "k").symlink_to(outside)
    with pytest.raises(StoreError, match="leads out"):
        list(unfinished(folder))
    with pytest.raises(StoreError, match="leads out"):
        Work(folder, "k")
    assert content(outside) == before
