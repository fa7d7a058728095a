"""The molecules of ASE's database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import ase
from ase import Atoms
from pydantic import Field

from mdprotocol.api import Structure, StructureError
from mdprotocol_plugins.systems._shared import SourceWithCell, finish, nearest


class Molecule(SourceWithCell):
    """A molecule of `ase.build.molecule` by name, such as CH3CH2OH (the G2 set: MP2(full)/6-31G(d) geometries)."""

    type: Literal["molecule"] = "molecule"
    name: Annotated[str, Field(min_length=1, max_length=64)]

    def build(self, name: str, base: Path) -> Structure:
        provenance = {"source": f"ase.build.molecule {self.name}", "ase": ase.__version__}
        return finish(name, self._atoms(), self, provenance)

    def _atoms(self) -> Atoms:
        from ase.build import (
            molecule,
        )  # what reads or builds structures takes half a second to import: where it is used
        from ase.collections import g2

        try:
            return molecule(self.name)
        except (KeyError, NotImplementedError) as error:
            raise StructureError(
                f"ase.build.molecule has no '{self.name}'{nearest(self.name, g2.names)}"
                " (formulas such as CH4, CH3CH2OH, C6H6; 162 in all)"
            ) from error
