"""YAML text to a tree of nodes that remember where they stand. Built on PyYAML's safe loader; nothing is executed.

Stricter than YAML where looseness hurts a protocol: a key may stand once, numbers follow YAML 1.2 (`1e-3` is a number,
`1:30` and `yes` are text), every number is finite, and size, depth, aliases and merge keys are capped.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from mdprotocol.errors import Problem, ProtocolError
from mdprotocol.protocol.places import Path, Place, dotted

MAX_BYTES = 1_000_000
MAX_DEPTH = 40
MAX_NODES = 50_000
MAX_ALIASES = 200
MAX_MERGES = 50
MAX_DIGITS = 30

_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True)
class Node:
    """A value with its place: a scalar, a list of nodes, or a mapping of entries."""

    value: Any
    place: Place


@dataclass(frozen=True)
class Entry:
    """A key of a mapping with its place, and its value."""

    place: Place
    node: Node


class PlainLoader(yaml.SafeLoader):
    """Safe loader that resolves scalars as YAML 1.2 does, and stops at the caps while it reads."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = self.nodes = self.aliases = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        self.nodes += 1
        self.aliases += isinstance(event, yaml.AliasEvent)
        for count, cap, what in (
            (self.depth, MAX_DEPTH, "nested more than {} levels deep"),
            (self.nodes, MAX_NODES, "more than {} values"),
            (self.aliases, MAX_ALIASES, "more than {} aliases (*name)"),
        ):
            if count > cap:
                raise yaml.MarkedYAMLError(problem=what.format(cap), problem_mark=event.start_mark)
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


for _kind, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("float", r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", "-+."),
    ("merge", "<<", "<"),
):
    PlainLoader.add_implicit_resolver(f"{_TAG}{_kind}", re.compile(rf"^(?:{_pattern})$"), list(_first))


def load(text: str, file: str, origin: tuple[int, int] = (1, 1)) -> tuple[Node, list[Problem]]:
    """Read one YAML document.

    Args:
        text: the document.
        file: its name in places.
        origin: line and column of the text's first character in `file`.

    Returns:
        The root node, and what is wrong but does not keep the rest from being checked (a key that stands twice, ...).

    Raises:
        ProtocolError: the text is not YAML, or beyond a cap.
    """
    builder = _Builder(file, origin)
    root = builder.compose(text)
    node = builder.build(root, ()) if root is not None else Node(None, Place(file, *origin))
    return node, builder.problems


