"""The results folder on disk. Every path is relative to its root and never leaves it; every write is atomic."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from typing import Any

import xarray as xr

from mdprotocol.errors import StoreError
from mdprotocol.store import netcdf
from mdprotocol.store.atomic import PREFIX, is_stale, write_atomically, write_parts
from mdprotocol.store.lock import locked
from mdprotocol.store.seal import seal

RUNS, PROBES, WORK = "runs", "probes", "work"
LOCKED = (RUNS, PROBES, WORK)
"""Where only a run writes."""
PROBLEM = ".error.json"


class _Refused(Exception):
    """A file of another folder is not the one that is wanted."""


class ResultsFolder:
    """A results folder; it is created by the first write."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    def path(self, relative: str) -> Path:
        """Absolute path of a file in the folder.

        Raises:
            StoreError: the path is absolute, climbs out with `..`, or leads out through a symbolic link.
        """
        pure = PurePosixPath(relative)
        unsafe = not pure.parts or pure.is_absolute() or ".." in pure.parts
        if unsafe or any(character in relative for character in "\\\0") or ":" in pure.parts[0]:
            raise StoreError(f"'{relative}' is not a path inside the results folder")
        path = self.root.joinpath(*pure.parts)
        root = self.root.resolve()
        if not path.resolve().is_relative_to(root):
            raise StoreError(f"'{relative}' leads out of the results folder {self.root}")
        return path

    # ------------------------------------------------------------------------------------------------------ write

    def write_dataset(self, relative: str, dataset: xr.Dataset) -> None:
        """Write a dataset as NetCDF-4; an open lazy dataset of the same file keeps the old content."""
        self._write_sealed(relative, lambda path: netcdf.write(path, dataset))

    def write_growing(self, relative: str, fixed: xr.Dataset, parts: Iterable[netcdf.Growing]) -> None:
        """Write a run's dataset that is too long for memory, a slab at a time."""
        self._write_sealed(relative, lambda path: netcdf.write_growing(path, fixed, parts))

    def write_bytes(self, relative: str, data: bytes) -> None:
        """Write a file."""
        self._write(relative, lambda path: write_parts(path, [data]))

    def write_json(self, relative: str, obj: Any) -> None:
        """Write plain data as JSON (UTF-8, NaN refused: no other reader knows it)."""
        try:
            text = json.dumps(obj, indent=2, ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise StoreError(f"{relative} cannot be written as JSON: {error}") from error
        self.write_bytes(relative, (text + "\n").encode("utf-8"))

    def take_over(self, relative: str, other: ResultsFolder, wanted: Callable[[Mapping[str, Any]], bool]) -> bool:
        """Copy the sealed file of this path from another folder, bit by bit; whether that was done.

        It is the copy that is examined, so that nothing can change between the look and the taking.

        Args:
            wanted: whether a file with these attributes is the one.
        """

        def copy(path: Path) -> None:
            try:
                shutil.copyfile(source, path)
            except FileNotFoundError:
                raise _Refused from None
            if not wanted(netcdf.attributes(path) or {}):
                raise _Refused

        try:
            source = other.path(relative)
            self._write(relative, copy)
        except _Refused:
            return False
        return True

    def _write_sealed(self, relative: str, write: Callable[[Path], None]) -> None:
        def write_and_seal(path: Path) -> None:
            write(path)
            seal(path)

        self._write(relative, write_and_seal)

    def _write(self, relative: str, write: Callable[[Path], None]) -> None:
        try:
            write_atomically(self.path(relative), write)
        except OSError as error:
            raise StoreError(f"cannot write {self.root / relative}: {error.strerror or error}") from error

    def locked(self) -> AbstractContextManager[None]:
        """Be the only one who runs into this folder; see `mdprotocol.store.lock`."""
        return locked(self.root)

    def remove(self, names: Iterable[str]) -> None:
        """Delete files and folders of these names, in this order, where they are there.

        Raises:
            StoreError: one cannot be deleted, or leads out of the folder.
        """
        for name in names:
            path = self.path(name)
            try:
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
            except OSError as error:
                raise StoreError(f"cannot delete {path}: {error.strerror or error}") from error

    def sweep(self) -> int:
        """Delete temporary files that dead writers left behind; the number of them.

        Where only a run writes, and so only who holds the lock, every temporary file is one, whatever its number says:
        a new process may have that of a dead one.
        """
        found = self.root.rglob(f"{PREFIX}*") if self.root.is_dir() else ()
        stale = [path for path in found if path.relative_to(self.root).parts[0] in LOCKED or is_stale(path)]
        for path in stale:
            path.unlink(missing_ok=True)
        return len(stale)

    # ------------------------------------------------------------------------------------------------------- read

    def exists(self, relative: str) -> bool:
        """Whether there is a file of this name (for run files ask `identity`)."""
        return self.path(relative).is_file()

    def read_json(self, relative: str) -> Any:
        """Read a JSON file."""
        try:
            text = self.path(relative).read_text(encoding="utf-8")
            found = json.loads(text)
            if "\\ud" in text.lower():  # half a character can be written so, and could not be written again
                json.dumps(found, ensure_ascii=False).encode("utf-8")
            return found
        except OSError as error:
            raise StoreError(f"cannot read {self.root / relative}: {error.strerror or error}") from error
        except (ValueError, RecursionError) as error:
            raise StoreError(f"{self.root / relative} is not JSON: {error}") from error

    def read_facts(self, relative: str) -> dict[str, Any]:
        """Read a JSON file that holds an object; empty where there is no such file."""
        found = self.read_json(relative) if self.exists(relative) else {}
        if not isinstance(found, dict):
            raise StoreError(f"{self.root / relative} is damaged: it holds no JSON object")
        return found

    def open(self, relative: str) -> xr.Dataset:
        """Open a NetCDF file lazily; close it, or use it as a context manager."""
        return netcdf.read(self.path(relative))

    def load(self, relative: str) -> xr.Dataset:
        """Read all of a NetCDF file."""
        return netcdf.load(self.path(relative))

    def attributes(self, relative: str) -> dict[str, Any] | None:
        """Attributes of a finished file; None where it is absent, unreadable or carries no identity."""
        found = netcdf.attributes(self.path(relative))
        return found if found is not None and found.get(netcdf.IDENTITY) else None

    def identity(self, relative: str) -> str | None:
        """SHA-256 of what determined a finished file; None where it is absent or cannot be trusted."""
        found = self.attributes(relative)
        return str(found[netcdf.IDENTITY]) if found else None

    # --------------------------------------------------------------------------------------------------- problems

    def write_problem(self, item: str, identity: str, text: str) -> None:
        """Keep why a run or probe has no file; where not even that can be written, nobody is the worse for it."""
        with contextlib.suppress(StoreError):
            self.write_json(item + PROBLEM, {netcdf.IDENTITY: identity, "problem": text})

    def problem(self, item: str, identity: str = "") -> str:
        """Why a run or probe has no file, as far as that is known (for this identity, where it is given)."""
        try:
            found = self.read_json(item + PROBLEM)
            return str(found["problem"]) if identity in ("", found[netcdf.IDENTITY]) else ""
        except (StoreError, KeyError, TypeError):
            return ""

    def forget_problem(self, item: str) -> None:
        """It is tried again."""
        with contextlib.suppress(OSError):
            self.path(item + PROBLEM).unlink(missing_ok=True)

    def run_ids(self) -> list[str]:
        """Ids of all readable runs, sorted by model, system, simulation, temperature and replica."""
        return [run for run, _ in self.runs()]

    def runs(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Id and attributes of every readable run, in the order of `run_ids`."""
        files = (self.root / RUNS).rglob("*.nc") if (self.root / RUNS).is_dir() else ()
        ids = (path.relative_to(self.root).with_suffix("").as_posix() for path in files if path.name[0] != ".")
        found = [(run, attrs) for run in ids if (attrs := self.attributes(run + ".nc")) is not None]
        return iter(sorted(found, key=_order))


def _order(item: tuple[str, dict[str, Any]]) -> tuple[str, float, int, str]:
    run, attrs = item
    try:
        return run.rpartition("/")[0], float(attrs.get("temperature_K", 0)), int(attrs.get("replica", 0)), run
    except (TypeError, ValueError, OverflowError):  # no number: by its name alone
        return run.rpartition("/")[0], 0.0, 0, run
