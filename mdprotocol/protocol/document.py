"""A protocol file as plain data with the place of every key and value: `extends` merged, `--set` overrides applied."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from mdprotocol.errors import Problem, ProtocolError
from mdprotocol.protocol.dropped import Promises
from mdprotocol.protocol.layers import Layers
from mdprotocol.protocol.loader import MAX_BYTES, Entry, Node, load
from mdprotocol.protocol.overrides import FILE as OVERRIDE
from mdprotocol.protocol.overrides import apply_override
from mdprotocol.protocol.places import Path, Place, dotted

MAX_CHAIN = 16


@dataclass(frozen=True)
class Document:
    """A protocol as plain data.

    Attributes:
        path: the file as the user gave it.
        data: dicts, lists, text, numbers, booleans and null.
        values, keys: place of every value, and of the key that it stands under.
        problems: what is wrong with the text itself and does not keep the rest from being checked.
        removals: paths of a null that replaced something; where null is not allowed, it removes the key.
        dropped: must criteria of what the file extends that it or an override drops or lowers, and how.
        layers: what the files that it extends had, and which of them they are.
    """

    path: FilePath
    data: Mapping[str, Any]
    values: Mapping[Path, Place]
    keys: Mapping[Path, Place]
    problems: tuple[Problem, ...] = ()
    removals: frozenset[Path] = field(default=frozenset())
    dropped: Mapping[str, str] = field(default_factory=dict)
    layers: Layers = field(default_factory=Layers)

    @property
    def base(self) -> FilePath:
        """Folder of the protocol, against which its relative paths are read."""
        return self.path.parent

    @property
    def plugins(self) -> list[str]:
        """The `plugins:` list, as far as it is well formed."""
        listed = self.data.get("plugins")
        return [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []

    def place(self, path: Path, *, key: bool = False) -> Place:
        """Place of a value (or of its key); of the nearest part around it where the path does not exist."""
        while path not in self.values:
            path = path[:-1]
            # The start of a mapping is the place of its first key, which would mislead: its own key is meant.
            key = key or any(other[:-1] == path for other in self.values if other)
        first, second = (self.keys, self.values) if key else (self.values, self.keys)
        return first.get(path) or second[path]

    def problem(self, path: Path, message: str, *, key: bool = False) -> Problem:
        """A problem at a place of this document."""
        place = self.place(path, key=key)
        return Problem(place.file, place.line, place.column, dotted(path), message)


def read_document(path: FilePath | str, overrides: Sequence[str] = ()) -> Document:
    """Read a protocol file with everything that it extends, then apply overrides such as `seed=7`.

    Raises:
        ProtocolError: a file cannot be read or is not YAML, or an override is wrong; with the place.
    """
    path = FilePath(path)
    reader = _Reader()
    root = reader.chain(path)
    for text in overrides:
        root = apply_override(root, text, reader.problems, reader.removals)
    reader.promises.compare(root, f"by {OVERRIDE}")
    values: dict[Path, Place] = {}
    keys: dict[Path, Place] = {}
    data = _flatten(root, (), values, keys)
    removals = frozenset(reader.removals & keys.keys())
    dropped = reader.promises.dropped()
    return Document(path, data, values, keys, tuple(reader.problems), removals, dropped, reader.layers)


def _flatten(node: Node, path: Path, values: dict[Path, Place], keys: dict[Path, Place]) -> Any:
    values[path] = node.place
    if isinstance(node.value, dict):
        keys.update({(*path, name): entry.place for name, entry in node.value.items()})
        return {name: _flatten(entry.node, (*path, name), values, keys) for name, entry in node.value.items()}
    if isinstance(node.value, list):
        return [_flatten(item, (*path, index), values, keys) for index, item in enumerate(node.value)]
    return node.value


class _Reader:
    """Reads a chain of files, each extending the next."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.removals: set[Path] = set()
        self.open: list[FilePath] = []
        self.promises = Promises()
        self.layers = Layers()

    def chain(self, path: FilePath, origin: Place | None = None) -> Node:
        """The file merged over all that it extends; `origin` is the `extends` that named it."""
        root = own = self.file(path, origin)
        parent = own.value.pop("extends", None)
        if parent is not None and parent.node.value is not None:
            self.open.append(path.resolve())
            elder = self.chain(self.parent(path, parent.node), parent.node.place)
            root = merge(self.without_replaced(elder, own), own, (), self.removals)
            self.promises.compare(root, f"in {path.name}")
        elif "replaces" in own.value:
            raise self.fatal(
                own.value["replaces"].place,
                "replaces",
                "this file extends no other, of which it could replace anything",
            )
        self.promises.promise(root)
        self.promises.take_over(own)
        self.layers.add(str(path), root)
        return root

    def without_replaced(self, elder: Node, own: Node) -> Node:
        """What is extended, without the sections that the file replaces as a whole."""
        entry = own.value.pop("replaces", None)
        if entry is None or entry.node.value is None:
            return elder
        listed = entry.node.value if isinstance(entry.node.value, list) else [entry.node]
        for item in listed:
            if not isinstance(item.value, str) or item.value not in own.value:
                what = "it takes names of sections that this file has, such as [systems]"
                raise self.fatal(item.place, "replaces", what)
        names = {item.value for item in listed}
        return Node({name: found for name, found in elder.value.items() if name not in names}, elder.place)

    def parent(self, path: FilePath, node: Node) -> FilePath:
        if not isinstance(node.value, str) or not node.value or os.path.isabs(node.value):
            raise self.fatal(node.place, "extends", "it must be the path of another protocol, relative to this file")
        target = FilePath(os.path.normpath(path.parent / node.value))
        if target.resolve() in self.open:
            names = " -> ".join(p.name for p in [*self.open, target])
            raise self.fatal(node.place, "extends", f"the protocols extend each other in a circle: {names}")
        if len(self.open) >= MAX_CHAIN:
            raise self.fatal(node.place, "extends", f"more than {MAX_CHAIN} protocols extend each other")
        return target

    def file(self, path: FilePath, origin: Place | None) -> Node:
        text = self.text(path, origin)
        try:
            node, problems = load(text, str(path))
        except ProtocolError as error:
            raise ProtocolError([*self.problems, *error.problems]) from None
        self.problems += problems
        if not isinstance(node.value, dict):
            what = "the file is empty" if node.value is None else "the file does not hold a mapping"
            raise self.fatal(node.place, "", f"{what}; a protocol has keys such as `models:` and `criteria:`")
        return node

    def text(self, path: FilePath, origin: Place | None) -> str:
        place = origin or Place(str(path), 1, 1)
        key = "extends" if origin else ""
        try:
            with path.open("rb") as stream:
                raw = stream.read(MAX_BYTES + 1)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise self.fatal(place, key, f"{path} cannot be read: {reason}") from None
        if len(raw) > MAX_BYTES:
            raise self.fatal(place, key, f"{path} is larger than {MAX_BYTES:,} bytes")
        try:
            return raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            before = raw[: error.start].decode("utf-8-sig", "replace")
            at = Place(str(path), before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1)
            raise self.fatal(at, "", "the file is not UTF-8 text") from None

    def fatal(self, place: Place, path: str, message: str) -> ProtocolError:
        return ProtocolError([*self.problems, Problem(place.file, place.line, place.column, path, message)])


def merge(parent: Node, child: Node, path: Path, removals: set[Path]) -> Node:
    """The child over the parent: mappings key by key, everything else replaced.

    A mapping whose `type` differs replaces the parent's, because options of one plugin mean nothing to another. A null
    over something is noted in `removals`.
    """
    if child.value is None:
        removals.add(path)
        return child
    if not (isinstance(parent.value, dict) and isinstance(child.value, dict)) or _other_type(parent, child):
        return child
    return Node(dict(_merged(parent, child, path, removals)), child.place)


def _merged(parent: Node, child: Node, path: Path, removals: set[Path]) -> Iterator[tuple[str, Entry]]:
    for name, entry in parent.value.items():
        own = child.value.get(name)
        yield name, entry if own is None else Entry(own.place, merge(entry.node, own.node, (*path, name), removals))
    yield from ((name, entry) for name, entry in child.value.items() if name not in parent.value)


def _other_type(parent: Node, child: Node) -> bool:
    types = [node.value["type"].node.value for node in (parent, child) if "type" in node.value]
    return len(types) == 2 and types[0] != types[1]
