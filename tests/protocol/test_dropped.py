"""Must criteria of a parent that a child or an override drops or lowers are noted, and nothing can empty that note."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import protocol_kit as kit
import pytest

from mdprotocol.plan import make_plan
from mdprotocol.protocol import dump, read_document, validate
from mdprotocol.registry import Registry

Chain = Callable[..., Path]


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    """Writes the sound protocol as p.yaml, and each text given as a file that extends the one before; the path of the last."""

    def write(*texts: str, parent: str = kit.VALID) -> Path:
        (tmp_path / "good.json").write_text("{}")
        path = tmp_path / "p.yaml"
        path.write_text(parent, encoding="utf-8")
        for index, text in enumerate(texts, 1):
            child = tmp_path / f"child{index}.yaml"
            child.write_text(f"extends: {path.name}\n{text}\n", encoding="utf-8")
            path = child
        return path

    return write


def dropped(path: Path, registry: Registry, *sets: str) -> dict[str, str]:
    return validate(read_document(path, sets), registry).dropped


@pytest.mark.parametrize(
    ("child", "how"),
    [
        ("criteria: {force: null}", "null in child1.yaml"),
        ("criteria: {force: {level: should}}", "should instead of must in child1.yaml"),
        ("criteria: {force: {level: nice, max: 9}}", "nice instead of must in child1.yaml"),
        (
            "criteria: {force: {metric: drift.percent}}",
            "measures drift.percent instead of force_error.rmse in child1.yaml",
        ),
        ("criteria: {force: {metric: force_error.mae}}",
         "measures force_error.mae instead of force_error.rmse in child1.yaml"),
    ],
)  # fmt: skip
def test_what_a_child_drops_or_lowers_is_noted(chain: Chain, registry: Registry, child: str, how: str) -> None:
    assert dropped(chain(child), registry) == {"force": how}


@pytest.mark.parametrize(
    "child", ["", "criteria: {force: {max: 1}}", "criteria: {more: {level: must, metric: drift.percent, max: 1}}"]
)
def test_what_is_kept_is_not(chain: Chain, registry: Registry, child: str) -> None:
    assert dropped(chain(child), registry) == {}


def test_a_metric_may_not_change_under_its_name(chain: Chain, registry: Registry) -> None:
    parent = kit.VALID.replace("criteria:\n", "metrics: {own: {type: force_error}}\ncriteria:\n").replace(
        "force_error.rmse", "own.mae"
    )
    text = "metrics: {own: bonds}\nsimulations: {nve: {reference_trajectory: true}}\ncriteria: {force: {metric: own.distance}}"
    assert dropped(chain(text, parent=parent), registry) == {
        "force": "measures bonds.distance instead of force_error.mae in child1.yaml"
    }


def test_the_whole_chain_is_looked_at_and_the_first_that_broke_it_named(chain: Chain, registry: Registry) -> None:
    path = chain("criteria: {force: null}", "description: a grandchild", "seed: 3")
    assert dropped(path, registry) == {"force": "null in child1.yaml"}
    lower = chain("criteria: {force: {level: should}}", "criteria: {force: null}")
    assert dropped(lower, registry) == {"force": "null in child2.yaml"}
    own = chain("criteria: {late: {level: must, metric: drift.percent, max: 1}}", "criteria: {late: null}")
    assert dropped(own, registry) == {"late": "null in child2.yaml"}


def test_a_criterion_that_is_restored_is_not_dropped(chain: Chain, registry: Registry) -> None:
    restored = "criteria: {force: {level: must, metric: force_error.rmse, max: 0.2}}"
    assert dropped(chain("criteria: {force: null}", restored), registry) == {}
    other = "criteria: {force: {level: must, metric: force_error.mae, max: 0.2}}"
    assert list(dropped(chain("criteria: {force: null}", other), registry)) == ["force"]


@pytest.mark.parametrize(
    ("override", "how"),
    [
        ("criteria.force=null", "null by --set"),
        ("criteria.force.level=nice", "nice instead of must by --set"),
        ("criteria={drift: {level: must, metric: drift.per_atom, max: 1}}", "null by --set"),
    ],
)
def test_an_override_drops_too_even_without_a_parent(chain: Chain, registry: Registry, override: str, how: str) -> None:
    assert dropped(chain(), registry, override) == {"force": how}
    assert dropped(chain("seed: 1"), registry, override) == {"force": how}


def test_the_resolved_protocol_keeps_the_note_and_adds_to_it(chain: Chain, registry: Registry, tmp_path: Path) -> None:
    protocol = validate(read_document(chain("criteria: {force: null}")), registry)
    stored = tmp_path / "protocol.yaml"
    stored.write_text(dump(protocol), encoding="utf-8")
    note = {"force": "null in child1.yaml"}
    assert dropped(stored, registry) == note
    assert dropped(stored, registry, "criteria.drift.level=should") == note | {
        "drift": "should instead of must by --set"
    }
    for emptied in ("dropped=null", "dropped={}", "dropped.force=null", "dropped={force: nothing at all}"):
        assert dropped(stored, registry, emptied) == note


@pytest.mark.parametrize("text", ["dropped: {}", "dropped: null", "dropped: {force: null}", "dropped: {force: fine}"])
def test_no_child_can_empty_the_note(chain: Chain, registry: Registry, tmp_path: Path, text: str) -> None:
    stored = tmp_path / "protocol.yaml"
    stored.write_text(dump(validate(read_document(chain("criteria: {force: null}")), registry)), encoding="utf-8")
    child = tmp_path / "after.yaml"
    child.write_text(f"extends: protocol.yaml\n{text}\n", encoding="utf-8")
    assert dropped(child, registry) == {"force": "null in child1.yaml"}


def test_check_warns_of_it(chain: Chain, registry: Registry) -> None:
    document = read_document(chain("criteria: {force: null}"))
    plan = make_plan(validate(document, registry), document.base, registry, document)
    [warning] = [text for text in plan.warnings if "dropped" in text]
    assert "criteria.force: this must criterion was dropped or lowered: null in child1.yaml" in warning
