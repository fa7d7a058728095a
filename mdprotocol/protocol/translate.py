"""Pydantic's errors in the words of somebody who writes a protocol, each at the place where it was written."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from mdprotocol.errors import Problem
from mdprotocol.protocol.document import Document
from mdprotocol.protocol.places import Path, choices, nearest
from mdprotocol.protocol.shape import allowed_keys, choice_at, shape_at
from mdprotocol.protocol.units_in_names import advise_key, other_unit, quantity_as_text

Error = Mapping[str, Any]

_KINDS = {
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "string_type": "text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping (keys with values)",
    "model_type": "a mapping (keys with values)",
    "model_attributes_type": "a mapping (keys with values)",
    "none_required": "null",
}
_STRUCTURAL = ("missing", "extra_forbidden", "union_tag_invalid", "union_tag_not_found")
"""Errors about keys; all others are about a value."""
_BOUNDS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "at most"),
    "multiple_of": ("multiple_of", "a multiple of"),
}


NAME_RULE = "letters, digits, '_', '-' and '.', at most 64, the first a letter or digit"


@dataclass(frozen=True)
class Located:
    """A pydantic error at a path of the document; `branch` where it comes from one alternative of several."""

    error: Error
    path: Path
    branch: bool

    @property
    def kind(self) -> str:
        return str(self.error["type"])


def locate(error: Error, data: Any) -> Located:
    """Find the path of the document behind pydantic's `loc`, which also holds tags and names of alternatives."""
    path: list[str | int] = []
    branch = False
    tagged = False
    loc = error["loc"]
    for position, part in enumerate(loc):
        last = position == len(loc) - 1
        if not tagged and part == (data.get("type") if isinstance(data, dict) else data):
            tagged = True
        elif (isinstance(data, dict) and part in data) or (isinstance(data, list) and isinstance(part, int)):
            path.append(part)
            data, tagged = _child(data, part), False
        elif last and error["type"] == "missing":
            path.append(part)
        elif part != "[key]":
            branch = True
    return Located(error, tuple(path), branch)


def _child(data: Any, part: Any) -> Any:
    try:
        return data[part]
    except (KeyError, IndexError, TypeError):
        return None


def translate(errors: Iterable[Error], document: Document, data: Any, root: type[BaseModel]) -> list[Problem]:
    """Problems of a document, one for every thing that is wrong.

    Args:
        errors: from `ValidationError.errors()`.
        data: the plain data that was validated.
        root: the class that it was validated against.
    """
    located = _without_misspelt([locate(error, data) for error in errors], data, root)
    grouped: dict[Path, list[Located]] = defaultdict(list)
    for item in located:
        grouped[item.path].append(item)
    problems: list[Problem] = []
    for path, group in grouped.items():
        alternatives = [item for item in group if item.branch and item.kind not in _STRUCTURAL]
        if alternatives and not _goes_deeper(path, located):
            problems.append(document.problem(path, _combined(alternatives, data, path)))
        problems += [_problem(item, document, data, root) for item in group if item not in alternatives]
    return problems


def _goes_deeper(path: Path, located: Sequence[Located]) -> bool:
    """Whether an alternative fits the value at `path` as far as to find something wrong inside of it."""
    return any(item.branch and len(item.path) > len(path) and item.path[: len(path)] == path for item in located)


def _combined(alternatives: Sequence[Located], data: Any, path: Path) -> str:
    """One message for a value that fits none of several alternatives."""
    value = _at(data, path)
    messages = [_value_message(item, value, path) for item in alternatives]
    specific = [text for item, text in zip(alternatives, messages, strict=True) if item.kind not in _KINDS]
    if specific:
        return specific[0]
    advice = _as_quantity(value, path)
    wanted = " or ".join(dict.fromkeys(_KINDS[item.kind] for item in alternatives))
    return f"{shown(value)} is not {wanted}; {advice}" if advice else f"{shown(value)} is not {wanted}"


def _problem(item: Located, document: Document, data: Any, root: type[BaseModel]) -> Problem:
    path, kind = item.path, item.kind
    if kind == "extra_forbidden":
        return document.problem(path, _unknown_key(path, data, root), key=True)
    if kind == "missing":
        return document.problem(path, _missing_key(path, data, root), key=True)
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _type_problem(item, document, data, root)
    if item.error["loc"] and item.error["loc"][-1] == "[key]":
        return document.problem(path, _value_message(item, path[-1], path), key=True)
    value = _at(data, path)
    return document.problem(
        path, _value_message(item, value, path), key=isinstance(value, dict) and kind == "value_error"
    )


