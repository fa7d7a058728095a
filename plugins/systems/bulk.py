"""Crystals of elements and simple compounds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import ase
from pydantic import Field

from mdprotocol.api import Structure, StructureError
from mdprotocol_plugins.systems._shared import Length, Source, finish

Lattice = Literal[
    "sc", "fcc", "bcc", "tetragonal", "bct", "hcp", "rhombohedral", "orthorhombic", "mcl", "diamond", "zincblende",
    "rocksalt", "cesiumchloride", "fluorite", "wurtzite",
]  # fmt: skip


class Bulk(Source):
    """A crystal of `ase.build.bulk`: an element, or a compound with its crystal structure and lattice constant."""

    type: Literal["bulk"] = "bulk"
    name: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z0-9]{0,15}$")]
    """Element or compound: Cu, NaCl."""
    structure: Lattice | None = None
    """Crystal structure; the element's own at room temperature where absent."""
    a_A: Length | None = None
    """Lattice constant a, Å; the element's own where absent."""
    b_A: Length | None = None
    c_A: Length | None = None
    cubic: bool = False
    """The conventional cubic cell instead of the primitive one."""
    orthorhombic: bool = False

    def build(self, name: str, base: Path) -> Structure:
        from ase.build import bulk

        try:
            atoms = bulk(
                self.name,
                crystalstructure=self.structure,
                a=self.a_A,
                b=self.b_A,
                c=self.c_A,
                cubic=self.cubic,
                orthorhombic=self.orthorhombic,
            )
        except (ValueError, KeyError, RuntimeError, NotImplementedError, TypeError) as error:
            # TypeError: ASE multiplies a lattice constant that it does not know.
            raise StructureError(f"ase.build.bulk cannot build '{self.name}': {error}") from error
        return finish(name, atoms, self, {"source": f"ase.build.bulk {self.name}", "ase": ase.__version__})
