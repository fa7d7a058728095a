"""Labels that are known already: those of a run's file that is about to be replaced, found by the frame's positions.

A run is computed again when its identity changes, and many of its frames are often bitwise those that it had: with another
recording or label interval, another length, or another criterion's guards. What the reference said about them is
taken over from the old file, sealed as it is, if it was the same reference on the same atoms (`label_key`). A reference
that remembers earlier calls is asked again: its answer depends on more than the frame.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from mdprotocol.contracts import Model, Structure
from mdprotocol.plan.identity import hashed, model_facts, structure_facts
from mdprotocol.store import ResultsFolder

LABELLED_BY = "labelled_by"
"""Attribute of a run's file: the key of its labels."""
NEEDED = ("position", "sample_frame", "reference_energy", "reference_force")
OF_THE_ATOMS = ("numbers", "cell_A", "pbc", "charge")


class KnownLabels:
    """Labels of one file by position; none where it is not to be trusted, or has been made by another reference."""

    def __init__(self, file: netCDF4.Dataset | None = None) -> None:
        self._places: dict[bytes, int] = {}
        if file is not None:
            positions, frames, self._energies, self._forces = (file.variables[name] for name in NEEDED)
            for place, frame in enumerate(np.asarray(frames[:])):
                self._places[_digest(np.asarray(positions[int(frame)]))] = place

    def at(self, positions: np.ndarray) -> tuple[float, np.ndarray] | None:
        """Energy and forces that the reference gave at bitwise these positions (n, 3)."""
        place = self._places.get(_digest(positions)) if self._places else None
        if place is None:
            return None
        energy, forces = float(self._energies[place]), np.array(self._forces[place], dtype=np.float64)
        sound = forces.shape == positions.shape and np.isfinite(energy) and np.isfinite(forces).all()
        return (energy, forces) if sound else None


@contextmanager
def known_labels(folder: ResultsFolder, path: str, key: str) -> Iterator[KnownLabels]:
    """The labels of a run's file, open as long as they are asked for; an empty `key` has none."""
    file = _opened(folder, path, key)
    try:
        yield _read(file)
    finally:
        if file is not None:
            file.close()


def label_key(reference: Model, base: Path, structure: Structure) -> str:
    """What determines a label but for the positions: the reference with its version, and the atoms.

    Empty where the reference's files cannot be read any more: its labels are then nobody's to take.
    """
    atoms = structure_facts(structure)
    try:
        return hashed([model_facts(reference, base), {name: atoms[name] for name in OF_THE_ATOMS}])
    except OSError:
        return ""


def _opened(folder: ResultsFolder, path: str, key: str) -> netCDF4.Dataset | None:
    attributes: dict[str, Any] = (folder.attributes(path) if key else None) or {}  # asks for the seal
    if not key or attributes.get(LABELLED_BY) != key:
        return None
    try:
        file = netCDF4.Dataset(folder.path(path), "r")
    except OSError:
        return None
    file.set_auto_mask(False)
    return file


def _read(file: netCDF4.Dataset | None) -> KnownLabels:
    try:
        return KnownLabels(file)
    except (KeyError, IndexError, ValueError, RuntimeError, OSError):  # it lacks a variable: then nothing is known
        return KnownLabels()


def _digest(positions: np.ndarray) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(positions, dtype=np.float64).tobytes()).digest()
