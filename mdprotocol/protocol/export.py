"""JSON Schema of a protocol, with every registered plugin's options: for completion and checks in an editor."""

from __future__ import annotations

from typing import Any

from mdprotocol.contracts import Fault
from mdprotocol.protocol.typed import typed_protocol
from mdprotocol.registry import Registry

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_PARTIAL = "Partial-"


def json_schema(registry: Registry) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a protocol file.

    A file that extends another holds only what it changes, so two schemas stand side by side: the complete one, and
    one for files with `extends` in which nothing is required and a null removes a key.
    """
    whole = _closed(typed_protocol(registry).model_json_schema(mode="validation"))
    parts = whole.pop("$defs", {})
    parts["SelfTest"]["properties"]["sizes"] |= _sizes(registry)
    whole["title"] = "Protocol"
    definitions = parts | {"Protocol": whole}
    partial = {_PARTIAL + name: _relaxed(schema) for name, schema in definitions.items()}
    return {
        "$schema": DIALECT,
        "title": "mdprotocol protocol",
        "description": whole.get("description", ""),
        "type": "object",
        "if": {"required": ["extends"], "properties": {"extends": {"type": "string"}}},
        "then": {"$ref": f"#/$defs/{_PARTIAL}Protocol"},
        "else": {"$ref": "#/$defs/Protocol"},
        "$defs": definitions | partial,
    }


def _sizes(registry: Registry) -> dict[str, Any]:
    """Schema of `selftest.sizes`: a size for each fault that has one."""
    faults = (cls for cls in registry.classes("faults") if issubclass(cls, Fault))
    sized = {cls.type_name(): _size(cls) for cls in faults if cls.sized is not None}
    return {"properties": sized, "additionalProperties": False}


def _size(cls: type[Fault]) -> dict[str, Any]:
    assert cls.sized is not None
    default = cls.model_fields[cls.sized.option].default
    units = "" if cls.sized.units == "1" else f" In {cls.sized.units}."
    return {"type": "number", "exclusiveMinimum": 0, "default": default, "description": cls.summary() + units}


def _closed(schema: Any) -> Any:
    """The same schema, in which names that match no pattern are refused."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    return closed | {"additionalProperties": False} if "patternProperties" in schema else closed


def _relaxed(schema: Any) -> Any:
    """The same schema with nothing required, every property nullable, and references to relaxed definitions."""
    if isinstance(schema, list):
        return [_relaxed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    relaxed = {key: _relaxed(value) for key, value in schema.items() if key not in ("required", "minProperties")}
    if isinstance(schema.get("$ref"), str):
        relaxed["$ref"] = schema["$ref"].replace("#/$defs/", f"#/$defs/{_PARTIAL}")
    if isinstance(schema.get("properties"), dict):
        relaxed["properties"] = {name: _nullable(_relaxed(part)) for name, part in schema["properties"].items()}
    for key in ("additionalProperties", "patternProperties"):
        if isinstance(schema.get(key), dict):
            part = _relaxed(schema[key])
            relaxed[key] = _nullable(part) if key[0] == "a" else {name: _nullable(p) for name, p in part.items()}
    return relaxed


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    notes = {key: schema[key] for key in ("title", "description", "default") if key in schema}
    return notes | {"anyOf": [{k: v for k, v in schema.items() if k not in notes}, {"type": "null"}]}
