"""Unknown elements are refused or matter in sound models; ignored, clipped and exchanged ones show."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from force_field_kit import (
    ETHANOL,
    WATER,
    Atomistic,
    Faulty,
    distiller,
    gfn2,
    measured,
    needs_shared,
    on_answer,
    painn,
)

from mdprotocol.api import ForceField, NotMeasurable, StructureError
from mdprotocol.testing import make_structure
from mdprotocol.testing.analytic import LennardJones
from mdprotocol_plugins.metrics.beyond_elements import FOREIGN, BeyondElements

METRIC = BeyondElements()
EVERYTHING = tuple(range(1, 95))


class Renumbered(ForceField):
    """A model that takes other elements for those it is given."""

    def __init__(self, inner: ForceField, rule) -> None:
        self.inner, self.rule = inner, rule

    def prepare(self, topology):
        numbers = np.array([self.rule(int(z)) for z in topology.numbers])
        return self.inner.prepare(dataclasses.replace(topology, numbers=numbers))


def test_a_model_that_refuses_passes() -> None:
    values = measured(METRIC, Atomistic(), ETHANOL)
    assert values == {"silently_accepted": 0, "indistinct": 0, "answered": 0}


def test_a_model_of_many_elements_passes() -> None:
    values = measured(METRIC, Atomistic(EVERYTHING), ETHANOL)
    assert values == {"silently_accepted": 0, "indistinct": 0, "answered": len(FOREIGN)}


def test_a_model_that_answers_with_no_finite_number_refuses() -> None:
    def unknown(found, x, topology):
        bad = bool(np.isin(topology.numbers, FOREIGN).any())
        return dataclasses.replace(found, energy=found.energy * (torch.nan if bad else 1.0))

    values = measured(METRIC, Faulty(Atomistic(EVERYTHING), on_answer(unknown)), WATER)
    assert values["answered"] == 0


def test_a_model_blind_to_elements_is_found() -> None:
    trio = make_structure([18, 18, 18], [[0, 0, 0], [3.6, 0, 0], [0, 3.7, 0.3]])
    values = measured(METRIC, LennardJones(), trio)
    assert values["silently_accepted"] == len(FOREIGN)
    assert values["indistinct"] == len(FOREIGN) + 4  # and H, C, N, O


def test_an_index_that_is_clipped_is_found() -> None:
    """All elements beyond oxygen are taken for oxygen."""
    values = measured(METRIC, Renumbered(Atomistic(), lambda z: z if z in (1, 6, 7, 8) else 8), WATER)
    assert values["silently_accepted"] == len(FOREIGN)


def test_one_element_taken_for_another_is_found() -> None:
    """Nitrogen is read as carbon: nothing foreign is accepted, but two elements are one."""
    values = measured(METRIC, Renumbered(Atomistic(), lambda z: 6 if z == 7 else z), WATER)
    assert values["silently_accepted"] == 0
    assert values["indistinct"] == 4  # N and C, at the place of H and of O


def test_numbers_from_untrained_elements_are_held_against_the_teacher() -> None:
    """The model answers for all elements, distinctly, but pulls where the teacher pushes."""
    flipped = on_answer(
        lambda found, x, t: dataclasses.replace(
            found, forces=found.forces * (-1.0 if np.isin(t.numbers, FOREIGN).any() else 1.0)
        )
    )
    model, teacher = Faulty(Atomistic(EVERYTHING), flipped), Atomistic(EVERYTHING)
    assert measured(METRIC, model, WATER)["silently_accepted"] == 0
    assert measured(METRIC, model, WATER, reference=teacher)["silently_accepted"] == len(FOREIGN)
    assert measured(METRIC, teacher, WATER, reference=teacher)["silently_accepted"] == 0


def test_what_cannot_be_asked_says_why() -> None:
    for structure, text in ((make_structure([8], [[0, 0, 0]]), "no forces"), (make_structure([29], [[0, 0, 0]]), "29")):
        with pytest.raises((NotMeasurable, StructureError), match=text):
            measured(METRIC, Atomistic(), structure)


def test_the_student_refuses_and_the_teacher_knows() -> None:
    assert measured(METRIC, painn("ultra_tiny"), WATER) == {"silently_accepted": 0, "indistinct": 0, "answered": 0}
    teacher = gfn2()
    values = measured(METRIC, teacher, WATER, reference=teacher)
    assert values["silently_accepted"] == 0
    assert values["indistinct"] == 0
    assert values["answered"] > 5


@needs_shared
def test_mlff_distillers_student_answers_for_elements_it_never_saw() -> None:
    values = measured(METRIC, distiller(), WATER, reference=gfn2())
    assert values["answered"] > 5
    assert values["silently_accepted"] > 0
