"""SMILES through RDKit: hydrogens, charges, seeds; and a clear word where RDKit is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from mdprotocol.api import StructureError
from mdprotocol_plugins.systems.smiles import Smiles

BASE = Path()


def test_missing_rdkit_names_the_extra(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "rdkit", None)
    with pytest.raises(StructureError, match=r"pip install 'mdprotocol\[smiles\]'"):
        Smiles(smiles="C").build("x", BASE)


def test_molecules_have_their_hydrogens_and_sensible_bonds() -> None:
    pytest.importorskip("rdkit")
    built = Smiles(smiles="C[C@H](N)C(=O)O").build("alanine", BASE)
    assert sorted(built.numbers.tolist()) == [1] * 7 + [6] * 3 + [7] + [8] * 2
    distances = np.linalg.norm(built.positions[:, None] - built.positions[None], axis=2) + 9 * np.eye(13)
    assert 0.9 < distances.min() < 1.1
    assert "MMFF94" in built.provenance["method"]
    assert built.charge == 0


def test_seed_decides_the_geometry() -> None:
    pytest.importorskip("rdkit")
    one, same, other = (Smiles(smiles="CCCCO", seed=s).build("x", BASE).positions for s in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.allclose(one, other)


@pytest.mark.parametrize(("smiles", "charge"), [("[NH4+]", 1), ("CC(=O)[O-]", -1), ("C[NH2+]CC(=O)[O-]", 0)])
def test_formal_charge(smiles: str, charge: int) -> None:
    pytest.importorskip("rdkit")
    assert Smiles(smiles=smiles).build("x", BASE).charge == charge


def test_elements_without_mmff_parameters_fall_back() -> None:
    pytest.importorskip("rdkit")
    assert "UFF" in Smiles(smiles="C[Si](C)(C)B").build("x", BASE).provenance["method"]


@pytest.mark.parametrize("smiles", ["C[C", "not a molecule", "C(", "C" * 600])
def test_what_is_refused(smiles: str) -> None:
    pytest.importorskip("rdkit")
    with pytest.raises(StructureError, match="SMILES"):
        Smiles(smiles=smiles).build("x", BASE)
