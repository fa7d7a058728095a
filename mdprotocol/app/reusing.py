"""Finished runs of other results folders, taken over where they are the very runs that are planned: `run --reuse`.

A run's identity says all that determines its numbers, so a run of equal identity need not be computed twice: protocols
that differ in the model share the reference's own trajectories. A file is taken only where its seal is whole and both its
identity and its place in the plan are those wanted; it is copied bit by bit. The provenance lists what came from where. It
is written before the copies, and what is not there, or not any more, is struck off before and after anything is computed,
so that no kill makes it say of a run that was computed here that it was not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mdprotocol.app.sources import existing
from mdprotocol.engine.events import Notice
from mdprotocol.errors import StoreError, UsageError
from mdprotocol.plan.types import Run
from mdprotocol.report.provenance import PROVENANCE, read_provenance
from mdprotocol.store import ResultsFolder

REUSED = "reused"
OF_A_DONOR = ("protocol", "date", "commit", "versions", "hardware")
"""What our provenance repeats of a donor's."""


def donors(paths: Sequence[Path], into: Path) -> tuple[ResultsFolder, ...]:
    """The folders whose runs may be taken.

    Raises:
        UsageError: one is no results folder, or is the one that is written into.
    """
    for path in paths:
        if path.resolve() == into.resolve():
            raise UsageError(f"--reuse {path} is the results folder itself; what is finished there is never run again")
    return tuple(existing(path) for path in paths)


def reuse(
    runs: Sequence[Run], folder: ResultsFolder, others: Sequence[ResultsFolder], on_event: Callable[[Any], None]
) -> int:
    """Take over what is planned, missing, and finished in one of the others, in this order; the number of runs taken."""
    strike_off(folder)
    noted, taken = reused(folder), 0
    for other in others:
        found = [run for run in runs if folder.identity(run.path) != run.identity and _is(run, other)]
        if found:
            noted = _with(noted, other, found)
            _note(folder, noted)
            count = sum(_take(run, folder, other) for run in found)
            on_event(Notice("reuse", f"{count} finished runs are taken over from {other.root}"))
            noted, taken = strike_off(folder), taken + count
    return taken


def strike_off(folder: ResultsFolder) -> list[dict[str, Any]]:
    """Take off the list what was noted and never copied, or has been replaced since; the list that is left."""
    noted = reused(folder)
    left = _still_there(noted, folder)
    if left != noted:
        _note(folder, left)
    return left


def reused(folder: ResultsFolder) -> list[dict[str, Any]]:
    """What the provenance says was taken over: an entry for each folder, with the identities of its runs."""
    entries: list[dict[str, Any]] = read_provenance(folder).get(REUSED, [])
    return entries


# ----------------------------------------------------------------------------------------------------------- one run


def _is(run: Run, other: ResultsFolder) -> bool:
    """Whether another folder has this very run, finished and whole."""
    try:
        return _wanted(run)(other.attributes(run.path) or {})
    except StoreError:  # its path leads out of the folder
        return False


def _take(run: Run, folder: ResultsFolder, other: ResultsFolder) -> bool:
    taken = folder.take_over(run.path, other, _wanted(run))
    if taken:
        folder.forget_problem(run.id)
    return taken


def _wanted(run: Run) -> Callable[[Mapping[str, Any]], bool]:
    """Whether a file's attributes are those of this run. Names are no part of an identity, but stand in the file."""
    named = {
        "identity": run.identity,
        "model": run.model,
        "system": run.system,
        "simulation": run.simulation,
        "temperature_K": run.temperature_K,
        "replica": run.replica,
        "seed": str(run.seed),
    }
    return lambda attrs: all(attrs.get(name) == value for name, value in named.items())


# ------------------------------------------------------------------------------------------------------- provenance


def _still_there(noted: Sequence[Mapping[str, Any]], folder: ResultsFolder) -> list[dict[str, Any]]:
    """The entries with those of their runs whose file is the one that was noted."""
    kept = []
    for entry in noted:
        runs = {run: known for run, known in entry["runs"].items() if _identity(folder, run) == known}
        if runs:
            kept.append({**entry, "runs": runs})
    return kept


def _identity(folder: ResultsFolder, run: str) -> str | None:
    try:
        return folder.identity(run + ".nc")
    except StoreError:
        return None


def _with(noted: Sequence[Mapping[str, Any]], other: ResultsFolder, runs: Sequence[Run]) -> list[dict[str, Any]]:
    """The entries with these runs of a folder; what was taken from it before is in the same entry."""
    name = str(other.root)
    earlier: dict[str, Any] = next((entry["runs"] for entry in noted if entry.get("from") == name), {})
    new = {run.id: run.identity for run in runs}
    rest = [{**e, "runs": {r: i for r, i in e["runs"].items() if r not in new}} for e in noted if e.get("from") != name]
    return [*rest, {"from": name, **_facts(other), "runs": {**earlier, **new}}]


def _facts(other: ResultsFolder) -> dict[str, Any]:
    try:
        known = read_provenance(other)
    except StoreError:  # its runs are sealed one by one; this is a courtesy
        return {}
    return {name: known[name] for name in OF_A_DONOR if name in known}


def _note(folder: ResultsFolder, noted: Sequence[Mapping[str, Any]]) -> None:
    folder.write_json(PROVENANCE, {**read_provenance(folder), REUSED: list(noted)})
