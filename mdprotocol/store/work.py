"""Work folders: what a batch has done so far, in segment files, until its runs are written.

    work/<key>/batch.json            which runs step together (frozen: a batch is never made anew after a crash)
    work/<key>/<series>-000000.seg   numbered segments of a series (`md`, `labels-0`, ...)

A series counts up to the first segment that is absent or damaged; what comes after is not used. The folder is removed
when all its runs are written, so there is one as long as there is something to continue.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mdprotocol.errors import StoreError
from mdprotocol.store.atomic import write_atomically, write_parts
from mdprotocol.store.folder import WORK, ResultsFolder
from mdprotocol.store.segment import Segment, decode, encode

HEADER = "batch.json"


class Work:
    """The work folder of one batch.

    Args:
        key: name of the folder, from what determines the batch.
    """

    def __init__(self, folder: ResultsFolder, key: str) -> None:
        self._folder, self.key = folder, key
        self.path = folder.path(f"{WORK}/{key}")

    def begin(self, facts: Mapping[str, Any]) -> None:
        """Make the folder; segments that were made under other facts (another version, say) are dropped."""
        header = f"{WORK}/{self.key}/{HEADER}"
        try:
            known = self._folder.read_json(header)
        except StoreError:
            known = None
        if known != facts:
            self.remove()
            self._folder.write_json(header, facts)

    def append(self, series: str, number: int, facts: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Write a segment; when this returns it is on disk.

        Raises:
            StoreError: it cannot be written (a full or vanished disk); nothing that was there has changed.
        """
        target = self._segment(series, number)
        if not self.path.is_dir():  # never begin a new one where a disk has gone away
            raise StoreError(f"{self.path} has vanished: the results folder was removed or its disk is gone")
        try:
            write_atomically(target, lambda path: write_parts(path, encode(facts, arrays)))
        except OSError as error:
            raise StoreError(f"cannot write {target}: {error.strerror or error}") from error

    def segments(self, series: str) -> Iterator[Segment]:
        """The segments of a series, from the first to the last that can be trusted."""
        number = 0
        while (found := decode(self._segment(series, number))) is not None:
            yield found
            number += 1

    def segment(self, series: str, number: int) -> Segment:
        """A segment that has been checked before.

        Raises:
            StoreError: it is not there any more.
        """
        found = decode(self._segment(series, number), check=False)
        if found is None:
            raise StoreError(f"{self._segment(series, number)} cannot be read any more")
        return found

    def remove(self) -> None:
        """Delete the folder, the header last: what is left of it after a crash is still known as a work folder."""
        with contextlib.suppress(OSError):
            for name in sorted(os.listdir(self.path)):
                if name != HEADER:
                    os.unlink(self.path / name)
            shutil.rmtree(self.path)

    def _segment(self, series: str, number: int) -> Path:
        return self.path / f"{series}-{number:06d}.seg"


def unfinished(folder: ResultsFolder) -> Iterator[tuple[Work, Mapping[str, Any]]]:
    """Every work folder with its facts (those of a folder without a readable header are empty)."""
    root = folder.path(WORK)
    for path in sorted(root.iterdir()) if root.is_dir() else ():
        try:
            facts = folder.read_json(f"{WORK}/{path.name}/{HEADER}")
        except StoreError:
            facts = {}
        yield Work(folder, path.name), facts
