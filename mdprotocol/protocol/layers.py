"""What the files of a chain of `extends` define, so that a base's mention of what its child has replaced is no mistake."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from mdprotocol.protocol.loader import Node
from mdprotocol.protocol.timesteps import expanded

SECTIONS = ("systems", "simulations", "criteria", "reference")


@dataclass
class Layers:
    """Files of a chain, the eldest first, with the names that the protocol had once each was merged in."""

    files: list[str] = field(default_factory=list)
    names: list[frozenset[tuple[str, str]]] = field(default_factory=list)
    """(section, name); a simulation with a list of time steps has its expanded names too; the reference has none."""

    def add(self, file: str, root: Node) -> None:
        """Take note of a file, given all of the document up to it."""
        self.files.append(file)
        self.names.append(frozenset(_names(root)))

    def is_base(self, file: str) -> bool:
        """Whether a place in this file is one of a base, and not of the protocol's own file or of an override."""
        return file in self.files[:-1]

    def lost(self, file: str, section: str, name: str = "") -> bool:
        """Whether this file is a base, and what it names was there when it was written, or when it was extended.

        That it is not there now is for the caller to know.
        """
        if not self.is_base(file):
            return False
        return any((section, name) in names for names in self.names[self.files.index(file) : -1])


def _names(root: Node) -> Iterator[tuple[str, str]]:
    for section in SECTIONS:
        entry = root.value.get(section) if isinstance(root.value, dict) else None
        if entry is None or entry.node.value is None:
            continue
        if section == "reference":
            yield section, ""
        elif isinstance(entry.node.value, dict):
            for name, found in entry.node.value.items():
                if found.node.value is not None:
                    yield section, name
                    yield from ((section, full) for full in _expanded(name, found.node))


def _expanded(name: str, simulation: Node) -> Iterator[str]:
    steps = simulation.value.get("timestep_fs") if isinstance(simulation.value, dict) else None
    if steps is not None and isinstance(steps.node.value, list):
        numbers = [step.value for step in steps.node.value if isinstance(step.value, int | float)]
        yield from (full for full, _ in expanded(name, numbers))