class _Builder:
    """Turns PyYAML's nodes into ours, collecting problems."""

    def __init__(self, file: str, origin: tuple[int, int]) -> None:
        self.file, self.origin = file, origin
        self.problems: list[Problem] = []
        self.built = self.merges = 0
        self.open: set[int] = set()

    def compose(self, text: str) -> yaml.Node | None:
        try:
            loader = PlainLoader(text)
        except yaml.reader.ReaderError as error:
            raise self.unreadable(text, error) from None
        try:
            return loader.get_single_node()
        except yaml.MarkedYAMLError as error:
            raise self.fatal(_explain(error), error.problem_mark or error.context_mark) from None
        except (ValueError, OverflowError):  # an escape such as "\UFFFFFFFF" names no character
            raise self.fatal("this escape sequence names no character", loader.get_mark()) from None
        finally:
            loader.dispose()

    def unreadable(self, text: str, error: yaml.reader.ReaderError) -> ProtocolError:
        before = text[: error.position]
        mark = yaml.Mark(self.file, 0, before.count("\n"), len(before.rpartition("\n")[2]), None, 0)
        return self.fatal(f"the character U+{int(error.character):04X} is not allowed in YAML", mark)

    def place(self, mark: yaml.Mark | None) -> Place:
        line, column = (mark.line, mark.column) if mark else (0, 0)
        first_line, first_column = self.origin
        return Place(self.file, first_line + line, column + (first_column if line == 0 else 1))

    def fatal(self, message: str, mark: yaml.Mark | None) -> ProtocolError:
        place = self.place(mark)
        return ProtocolError([*self.problems, Problem(place.file, place.line, place.column, "", message)])

    def complain(self, path: Path, mark: yaml.Mark, message: str) -> None:
        place = self.place(mark)
        self.problems.append(Problem(place.file, place.line, place.column, dotted(path), message))

    def build(self, node: yaml.Node, path: Path) -> Node:
        # Counted here again, because an alias is read once but built at every place that uses it.
        self.built += 1
        if self.built > MAX_NODES:
            raise self.fatal(f"more than {MAX_NODES} values after its aliases are expanded", node.start_mark)
        if id(node) in self.open:
            raise self.fatal(f"an alias inside the value that it names ({dotted(path)})", node.start_mark)
        if len(path) > MAX_DEPTH:
            raise self.fatal(f"nested more than {MAX_DEPTH} levels deep", node.start_mark)
        self.open.add(id(node))
        try:
            return Node(self.value(node, path), self.place(node.start_mark))
        finally:
            self.open.discard(id(node))

    def value(self, node: yaml.Node, path: Path) -> Any:
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, path)
        return self.foreign(node, path)

    def foreign(self, node: yaml.Node, path: Path) -> None:
        tag = node.tag.replace(_TAG, "!!")
        self.complain(path, node.start_mark, f"the tag {tag!r} is not allowed; write plain YAML without tags")

    def mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Entry]:
        own: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.complain(path, key.start_mark, "a key must be a plain word, not a list or a mapping")
            elif key.tag == f"{_TAG}merge":
                for name, entry in self.merge(value, path):
                    merged.setdefault(name, entry)
            else:
                self.add(own, key, value, (*path, key.value))
        return own | {name: entry for name, entry in merged.items() if name not in own}

    def add(self, own: dict[str, Entry], key: yaml.ScalarNode, value: yaml.Node, path: Path) -> None:
        entry = Entry(self.place(key.start_mark), self.build(value, path))
        first = own.setdefault(self.text(key, path), entry)
        if first is not entry:
            self.complain(
                path, key.start_mark, f"the key '{key.value}' stands twice; it stands first in line {first.place.line}"
            )

    def merge(self, node: yaml.Node, path: Path) -> Iterator[tuple[str, Entry]]:
        """Entries of `<<: *alias` or `<<: [*a, *b]`, the first of equal keys first."""
        self.merges += 1
        if self.merges > MAX_MERGES:
            raise self.fatal(f"more than {MAX_MERGES} merge keys (<<)", node.start_mark)
        for part in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if isinstance(part, yaml.MappingNode):
                yield from self.build(part, path).value.items()
            else:
                self.complain(path, part.start_mark, "a merge key (<<) takes a mapping, such as *alias")

    def text(self, node: yaml.ScalarNode, path: Path) -> str:
        text = str(node.value)
        if any("\ud800" <= character <= "\udfff" for character in text):
            self.complain(path[:-1], node.start_mark, "this text holds half of a surrogate pair, which is no character")
            return text.encode("utf-8", "replace").decode()
        return text

    def scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        kind, text = node.tag.removeprefix(_TAG), str(node.value)
        try:
            if kind in ("str", "merge", "value"):
                return self.text(node, (*path, ""))
            if kind == "null":
                return None
            if kind == "bool":
                return {"true": True, "false": False}[text.lower()]
            if kind == "int":
                return _integer(text)
            if kind == "float":
                return _finite(text)
        except (ValueError, KeyError) as error:
            reason = str(error) if isinstance(error, _NotANumber) else f"{text!r} is no {kind}"
            self.complain(path, node.start_mark, reason)
            return None
        return self.foreign(node, path)


class _NotANumber(ValueError):
    """A number that cannot be used; the text says why."""


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise _NotANumber(f"a number of {len(text)} digits is too long; at most {MAX_DIGITS}")
    return int(text, 0 if text[:2] in ("0x", "0o") else 10)


def _finite(text: str) -> float:
    value = float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    if not math.isfinite(value):
        raise _NotANumber(f"{text} is not a finite number; every number of a protocol must be finite")
    return value


def _explain(error: yaml.MarkedYAMLError) -> str:
    """PyYAML's message in the words of somebody who writes a protocol."""
    problem = error.problem or "it cannot be read"
    if "'\\t'" in problem:
        return "a tab stands where YAML wants spaces; indent with spaces"
    if "mapping values are not allowed" in problem:
        return "a ':' does not belong here; quote text that holds ': ', and check the indentation"
    context = f" ({error.context})" if error.context else ""
    return f"this is not valid YAML: {problem}{context}"
