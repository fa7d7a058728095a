"""mdprotocol plugins: every registered component with its origin, options and units, and the list of properties."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mdprotocol.registry import Registered, Registry


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("plugins", help="list every plugin", description=__doc__)
    parser.add_argument("--plugin", action="append", default=[], metavar="PATH|MODULE", help="load a plugin")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """List them."""
    from mdprotocol.registry import build_registry

    registry = build_registry(args.plugin)
    print(json.dumps([_facts(entry) for entry in registry], indent=2) if args.json else "\n".join(_lines(registry)))
    return 0


def _facts(entry: Registered) -> dict[str, Any]:
    from mdprotocol.contracts import Fault, Metric

    cls = entry.component
    facts: dict[str, Any] = {
        "kind": entry.kind,
        "name": entry.name,
        "origin": entry.origin,
        "summary": cls.summary(),
        "options": _options(entry),
    }
    if issubclass(cls, Metric):
        facts["quantities"] = {k: {"units": q.units, "meaning": q.long_name} for k, q in cls.quantities.items()}
        facts["tests"] = sorted(found.name for found in cls.tests)
    if issubclass(cls, Fault):
        facts["breaks"] = sorted(found.name for found in cls.breaks)
    return facts


def _options(entry: Registered) -> dict[str, Any]:
    fields = entry.component.model_json_schema().get("properties", {})
    return {name: _option(spec) for name, spec in fields.items() if name != "type"}


def _option(spec: dict[str, Any]) -> dict[str, Any]:
    kinds = [spec.get("type")] if "type" in spec else [part.get("type") for part in spec.get("anyOf", [])]
    found = {"type": "|".join(str(kind) for kind in kinds if kind) or "any"}
    return found | {key: spec[key] for key in ("default", "enum", "description") if key in spec}


def _lines(registry: Registry) -> Iterator[str]:
    kind = ""
    for entry in registry:
        if entry.kind != kind:
            kind = entry.kind
            yield f"{kind}"
        facts = _facts(entry)
        yield f"  {entry.name:<20} {facts['summary']}"
        yield f"    from    {entry.origin}"
        for name, option in facts["options"].items():
            default = (
                f" = {json.dumps(option['default'], ensure_ascii=False)}" if "default" in option else " (required)"
            )
            yield f"    option  {name}: {option['type']}{default}"
        for verb in ("tests", "breaks"):
            if facts.get(verb):
                yield f"    {verb:<7} {', '.join(facts[verb])}"
        for name, quantity in facts.get("quantities", {}).items():
            yield f"    gives   {entry.name}.{name} [{quantity['units']}]  {quantity['meaning']}"
    yield "properties"
    for found in registry.properties():
        yield f"  {found.name:<20} {found.meaning}"
