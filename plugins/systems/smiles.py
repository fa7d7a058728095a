"""Molecules from SMILES, embedded by RDKit (an extra)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from ase import Atoms
from pydantic import Field

from mdprotocol.api import Structure, StructureError
from mdprotocol_plugins.systems._shared import SourceWithCell, finish

MAX_HEAVY_ATOMS = 500


class Smiles(SourceWithCell):
    """A molecule from a SMILES string: hydrogens added, embedded by ETKDG (seeded), relaxed with MMFF94 (else UFF)."""

    type: Literal["smiles"] = "smiles"
    smiles: Annotated[str, Field(min_length=1, max_length=2000)]
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Seed of the embedding: another seed can give another conformer."""
    max_iterations: Annotated[int, Field(ge=0, le=100_000)] = 2000
    """Of the relaxation."""

    def build(self, name: str, base: Path) -> Structure:
        chem = _rdkit()
        molecule = self._embedded(chem)
        field = self._relax(chem, molecule)
        atoms = Atoms(
            numbers=[atom.GetAtomicNum() for atom in molecule.GetAtoms()],
            positions=molecule.GetConformer().GetPositions(),
        )
        provenance = {
            "source": f"SMILES {self.smiles}",
            "method": f"RDKit ETKDG, seed {self.seed}, {field}",
            "rdkit": str(chem.rdBase.rdkitVersion),
        }
        return finish(name, atoms, self, provenance, int(chem.GetFormalCharge(molecule)))

    def _embedded(self, chem: Any) -> Any:
        with chem.rdBase.BlockLogs():
            parsed = chem.MolFromSmiles(self.smiles)
            if parsed is None:
                raise StructureError(f"'{self.smiles}' is not a valid SMILES string")
            if parsed.GetNumAtoms() > MAX_HEAVY_ATOMS:
                raise StructureError(f"a SMILES string of more than {MAX_HEAVY_ATOMS} heavy atoms is refused")
            molecule = chem.AddHs(parsed)
            if molecule.GetNumAtoms() and chem.AllChem.EmbedMolecule(molecule, randomSeed=self.seed) != 0:
                options = chem.AllChem.ETKDGv3()
                options.randomSeed, options.useRandomCoords = self.seed, True
                if chem.AllChem.EmbedMolecule(molecule, options) != 0:
                    raise StructureError(f"RDKit finds no geometry for '{self.smiles}'; give a file instead")
        return molecule

    def _relax(self, chem: Any, molecule: Any) -> str:
        if self.max_iterations == 0:
            return "not relaxed"
        with chem.rdBase.BlockLogs():
            if chem.AllChem.MMFFHasAllMoleculeParams(molecule):
                chem.AllChem.MMFFOptimizeMolecule(molecule, maxIters=self.max_iterations)
                return "MMFF94"
            if chem.AllChem.UFFHasAllMoleculeParams(molecule):
                chem.AllChem.UFFOptimizeMolecule(molecule, maxIters=self.max_iterations)
                return "UFF"
        return "not relaxed: no parameters in MMFF94 and UFF"


def _rdkit() -> Any:
    try:
        from rdkit import Chem, rdBase
        from rdkit.Chem import AllChem
    except ImportError as error:
        raise StructureError("systems of type 'smiles' need RDKit: pip install 'mdprotocol[smiles]'") from error
    Chem.AllChem, Chem.rdBase = AllChem, rdBase
    return Chem
