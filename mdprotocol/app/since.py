"""What differs from when the data was made: criteria and metrics, and runs that lie beside those that are planned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mdprotocol.app.disagreement import shown
from mdprotocol.app.planned import CODE, JUDGING, Planned, judged_by
from mdprotocol.plan import Run, Study
from mdprotocol.store import ResultsFolder


def changed_criteria(planned: Planned | None, study: Study) -> tuple[str, ...]:
    """What is judged otherwise than it was to be when the data was made: `drift.max 1 → 1e9`, `no_crash removed`."""
    if planned is None:
        return ()
    now, found = judged_by(study), dict[str, None]()
    identities = dict.fromkeys((*planned.runs.values(), *planned.probes.values()))
    digests = [planned.made_for[identity] for identity in identities if identity in planned.made_for]
    for digest in dict.fromkeys(digests):
        if digest in planned.criteria:
            found |= dict.fromkeys(_all_changes(planned.criteria[digest], now))
        else:
            count = digests.count(digest)
            found[f"the criteria that stood when {count} runs and probes were made are not known"] = None
    planned_now = {tuple(item.split("/")[1:-1]) for item in planned.runs} | {
        tuple(item.split("/")[1:-1]) for item in planned.probes
    }
    gone = [seen for seen in planned.seen if seen.split("/")[0] in study.protocol.models]
    found |= {f"{seen} no longer planned": None for seen in gone if tuple(seen.split("/")) not in planned_now}
    return tuple(found)


def _all_changes(old: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for section in JUDGING:
        before, after = old.get(section), now.get(section)
        if section == "looks":
            # More looks are stricter, and `run --until-decided` asks for them.
            fewer = isinstance(before, int) and isinstance(after, int) and after < before
            yield from [f"looks {before} → {after}"] if fewer else []
        elif section in now:
            yield from _changes(() if section == "criteria" else (section,), before, after)
    code, code_now = old.get(CODE, {}), now.get(CODE, {})
    yield from (f"code of metric {name} changed" for name in code if code_now.get(name, code[name]) != code[name])


def first_criteria(planned: Planned | None) -> dict[str, Any]:
    """The criteria that stood when the first of the planned data was made, as far as they are known."""
    if planned is None:
        return {}
    digests = (planned.made_for.get(identity, "") for identity in (*planned.runs.values(), *planned.probes.values()))
    return next((planned.criteria[digest] for digest in digests if digest in planned.criteria), {})


def _changes(path: tuple[str, ...], old: Any, new: Any) -> Iterator[str]:
    if old == new:
        return
    name = ".".join(path)
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys((*old, *new)):
            yield from _changes((*path, str(key)), old.get(key), new.get(key))
    elif new is None and isinstance(old, dict):
        yield f"{name} removed"
    elif old is None and isinstance(new, dict):
        yield f"{name} added"
    elif isinstance(old, list) and isinstance(new, list):
        yield f"{name} changed"
    else:
        yield f"{name} {shown(old)} → {shown(new)}"


def further_runs(planned: Planned | None, runs: Sequence[Run], folder: ResultsFolder) -> dict[str, str]:
    """By model, how many of its runs are or were here under other seeds or settings, and how many of them failed."""
    wanted = {run.identity for run in runs}
    seen: dict[str, tuple[str, str, str]] = {
        identity: (one.model, one.model_digest, one.outcome)
        for identity, one in (planned.replaced if planned else {}).items()
    }
    for _, attrs in folder.runs():
        facts = (str(attrs.get("model")), str(attrs.get("model_digest", "")), str(attrs.get("outcome", "")))
        seen[str(attrs["identity"])] = facts
    digests = planned.models if planned else {}
    found: dict[str, tuple[int, int]] = {}
    for identity, (model, digest, outcome) in seen.items():
        if identity not in wanted and digests.get(model) == digest:
            count, failed = found.get(model, (0, 0))
            found[model] = count + 1, failed + (outcome == "failed")
    return {
        model: f"{count} further run{'s' * (count > 1)} of this model under other seeds or settings, {failed} failed"
        for model, (count, failed) in found.items()
    }
