"""A model that is the reference: noticed before anything runs, and never compared with itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import protocol_kit as kit
import pytest

from mdprotocol.errors import ProtocolError
from mdprotocol.plan import Plan, is_reference, make_plan
from mdprotocol.protocol import read_document, validate
from mdprotocol.registry import Registry

SAME = (
    "{type: spring, checkpoint: good.json}",
    "{type: spring, checkpoint: good.json}\n  teacher: {type: teacher, accuracy: 1}",
)
ALL = (
    "recommendations:",
    "  bonds: {level: must, metric: bonds.mean, max: 1}\n"
    "  modes: {level: must, metric: frequencies.median, max: 1}\n"
    "  speed: {level: must, metric: speed.median, max: 1}\n"
    "recommendations:",
)
TEACHER_RUNS = ("  nve:\n", "  nve:\n    reference_trajectory: true\n")


def bonds_quantity() -> str:
    return f"bonds.{next(iter(kit.Bonds.quantities))}"


@pytest.fixture
def plan(write: Callable[..., Path], registry: Registry) -> Callable[..., Plan]:
    def make(*replacements: tuple[str, str], sets: tuple[str, ...] = ()) -> Plan:
        old, new = ALL
        all_criteria = (old, new.replace("bonds.mean", bonds_quantity()))
        document = read_document(write(all_criteria, TEACHER_RUNS, *replacements), sets)
        protocol = validate(document, registry)
        assert [is_reference(protocol, name) for name in protocol.models] == [
            name == "teacher" for name in protocol.models
        ]
        return make_plan(protocol, document.base, registry, document)

    return make


def test_what_compares_with_the_reference_has_no_source_for_it(plan: Callable[..., Plan]) -> None:
    made = plan(SAME)
    sources = {source.criterion: set(source.runs) for source in made.sources}
    both, other = {"good", "teacher"}, {"good"}
    assert sources == {"drift": both, "force": other, "bonds": other, "modes": other, "speed": both}
    assert [w for w in made.warnings if "models.teacher" in w and "do not apply" in w]
    assert not [w for w in made.warnings if "stays open" in w]


def test_nothing_is_computed_for_a_comparison_with_itself(plan: Callable[..., Plan]) -> None:
    made = plan(SAME)
    assert {run.settings.reference_every > 0 for run in made.runs if run.model == "good"} == {True}
    assert {run.settings.reference_every > 0 for run in made.runs if run.model == "teacher"} == {False}
    assert {(p.model, p.metric) for p in made.probes} == {
        ("good", "frequencies"),
        ("good", "speed"),
        ("teacher", "speed"),
    }


def test_the_reference_may_stand_alone(plan: Callable[..., Plan]) -> None:
    made = plan(("good: {type: spring, checkpoint: good.json}", "teacher: {type: teacher}"))
    assert {s.criterion: set(s.runs) for s in made.sources} == {
        "drift": {"teacher"}, "force": set(), "bonds": set(), "modes": set(), "speed": {"teacher"},
    }  # fmt: skip


def test_another_option_makes_another_model(plan: Callable[..., Plan]) -> None:
    made = plan(sets=("models.good={type: teacher, accuracy: 2}",))
    assert {model for source in made.sources for model in source.runs} == {"good"}
    assert all(source.runs["good"] for source in made.sources)


def test_a_copy_of_the_reference_under_another_path_is_a_mistake(plan: Callable[..., Plan], tmp_path: Path) -> None:
    (tmp_path / "copy.json").write_text(
        (tmp_path / "good.json").read_text() if (tmp_path / "good.json").exists() else "{}"
    )
    with pytest.raises(ProtocolError, match=r"models\.good: has the options and the files of the reference"):
        plan(sets=("reference={type: spring, checkpoint: copy.json}",))
