"""Must criteria that a protocol takes over from what it extends and does not keep: removed, lowered, or of another quantity.

The files of a chain are looked at one after the other, the eldest first, and the overrides last. What any of them demands
is a promise that those after it can break; the last one that breaks it is named. A later one that restores the criterion
with its first level and quantity keeps the promise.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mdprotocol.protocol.loader import Node
from mdprotocol.verdicts import Level

DROPPED = "dropped"
"""Key of a resolved protocol under which they are listed; no child can empty it."""


@dataclass
class Promises:
    """Must criteria so far, and how those that are gone went."""

    metrics: dict[str, str] = field(default_factory=dict)
    """Name of every `must` criterion -> the quantity that it measured first, as `<type>.<quantity>`."""
    listed: dict[str, str] = field(default_factory=dict)
    """What files say themselves that they have dropped: resolved protocols do."""
    broken: dict[str, str] = field(default_factory=dict)

    def compare(self, root: Node, where: str) -> None:
        """Look at the document as it is after one more file or the overrides.

        Args:
            where: `in child.yaml`, `by --set`.
        """
        for name, metric in self.metrics.items():
            how = _broken(root, name, metric)
            if how is None:
                self.broken.pop(name, None)
            elif not self.broken.get(name, "").startswith(f"{how} "):  # else it was so before
                self.broken[name] = f"{how} {where}"

    def promise(self, root: Node) -> None:
        """Take note of what the document demands now."""
        criteria = _mapping(root, "criteria")
        for name in criteria:
            if _text(root, "criteria", name, "level") == Level.MUST:
                self.metrics.setdefault(name, _quantity(root, name))

    def take_over(self, file: Node) -> None:
        """Take note of what a file lists itself, before anything is merged over it."""
        for name in _mapping(file, DROPPED):
            how = _text(file, DROPPED, name)
            if how:
                self.listed.setdefault(name, how)

    def dropped(self) -> dict[str, str]:
        """Name -> how: `null in child.yaml`, `nice instead of must by --set`."""
        return self.listed | self.broken


def _broken(root: Node, name: str, metric: str) -> str | None:
    if name not in _mapping(root, "criteria"):
        return "null"
    level, quantity = _text(root, "criteria", name, "level"), _quantity(root, name)
    if level != Level.MUST:
        return f"{level or 'no level'} instead of {Level.MUST}"
    return None if quantity == metric else f"measures {quantity} instead of {metric}"


def _quantity(root: Node, criterion: str) -> str:
    """What a criterion measures, by the type of its metric: an entry of `metrics:` may change under its name."""
    metric, dot, quantity = _text(root, "criteria", criterion, "metric").partition(".")
    kind = _text(root, "metrics", metric) or _text(root, "metrics", metric, "type") or metric
    return f"{kind}{dot}{quantity}"


def _mapping(root: Node, *path: str) -> dict[str, object]:
    """Names under a path whose value is not null; none where there is no mapping."""
    value = _at(root, path)
    found = value if isinstance(value, dict) else {}
    return {name: entry for name, entry in found.items() if entry.node.value is not None}


def _text(root: Node, *path: str) -> str:
    """The text at a path; empty where there is none."""
    value = _at(root, path)
    return value if isinstance(value, str) else ""


def _at(root: Node, path: tuple[str, ...]) -> object:
    value: object = root.value
    for part in path:
        entry = value.get(part) if isinstance(value, dict) else None
        if entry is None:
            return None
        value = entry.node.value
    return value
