"""A structure from a plugin is looked at before anything is built on it."""

import dataclasses

import numpy as np
import pytest

from mdprotocol.errors import StructureError
from mdprotocol.plan.structures import sound_structure
from mdprotocol.testing.structures import molecule_structure

WATER = molecule_structure("H2O")


def test_a_structure_that_carries_all_there_is_passes() -> None:
    full = dataclasses.replace(
        WATER,
        multiplicity=3,
        magnetic_moments=np.array([1.0, 0.5, 0.5]),
        fixed=np.array([True, False, False]),
        velocities=np.full((3, 3), 0.02),
    )
    assert sound_structure(full) is full


@pytest.mark.parametrize(
    ("part", "value", "reason"),
    [
        ("velocities", np.zeros((3, 2)), r"`velocities` that is not an array of numbers of shape \(3, 3\)"),
        ("velocities", np.full((3, 3), np.nan), "`velocities` with values that are not finite"),
        ("velocities", np.full((3, 3), 40.0), "`velocities` beyond 10 Å/fs; are they in Å/fs?"),
        ("magnetic_moments", np.zeros((3, 3)), r"`magnetic_moments` that is not an array of numbers of shape \(3,\)"),
        ("magnetic_moments", [1.0, 0.0, 0.0], "`magnetic_moments` that is not an array"),
        ("fixed", np.zeros(3), r"`fixed` that is not an array of booleans of shape \(3,\)"),
        ("multiplicity", 2, "its multiplicity is 2, which 10 electrons cannot have"),
        ("multiplicity", 0, "expected 2S"),
        ("multiplicity", 1.0, "expected 2S"),
        ("multiplicity", 13, "10 electrons allow 11 at most"),
    ],
)
def test_what_is_wrong_is_said(part: str, value: object, reason: str) -> None:
    with pytest.raises(StructureError, match=reason.replace("?", r"\?")):
        sound_structure(dataclasses.replace(WATER, **{part: value}))  # type: ignore[arg-type]


def test_what_is_not_a_structure_is_said() -> None:
    with pytest.raises(StructureError, match="its plugin built dict; expected a Structure"):
        sound_structure({})
