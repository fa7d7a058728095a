"""`--set path=value`: one value of a protocol changed from the command line."""

from __future__ import annotations

from mdprotocol.errors import Problem, ProtocolError
from mdprotocol.protocol.loader import Entry, Node, load
from mdprotocol.protocol.places import Path, Place, choices, dotted

FILE = "--set"
"""Stands as the file name in the places of overrides; the column counts from the start of the text."""


def apply_override(root: Node, text: str, problems: list[Problem], removals: set[Path]) -> Node:
    """The document with one value replaced, or a key added.

    Args:
        text: `simulations.nve.timestep_fs=0.25`, `systems.0=water`; the value is YAML.
        problems: the value's own problems are added here.
        removals: a null over something is noted here, as in `merge`.

    Raises:
        ProtocolError: no `=`, a path through something that is no mapping, or a value that is not YAML.
    """
    dotted_path, equals, value_text = text.partition("=")
    parts = dotted_path.split(".")
    if not equals or not all(parts):
        raise _wrong(1, dotted_path, f"{text!r} is no override; write path=value, such as seed=7")
    if parts[0] in ("extends", "replaces"):
        raise _wrong(1, parts[0], "it cannot be set from the command line; write it in the file")
    value, found = load(value_text, FILE, origin=(1, len(dotted_path) + 2))
    problems += [Problem(p.file, p.line, p.column, p.path or dotted_path, p.message) for p in found]
    return _replaced(root, parts, value, (), removals)


def _replaced(node: Node, parts: list[str], value: Node, path: Path, removals: set[Path]) -> Node:
    if not parts:
        if value.value is None:
            removals.add(path)
        return value
    if isinstance(node.value, list):
        return _in_list(node, parts, value, path, removals)
    if not isinstance(node.value, dict):
        raise _wrong(1, dotted((*path, *parts)), f"{dotted(path)} is a value without keys, so nothing can be set in it")
    name, rest = _key(node.value, parts)
    old = node.value.get(name)
    if old is None:
        inner = _replaced(Node({}, value.place), rest, value, (*path, name), set()) if rest else value
    else:
        inner = _replaced(old.node, rest, value, (*path, name), removals)
    place = old.place if old is not None and rest else Place(FILE, 1, 1)
    return Node(node.value | {name: Entry(place, inner)}, node.place)


def _key(entries: dict[str, Entry], parts: list[str]) -> tuple[str, list[str]]:
    """The longest key that the path begins with, because names may hold dots; else its first part, as a new key."""
    for length in range(len(parts), 0, -1):
        if ".".join(parts[:length]) in entries:
            return ".".join(parts[:length]), parts[length:]
    return parts[0], parts[1:]


def _in_list(node: Node, parts: list[str], value: Node, path: Path, removals: set[Path]) -> Node:
    indices = [str(index) for index in range(len(node.value))]
    if parts[0] not in indices:
        raise _wrong(1, dotted((*path, *parts)), f"'{parts[0]}' is no index of this list; {choices(parts[0], indices)}")
    items = list(node.value)
    index = int(parts[0])
    items[index] = _replaced(items[index], parts[1:], value, (*path, index), removals)
    return Node(items, node.place)


def _wrong(column: int, path: str, message: str) -> ProtocolError:
    return ProtocolError([Problem(FILE, 1, column, path, message)])
