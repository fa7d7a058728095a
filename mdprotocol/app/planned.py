"""What a results folder was made from: `plan.json`, which says for every planned run and probe what its file has to be.

It is written before the first step, and again by every `run`; what is judged, reported or continued is compared with it:

    protocol   the sections that decide on the data (name, seed, models, reference, systems, simulations), as resolved
    contents   of models, reference and systems: their options with digests in place of files, as they were then
    models     digest of each model
    runs       id -> identity of every planned run;  `probes` likewise
    probe_options  options of the metrics of probes
    made_for   identity -> digest of the criteria that stood when it was made, and `criteria` by digest: what has changed
               since is shown with every verdict
    replaced   runs of these models under other seeds or settings whose files have been replaced since, with their outcomes
    seen       conditions that were ever planned here
    looks, dropped  looks that were allowed at the data, and must criteria that were dropped: no file can take them back

A verdict is about files that carry the identities planned here. A protocol that names other data is refused; a checkpoint
that has been replaced since leaves its model without measurements.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mdprotocol.app.sources import Prepared
from mdprotocol.errors import StoreError
from mdprotocol.plan import Plan, Probe, Run, Study
from mdprotocol.plan.contents import contents
from mdprotocol.plan.identity import component_facts, hashed, is_ours
from mdprotocol.protocol import moved
from mdprotocol.protocol.schema import MOST_LOOKS, REFERENCE, Protocol
from mdprotocol.store import ResultsFolder
from mdprotocol.verdicts import Level

FILE = "plan.json"
DATA = ("name", "seed", "models", "reference", "systems", "simulations")
"""Sections of a protocol that decide on the data."""
JUDGING = (
    "criteria", "metrics", "failed_runs", "labels", "recommendations", "least_length_ps", "installation_check", "looks",
)  # fmt: skip
"""Sections of a protocol that decide on the verdict, given the data."""
CODE = "code_of_metrics"
"""Beside them, a digest of the code of each metric that does not come with this program."""
UNKNOWN = "unknown"
"""Identity of a planned item of which the folder does not say what its file has to be: no file has it."""


@dataclass(frozen=True)
class Replaced:
    """A run whose file another one has replaced."""

    run: str
    model: str
    model_digest: str
    outcome: str


@dataclass(frozen=True)
class Planned:
    """The content of `plan.json`; see the head of this module."""

    protocol: dict[str, Any]
    contents: dict[str, dict[str, Any]] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    runs: dict[str, str] = field(default_factory=dict)
    probes: dict[str, str] = field(default_factory=dict)
    probe_options: dict[str, Any] = field(default_factory=dict)
    made_for: dict[str, str] = field(default_factory=dict)
    criteria: dict[str, dict[str, Any]] = field(default_factory=dict)
    replaced: dict[str, Replaced] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    looks: int = 1
    dropped: dict[str, str] = field(default_factory=dict)


_READER: TypeAdapter[Planned] = TypeAdapter(Planned)


def read_planned(folder: ResultsFolder) -> Planned | None:
    """What the folder was made from; None where it does not say so.

    Raises:
        StoreError: the file is damaged.
    """
    facts = folder.read_facts(FILE)
    if not facts:
        return None
    try:
        return _READER.validate_python(facts)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise StoreError(f"{folder.root / FILE} is damaged: {where}: {first['msg']}") from None


def write_planned(prepared: Prepared, plan: Plan, folder: ResultsFolder, others: Sequence[ResultsFolder] = ()) -> None:
    """Keep what is about to be made, before the first step; what is known of data that is there already stays known.

    Args:
        others: folders from which finished runs may be taken over, with the criteria that stood when they were made.
    """
    before = read_planned(folder) or Planned(protocol={})
    donors = [(other, _readable(other)) for other in others]
    sources = [before, *(planned for _, planned in donors if planned is not None)]
    now = judged_by(plan.study)
    items: tuple[Run | Probe, ...] = (*plan.probes, *plan.runs)
    made_for = dict(_made_for(items, folder, before, donors, hashed(now)))
    sets = {digest: found for source in reversed(sources) for digest, found in source.criteria.items()}
    planned = Planned(
        protocol=section(moved_into(prepared, folder), DATA),
        contents=contents_of(prepared),
        models={item.model: item.model_digest for item in items},
        runs={run.id: run.identity for run in plan.runs},
        probes={probe.id: probe.identity for probe in plan.probes},
        probe_options={probe.metric: _options(probe) for probe in plan.probes},
        made_for=before.made_for | made_for,
        criteria={**sets, hashed(now): now},
        replaced=before.replaced | dict(_about_to_be_replaced(plan, folder)),
        seen=sorted({*before.seen, *map(_condition, items)}),
        looks=max(before.looks, prepared.protocol.looks),
        dropped=before.dropped | prepared.protocol.dropped,
    )
    folder.write_json(FILE, asdict(planned))


def _readable(folder: ResultsFolder) -> Planned | None:
    with contextlib.suppress(StoreError):
        return read_planned(folder)
    return None


def _made_for(
    items: Iterable[Run | Probe],
    folder: ResultsFolder,
    own: Planned,
    donors: Sequence[tuple[ResultsFolder, Planned | None]],
    now: str,
) -> Iterator[tuple[str, str]]:
    """Identity -> digest of the criteria that stood when it was made; empty where that is not known."""
    work = folder.path("work")
    begun = work.is_dir() and any(work.iterdir())
    for item in items:
        if item.model == REFERENCE:
            continue
        there = folder.identity(item.path) == item.identity
        if (there or begun) and item.identity in own.made_for:
            yield item.identity, own.made_for[item.identity]
        elif there:
            yield item.identity, ""
        else:
            holding = [planned for other, planned in donors if _holds(other, item)]
            taken = [planned.made_for.get(item.identity, "") if planned else "" for planned in holding]
            yield item.identity, taken[0] if taken else now


def _holds(folder: ResultsFolder, item: Run | Probe) -> bool:
    """Whether a folder has this very run, which may then be taken over; probes never are."""
    with contextlib.suppress(StoreError):  # its path leads out of the folder
        return isinstance(item, Run) and folder.identity(item.path) == item.identity
    return False


def _condition(item: Run | Probe) -> str:
    return f"{item.model}/{item.system}" + (f"/{item.simulation}" if isinstance(item, Run) else "")


def _options(probe: Probe) -> Any:
    return probe.component.model_dump(mode="json")


def as_known(prepared: Prepared, planned: Planned | None) -> Prepared:
    """The protocol with what the folder knows and a file cannot take back: looks made at the data, criteria dropped."""
    if planned is None:
        return prepared
    protocol = prepared.protocol
    must = {name for name, criterion in protocol.criteria.items() if criterion.level is Level.MUST}
    dropped = {name: how for name, how in planned.dropped.items() if name not in must} | protocol.dropped
    looks = min(MOST_LOOKS, max(protocol.looks, planned.looks))
    return replace(prepared, protocol=protocol.model_copy(update={"looks": looks, "dropped": dropped}))


def judged_by(study: Study) -> dict[str, Any]:
    """What decides on the verdict, given the data: sections of the protocol, and the code of metrics that are not ours."""
    code = {name: component_facts(metric)["code"] for name, metric in study.metrics.items() if not is_ours(metric)}
    return section(study.protocol, JUDGING) | ({CODE: code} if code else {})


def _about_to_be_replaced(plan: Plan, folder: ResultsFolder) -> Iterator[tuple[str, Replaced]]:
    for run in plan.runs:
        attrs = folder.attributes(run.path)
        if attrs is not None and attrs["identity"] != run.identity and attrs.get("model_digest"):
            outcome = str(attrs.get("outcome", "unknown"))
            yield str(attrs["identity"]), Replaced(run.id, run.model, str(attrs["model_digest"]), outcome)


def section(protocol: Protocol, names: Iterable[str]) -> dict[str, Any]:
    plain = protocol.plain()
    return {name: plain[name] for name in names if name in plain}


def moved_into(prepared: Prepared, folder: ResultsFolder) -> Protocol:
    return moved(prepared.protocol, prepared.base, folder.root)


def contents_of(prepared: Prepared) -> dict[str, dict[str, Any]]:
    """By section and name, the content of every component that can be read now."""
    protocol = prepared.protocol
    sections: dict[str, Mapping[str, Any]] = {
        "models": protocol.models,
        "reference": {REFERENCE: protocol.reference} if protocol.reference is not None else {},
        "systems": protocol.systems,
    }
    return {
        section: {name: found for name, part in parts.items() if (found := contents(part, prepared.base)) is not None}
        for section, parts in sections.items()
    }


def identified(planned: Planned | None, prepared: Prepared, study: Study) -> Study:
    """The same with the identities that the folder was planned with; UNKNOWN where it was not, or a file has changed since."""
    now = contents_of(prepared)
    changed = {
        (section, name)
        for section, parts in (planned.contents if planned else {}).items()
        for name, known in parts.items()
        if name in now.get(section, {}) and _is_changed(known, now[section][name])
    }

    def identity(item: Run | Probe, known: Mapping[str, str]) -> str:
        parts = {("models", item.model), ("systems", item.system)}
        if item.model == REFERENCE or _asks_reference(item):
            parts.add((REFERENCE, REFERENCE))
        other = isinstance(item, Probe) and planned and planned.probe_options.get(item.metric) != _options(item)
        return UNKNOWN if parts & changed or other else known.get(item.id, UNKNOWN)

    known_runs, known_probes = (planned.runs, planned.probes) if planned else ({}, {})
    digests = planned.models if planned else {}
    return replace(
        study,
        runs=tuple(
            replace(run, identity=identity(run, known_runs), model_digest=digests.get(run.model, ""))
            for run in study.runs
        ),
        probes=tuple(
            replace(probe, identity=identity(probe, known_probes), model_digest=digests.get(probe.model, ""))
            for probe in study.probes
        ),
    )


def _is_changed(known: Any, now: Mapping[str, Any]) -> bool:
    """Whether a component is another one now; files that are not at hand here have not changed."""
    files = known.get("files", []) if isinstance(known, dict) else []
    return bool(known != now and len(now["files"]) >= len(files))


def _asks_reference(item: Run | Probe) -> bool:
    return item.settings.reference_every > 0 if isinstance(item, Run) else item.component.needs_reference


def measured_for(study: Study) -> str:
    """Digest of all that measurements depend on: files by identity, metrics with their options, what labels are asked for."""
    return hashed(
        {
            "runs": {run.id: run.identity for run in study.runs},
            "probes": {probe.id: probe.identity for probe in study.probes},
            "metrics": {name: component_facts(metric) for name, metric in study.metrics.items()},
            "labels": section(study.protocol, ("labels",)),
        }
    )
