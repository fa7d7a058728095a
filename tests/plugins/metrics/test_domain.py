"""Of which structures a metric's quantities say something."""

from __future__ import annotations

from pathlib import Path

import pytest

from mdprotocol.api import Structure
from mdprotocol.registry import build_registry
from mdprotocol_plugins.systems import Builtin, Bulk, Molecule


def structure(name: str) -> Structure:
    sources = {
        "water": Builtin(type="builtin", name="water"),
        "alanine": Builtin(type="builtin", name="alanine"),
        "Ar": Bulk(type="bulk", name="Ar", cubic=True),
        "Cu": Bulk(type="bulk", name="Cu", cubic=True),
        "HCl": Molecule(type="molecule", name="HCl"),
    }
    return sources[name].build(name, Path())


@pytest.mark.parametrize(
    ("metric", "quantity", "applies"),
    [
        ("frequencies", "worst", {"water", "alanine", "HCl"}),
        ("momentum", "angular", {"water", "alanine", "HCl"}),
        ("momentum", "linear", {"water", "alanine", "HCl", "Ar", "Cu"}),
        ("equipartition", "rotation", {"water", "alanine", "HCl"}),
        ("equipartition", "coldest_atom", {"water", "alanine", "HCl", "Ar", "Cu"}),
        ("bond_lengths", "mean", {"water", "alanine", "HCl", "Cu"}),
        ("angles", "mean", {"water", "alanine", "Cu"}),
        ("dihedrals", "mean", {"alanine", "Cu"}),
        ("usable_timestep", "largest_fs", {"water", "alanine", "HCl", "Cu"}),
        ("symmetry", "rotation_force", {"water", "alanine", "HCl", "Ar", "Cu"}),
    ],
)
def test_a_quantity_applies_where_there_is_something_to_ask(metric: str, quantity: str, applies: set[str]) -> None:
    component = build_registry().entries["metrics"][metric].component(type=metric)
    names = ("water", "alanine", "HCl", "Ar", "Cu")
    reasons = {name: component.inapplicable(quantity, structure(name)) for name in names}
    assert {name for name, why in reasons.items() if not why} == applies
    assert all(name in why for name, why in reasons.items() if why)
