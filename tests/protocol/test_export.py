"""The JSON Schema, as an editor would use it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import protocol_kit as kit
import pytest
import yaml

from mdprotocol.protocol import dump, json_schema, read_document, validate
from mdprotocol.registry import Registry


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return json_schema(kit.registry_of(kit.COMPONENTS))


def accepts(schema: dict[str, Any], text: str) -> bool:
    return jsonschema.Draft202012Validator(schema).is_valid(yaml.safe_load(text))


def test_it_is_a_schema_of_the_2020_12_dialect(schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert json.loads(json.dumps(schema)) == schema


def test_a_sound_protocol_and_its_dump_are_valid(
    schema: dict[str, Any], write: Callable[..., Path], registry: Registry
) -> None:
    assert accepts(schema, kit.VALID)
    assert accepts(schema, dump(validate(read_document(write()), registry)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("temperatures_K", "temprtures_K"),
        ("good.json}", "good.json, chekpoint: x}"),
        ("type: spring,", "type: sprung,"),
        ("type: spring,", ""),
        ("{type: spring, checkpoint: good.json}", "spring"),
        ("timestep_fs: 0.5", "timestep_fs: 0.5 ps"),
        ("timestep_fs: 0.5", "timestep_fs: 30"),
        ("level: must\n", "level: most\n"),
        ("mdprotocol: 1", "mdprotocol: 2"),
        ("mdprotocol: 1\n", ""),
        ("reference: teacher", "reference: {type: teacher, accuracy: -1}"),
        ("[markdown]", "[markdwn]"),
        ("  short:", "  not a name:"),
    ],
)
def test_a_mistake_is_refused(schema: dict[str, Any], old: str, new: str) -> None:
    assert old in kit.VALID
    assert not accepts(schema, kit.VALID.replace(old, new))


def test_a_child_may_leave_out_and_remove_but_not_misspell(schema: dict[str, Any]) -> None:
    child = "extends: base.yaml\nname: x\nsimulations:\n  nve: {duration_ps: 2, equilibration: null}\n"
    assert accepts(schema, child)
    assert accepts(schema, child + "models:\n  good: {precision: float64}\nsystems: {short: null}\n")
    assert not accepts(schema, child.replace("duration_ps", "duration_pz"))
    assert not accepts(schema, child + "models:\n  good: {precisoin: float64}\n")
    assert not accepts(schema, child.replace("extends: base.yaml\n", ""))


def branches(schema: Any) -> Iterator[dict[str, Any]]:
    """All parts of a schema that describe an object with properties."""
    if isinstance(schema, dict) and "properties" in schema:
        yield schema
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from branches(part)


def components(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = (part for part in branches(schema) if "const" in part["properties"].get("type", {}))
    return {part["properties"]["type"]["const"]: part for part in found}


def test_options_carry_their_descriptions(schema: dict[str, Any]) -> None:
    definitions = {name: part for name, part in schema["$defs"].items() if not name.startswith("Partial-")}
    langevin = components(definitions)["langevin"]
    assert langevin["properties"]["friction_per_ps"]["description"] == "Friction coefficient."
    assert langevin["description"] == "Newton's equations with friction and noise."
    assert definitions["Simulation"]["properties"]["replicas"]["default"] == 4
    assert "One time step" in definitions["Simulation"]["properties"]["timestep_fs"]["description"]
    assert definitions["Protocol"]["properties"]["reference"].get("default", ...) is None


def test_every_registered_component_is_offered(schema: dict[str, Any]) -> None:
    names = {cls.type_name() for classes in kit.COMPONENTS.values() for cls in classes}
    assert components(schema).keys() == names


def test_without_plugins_nothing_is_accepted_in_their_place() -> None:
    empty = json_schema(kit.registry_of({}))
    jsonschema.Draft202012Validator.check_schema(empty)
    assert not accepts(empty, kit.VALID)
