"""Measurements as an object: readings by quantity and by the id of the run or probe."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mdprotocol.assess import Measurements, from_dataset, to_dataset
from mdprotocol.assess.labelled import LabelCount
from mdprotocol.assess.measurements import Reading
from mdprotocol.contracts import Quantity

QUANTITIES = {"a.x": Quantity("eV", "x"), "a.y": Quantity("eV", "y")}


def part(run: str, value: float) -> Measurements:
    return Measurements(QUANTITIES, {"a.x": {run: Reading({(): value})}}, {run: "completed"}, {run: LabelCount(2, 1)})


@pytest.mark.parametrize("turned", [False, True])
def test_parts_are_joined_in_the_order_of_the_plan_whoever_comes_first(turned: bool) -> None:
    parts = [part("first", 1.0), part("second", 2.0)]
    found = Measurements.joined(reversed(parts) if turned else parts, ["first", "second", "third"])
    assert list(found.readings["a.x"]) == list(found.outcomes) == ["first", "second"]
    assert found.reading("a.x", "second").values == {(): 2.0}
    assert found.labels["first"].given == 1
    assert list(found.quantities) == ["a.x"], "nothing was planned that the other one could be measured on"


def test_what_is_not_there_is_a_reading_with_a_reason() -> None:
    found = part("first", 1.0)
    assert found.reading("a.x", "other") == Reading({}, "the stored measurements do not cover it; measure again")
    assert "a.y is not among the stored measurements" in found.reading("a.y", "first").reason


def test_probes_and_runs_are_found_by_their_ids_after_reading_a_file(world) -> None:
    made = world().fill(lambda run: 1.0)
    made.write_probe(made.probes[0], 4.0)
    found = from_dataset(made.dataset())
    assert found.reading("examined.found", "probes/student/water/examined").values == {(): 4.0}
    assert found.reading("level.mean", "runs/student/methane/nve/T300K_r3").values == {(): 1.0}
    assert found.outcomes == made.measure().outcomes


def test_a_file_is_made_of_the_runs_of_the_study_alone(world) -> None:
    """Readings of runs that the study has no more are not stored."""
    made = world().fill(lambda run: 1.0)
    study = made.study
    found = to_dataset(made.measure(), replace(study, runs=study.runs[:4]))
    assert found.sizes["temperature"] == 1
    assert set(from_dataset(found).outcomes) == {run.id for run in study.runs[:4]}