def _unknown_key(path: Path, data: Any, root: type[BaseModel]) -> str:
    key, allowed = str(path[-1]), allowed_keys(shape_at(root, data, path[:-1]))
    meant = other_unit(key, allowed)
    advice = advise_key(key, meant, _at(data, path)) if meant else choices(key, allowed)
    return f"unknown key '{key}'; {advice}"


def _without_misspelt(located: Sequence[Located], data: Any, root: type[BaseModel]) -> list[Located]:
    """The errors without "missing" where an unknown key beside it means the missing one: that is one mistake."""
    meant: set[Path] = set()
    for item in located:
        if item.kind == "extra_forbidden":
            key, allowed = str(item.path[-1]), allowed_keys(shape_at(root, data, item.path[:-1]))
            meant.add((*item.path[:-1], other_unit(key, allowed) or nearest(key, allowed) or ""))
    return [item for item in located if item.kind != "missing" or item.path not in meant]


def _missing_key(path: Path, data: Any, root: type[BaseModel]) -> str:
    if isinstance(path[-1], int):
        return f"{path[-1]} entries are too few"
    shape = shape_at(root, data, path[:-1])
    description = shape.model_fields[path[-1]].description if path[-1] in allowed_keys(shape) else None
    return f"the key '{path[-1]}' is missing" + (f"; {first_sentence(description)}" if description else "")


def _type_problem(item: Located, document: Document, data: Any, root: type[BaseModel]) -> Problem:
    value = _at(data, item.path)
    choice = choice_at(root, data, item.path)
    allowed = sorted(choice.classes) if choice else []
    tag = value.get("type") if isinstance(value, dict) else None
    if tag is None:
        message = f"the key 'type' is missing; it names the plugin; allowed: {', '.join(allowed)}"
        return document.problem(item.path, message, key=True)
    return document.problem((*item.path, "type"), f"unknown type '{tag}'; {choices(str(tag), allowed)}")


def _value_message(item: Located, value: Any, path: Path) -> str:
    context = item.error.get("ctx", {})
    if item.kind in _KINDS:
        advice = _as_quantity(value, path)
        return f"{shown(value)} is not {_KINDS[item.kind]}" + (f"; {advice}" if advice else "")
    if item.kind in _BOUNDS:
        key, words = _BOUNDS[item.kind]
        return f"{shown(value)} is out of range; it must be {words} {context[key]:g}"
    if item.kind in ("too_short", "too_long"):
        return _length_message(item.kind, context)
    if item.kind in ("literal_error", "enum"):
        allowed = [part.strip().strip("'") for part in str(context["expected"]).replace(" or ", ", ").split(",")]
        return f"{shown(value)} is not known here; {choices(str(value), allowed)}"
    if item.kind == "string_pattern_mismatch":
        return _pattern_message(path, value, str(context["pattern"]))
    if item.kind in ("value_error", "assertion_error"):
        return str(context.get("error", item.error["msg"]))
    message = str(item.error["msg"])
    return f"{shown(value)}: {message[:1].lower()}{message[1:]}"


def _length_message(kind: str, context: Mapping[str, Any]) -> str:
    if kind == "too_short":
        return f"at least {context['min_length']} needed, {context['actual_length']} given"
    return f"at most {context['max_length']} allowed, {context['actual_length']} given"


def _pattern_message(path: Path, value: Any, pattern: str) -> str:
    if path and path[-1] == "metric":
        return f"{shown(value)} is not of the form <metric>.<quantity>, such as force_error.rmse"
    if "0,63" in pattern:
        return f"{shown(value)} cannot be a name; {NAME_RULE}"
    return f"{shown(value)} does not have the form {pattern}"


def _as_quantity(value: Any, path: Path) -> str | None:
    fields = [part for part in path if isinstance(part, str)]
    return quantity_as_text(value, fields[-1]) if isinstance(value, str) and fields else None


def _at(data: Any, path: Path) -> Any:
    for part in path:
        data = _child(data, part)
    return data


def first_sentence(text: str) -> str:
    """The beginning of a description, up to its first full stop, semicolon or colon."""
    return re.split(r"[.;:](?:\s|$)", " ".join(text.split()), maxsplit=1)[0]


def shown(value: Any) -> str:
    """A value as it may stand in a message: short, quoted where it is text."""
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    words = {True: "true", False: "false", None: "null"}
    text = words[value] if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
