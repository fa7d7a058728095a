"""Where a protocol and a results folder disagree on the data: they are then not continued, and not judged together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mdprotocol.app.planned import DATA, Planned, contents_of, moved_into, read_planned
from mdprotocol.app.sources import Prepared
from mdprotocol.protocol.schema import REFERENCE
from mdprotocol.protocol.stored import stored_data
from mdprotocol.store import ResultsFolder

COMPONENTS = ("models", "reference", "systems")
MOST_SHOWN = 8


def foreign(prepared: Prepared, folder: ResultsFolder) -> list[str]:
    """What shows that the folder holds the results of another protocol; empty where it may be written into.

    Other seeds, simulations and criteria are still the same protocol, and so is a checkpoint that was trained further
    under its name: its runs are done again. Another name is not, nor is a model, reference or system with other options,
    nor one that has no model in common with it, whose verdict would be replaced and forgotten.
    """
    before = read_planned(folder) or _from_protocol(folder)
    if before is None:
        return []
    found = list(_differences(before, prepared, folder, ("name", *COMPONENTS)))
    models = before.protocol.get("models")
    if isinstance(models, dict) and models and models.keys().isdisjoint(prepared.protocol.models):
        return [line for line, _ in found if line.startswith("models.")]
    return [line for line, kind in found if kind != "alone"]


def differences(planned: Planned, prepared: Prepared, folder: ResultsFolder) -> list[str]:
    """What a protocol would change of the data that the folder holds: `models.m.checkpoint: a → b`."""
    return [line for line, _ in _differences(planned, prepared, folder, DATA)]


def _from_protocol(folder: ResultsFolder) -> Planned | None:
    """As far as a stored protocol says it, for folders without `plan.json`."""
    found = stored_data(folder.path("protocol.yaml"))
    return Planned(protocol=dict(found)) if found else None


def _differences(
    planned: Planned, prepared: Prepared, folder: ResultsFolder, sections: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Differing paths with their values, and `alone` where one side has no component of that name."""
    now, content = moved_into(prepared, folder).plain(), contents_of(prepared)
    for section in sections:
        old, new = planned.protocol.get(section), now.get(section)
        if section in COMPONENTS:
            known = planned.contents.get(section, {})
            yield from _components(section, old, new, known, content.get(section, {}))
        elif section == "simulations":
            yield from ((line, "") for line in _compared((section,), _without_additions(old), _without_additions(new)))
        else:
            yield from ((line, "") for line in _compared((section,), old, new))


def _without_additions(simulations: Any) -> Any:
    """Replicas that were added belong to the data, but are found there and not in the protocol that is given."""
    if not isinstance(simulations, dict):
        return simulations
    return {name: {**s, "additions": []} if isinstance(s, dict) else s for name, s in simulations.items()}


def _components(
    section: str, old: Any, new: Any, known: Mapping[str, Any], now: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    if section == REFERENCE:
        same = REFERENCE in known and known[REFERENCE] == now.get(REFERENCE)
        alone = "alone" if old is None or new is None else ""
        yield from () if same else ((line, alone) for line in _compared((section,), old, new))
        return
    old, new = (part if isinstance(part, dict) else {} for part in (old, new))
    for name in dict.fromkeys((*old, *new)):
        # The same content under another path is the same component.
        if name not in known or known[name] != now.get(name):
            alone = "" if name in old and name in new else "alone"
            yield from ((line, alone) for line in _compared((section, name), old.get(name), new.get(name)))


def _compared(path: tuple[str, ...], old: Any, new: Any) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys((*old, *new)):
            yield from _compared((*path, str(name)), old.get(name), new.get(name))
    elif old != new:
        yield f"{'.'.join(path)}: {shown(old)} → {shown(new)}"


def shown(value: Any) -> str:
    """A value of a protocol in a line."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        text = f"{value:g}" if float(f"{value:g}") == value else repr(value)
        return text.replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")
    text = str(value.get("type", "a mapping")) if isinstance(value, dict) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def listed(lines: Sequence[str]) -> str:
    """Some of the lines, and how many there are beside them."""
    rest = len(lines) - MOST_SHOWN
    return "; ".join(lines[:MOST_SHOWN]) + (f"; and {rest} more" if rest > 0 else "")
