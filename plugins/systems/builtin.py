"""The molecules that come with the program: relaxed geometries with their provenance."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal, cast

from ase import Atoms

from mdprotocol.api import Structure, StructureError
from mdprotocol_plugins.systems._shared import SourceWithCell, finish

FOLDER = Path(__file__).parent / "geometries"


class Builtin(SourceWithCell):
    """A molecule that comes with the program, relaxed with GFN2-xTB: water, methane or alanine."""

    type: Literal["builtin"] = "builtin"
    name: Literal["water", "methane", "alanine"]

    def build(self, name: str, base: Path) -> Structure:
        from ase.io import read

        file = FOLDER / f"{self.name}.xyz"
        try:
            data = file.read_bytes()
            atoms = cast(Atoms, read(file, index=0, format="extxyz"))
        except OSError as error:
            raise StructureError(f"the geometry of '{self.name}' is missing from the installation: {error}") from error
        facts = {key: str(value) for key, value in atoms.info.items()}
        source = {"source": f"builtin {self.name}", "sha256": hashlib.sha256(data).hexdigest()}
        return finish(name, atoms, self, source | facts)
