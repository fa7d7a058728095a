"""A study is derived once: its runs know their conditions, and every criterion has its own for every model."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from mdprotocol.errors import ProtocolError
from mdprotocol.plan import Condition, Run, Study, Unplanned, make_study
from mdprotocol.protocol import read_document, validate
from mdprotocol.registry import Registry
from mdprotocol.verdicts import Level

STEPS = ("timestep_fs: 0.5", "timestep_fs: [0.5, 1]\n    reference_trajectory: true")
CRITERIA = """\
  speed: {level: nice, metric: speed.median, max: 1}
  warm: {level: should, metric: drift.per_atom, max: 1, where: {temperature: 300, simulation: nve_1fs}, per: [system]}
recommendations"""

Make = Callable[..., Study]


@pytest.fixture
def study(write: Callable[..., Path], registry: Registry) -> Make:
    def make(*replacements: tuple[str, str]) -> Study:
        document = read_document(write(*replacements))
        return make_study(validate(document, registry), registry)

    return make


@pytest.fixture
def small(study: Make) -> Study:
    return study(STEPS, ("recommendations", CRITERIA))


def test_a_run_knows_its_simulation_before_expansion_and_its_condition(small: Study) -> None:
    run = small.runs_of("good")[0]
    assert (run.simulation, run.base_simulation) == ("nve_0.5fs", "nve")
    assert run.condition == Condition("short", "nve_0.5fs", 100.0)
    assert run.coordinates == {"model": "good", "system": "short", "simulation": "nve_0.5fs", "temperature": 100.0}
    assert run.length_ps == pytest.approx(run.settings.steps * 0.5e-3)
    assert Run("m", "s", "nve", 300.0, 0, 1, run.settings, "").base_simulation == "nve"


def test_what_belongs_to_a_model(small: Study) -> None:
    assert {run.model for run in small.runs} == {"good", "reference"}
    assert {run.model for run in small.runs_of("good")} == {"good"}
    assert [probe.id for probe in small.probes_of("good")] == ["probes/good/short/speed", "probes/good/long/speed"]
    assert small.items == (*small.runs, *small.probes)


def test_a_criterion_has_its_conditions_for_every_model(small: Study) -> None:
    warm = small.conditions_of("warm", "good")
    assert [dict(one.where) for one in warm] == [
        {"model": "good", "system": "short"},
        {"model": "good", "system": "long"},
    ]
    members = [member for one in warm for member in one.members]
    assert {member.condition.temperature for member in members} == {300.0}
    assert {member.id for member in members} == {run.id for run in small.drawn_on("warm", "good")}
    assert small.conditions_of("warm", "good") is warm, "they are derived once"


def test_probes_have_conditions_by_system_and_draw_on_no_run(small: Study) -> None:
    assert [dict(one.where) for one in small.conditions_of("speed", "good")] == [
        {"model": "good", "system": "short"},
        {"model": "good", "system": "long"},
    ]
    assert small.drawn_on("speed", "good") == ()


def test_what_a_criterion_names_and_nobody_planned_is_a_member_of_its_own(small: Study) -> None:
    fewer = Study(
        small.protocol,
        small.metrics,
        tuple(run for run in small.runs if run.system == "short" or run.temperature_K == 100),
        small.probes,
    )
    criterion = fewer.protocol.criteria["warm"].model_copy(
        update={"where": {"system": ["short", "long"], "temperature": 300}}
    )
    named = fewer.protocol.model_copy(update={"criteria": {"warm": criterion}})
    found = Study(named, fewer.metrics, fewer.runs, fewer.probes).conditions_of("warm", "good")
    (absent,) = [member for one in found for member in one.members if isinstance(member, Unplanned)]
    assert (absent.id, absent.condition) == ("long at 300 K", Condition("long", None, 300.0))
    assert [dict(one.where) for one in found][-1] == {"model": "good", "system": "long"}


def test_a_narrowed_study_asks_one_model_by_some_criteria(small: Study) -> None:
    runs = small.runs_of("good")[:2]
    asked = small.narrowed("good", ["speed"], runs)
    assert list(asked.protocol.criteria) == ["speed"]
    assert (list(asked.metrics), asked.runs, asked.probes) == (["speed"], runs, small.probes_of("good"))
    assert small.of_level(Level.SHOULD) == ["warm"]


def test_it_can_be_handed_to_another_process(small: Study) -> None:
    small.conditions_of("warm", "good")
    again = pickle.loads(pickle.dumps(small))
    assert again.conditions_of("warm", "good") == small.conditions_of("warm", "good")


def test_a_protocol_that_cannot_be_expanded_is_refused(study: Make) -> None:
    with pytest.raises(ProtocolError, match="not a whole number of steps"):
        study(("timestep_fs: 0.5", "timestep_fs: 0.7"))
