"""Molecules and periodic structures, batches of them, and what builds them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mdprotocol.contracts.base import Component

PER_ATOM = ("numbers", "positions", "masses", "magnetic_moments", "fixed", "velocities")


@dataclass(frozen=True)
class Structure:
    """A molecule or a periodic structure, before any dynamics.

    Attributes:
        name: name in the protocol.
        numbers: (n,) atomic numbers, int64.
        positions: (n, 3) Å, float64.
        masses: (n,) amu, float64.
        cell: (3, 3) Å, rows are cell vectors; zeros when open.
        pbc: (3,) bool.
        charge: total charge, e.
        provenance: where the geometry comes from (method, file, hash).
        multiplicity: 2S + 1 of the electrons; whatever a model takes for granted where None.
        magnetic_moments: (n,) initial moments, Bohr magnetons; None where nothing is said of them.
        fixed: (n,) bool, atoms that are to stay where they are; None where none is.
        velocities: (n, 3) Å/fs that the source gives; None where it gives none.
    """

    name: str
    numbers: np.ndarray
    positions: np.ndarray
    masses: np.ndarray
    cell: np.ndarray
    pbc: np.ndarray
    charge: int = 0
    provenance: Mapping[str, str] = field(default_factory=dict)
    multiplicity: int | None = None
    magnetic_moments: np.ndarray | None = None
    fixed: np.ndarray | None = None
    velocities: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def periodic(self) -> bool:
        return bool(np.any(self.pbc))

    def of_atoms(self, chosen: np.ndarray) -> Structure:
        """These atoms (m,), by index, in this order, with all that is said of each; an atom may come more than once."""
        given = {name: getattr(self, name) for name in PER_ATOM}
        return replace(self, **{name: values[chosen] for name, values in given.items() if values is not None})


@dataclass(frozen=True)
class Topology:
    """What stays the same while a batch moves: B copies of structures with N atoms in all, one after the other.

    Attributes:
        numbers: (N,) atomic numbers, int64.
        masses: (N,) amu.
        offsets: (B+1,) int64; the atoms of copy b are offsets[b]:offsets[b+1].
        cells: (B, 3, 3) Å at the start, rows are cell vectors; zeros when open. Evaluators are given those of each call.
        pbc: (B, 3) bool.
        charges: (B,) int64.
    """

    numbers: np.ndarray
    masses: np.ndarray
    offsets: np.ndarray
    cells: np.ndarray
    pbc: np.ndarray
    charges: np.ndarray

    @classmethod
    def of(cls, structures: Sequence[Structure]) -> Topology:
        """The batch made of these structures in this order."""
        counts = [len(s) for s in structures]
        return cls(
            numbers=np.concatenate([s.numbers for s in structures]).astype(np.int64),
            masses=np.concatenate([s.masses for s in structures]).astype(np.float64),
            offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            cells=np.stack([np.asarray(s.cell, dtype=np.float64) for s in structures]),
            pbc=np.stack([np.asarray(s.pbc, dtype=bool) for s in structures]),
            charges=np.array([s.charge for s in structures], dtype=np.int64),
        )

    @property
    def copies(self) -> int:
        return len(self.offsets) - 1

    @property
    def owner(self) -> np.ndarray:
        """(N,) index of the copy that each atom belongs to."""
        return np.repeat(np.arange(self.copies), np.diff(self.offsets))

    @property
    def periodic(self) -> bool:
        return bool(np.any(self.pbc))


class SystemSource(Component):
    """Base of systems: builds one structure."""

    @abstractmethod
    def build(self, name: str, base: Path) -> Structure:
        """Build the structure.

        Args:
            name: the system's name in the protocol.
            base: folder of the protocol, against which relative paths are read.

        Raises:
            StructureError: the structure cannot be built; the text says why.
        """

    def files(self, base: Path) -> tuple[Path, ...]:
        """Files that it is built from: options that name them are rewritten where a protocol moves to another folder."""
        return ()
