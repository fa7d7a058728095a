"""The plan: everything that will be done, with every check that needs no simulation."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mdprotocol.contracts import Metric, Model, Structure
from mdprotocol.contracts.properties import STABILITY
from mdprotocol.errors import MDProtocolError, asked_to_stop, told
from mdprotocol.plan.batches import make_batches, make_probe_batches
from mdprotocol.plan.carried import check_carried
from mdprotocol.plan.findings import Findings
from mdprotocol.plan.identity import (
    Digests,
    hashed,
    model_facts,
    probe_identity,
    run_identity,
    settings_facts,
    structure_facts,
)
from mdprotocol.plan.itself import is_reference
from mdprotocol.plan.sources import sources_of, warn_failures, warn_untouched
from mdprotocol.plan.structures import sound_structure
from mdprotocol.plan.study import Study, make_study
from mdprotocol.plan.twice import find_equal_runs, find_pooled_twice, warn_equal_seeds
from mdprotocol.plan.types import Plan, Probe, Run
from mdprotocol.protocol.document import Document
from mdprotocol.protocol.files import missing_files
from mdprotocol.protocol.schema import REFERENCE, Protocol
from mdprotocol.registry import Registry


def make_plan(protocol: Protocol, base: Path, registry: Registry, document: Document | None = None) -> Plan:
    """Plan a protocol: structures, runs, probes, identities, batches, and what each criterion is measured from.

    Args:
        base: folder of the protocol, for relative paths.
        document: gives problems their places in the file.

    Raises:
        ProtocolError: all problems at once: a missing checkpoint, a system that cannot be built, a duration that is no
            whole number of steps, a criterion that could never be measured, a run that would be counted twice.
    """
    findings = Findings(document)
    models = protocol.models | ({REFERENCE: protocol.reference} if protocol.reference else {})
    facts = {name: _model_facts(name, model, base, findings) for name, model in models.items()}
    _find_copies(protocol, facts, findings)
    for name, how in protocol.dropped.items():
        findings.warn(("criteria", name), f"this must criterion was dropped or lowered: {how}")
    for place, why in protocol.left_out.items():
        findings.warn(tuple(place.split(".", 1)), f"left out: {why}")
    structures = _structures(protocol, base, findings)
    study = make_study(protocol, registry, findings)
    _inspect(models, base, structures, study.items, findings)
    sources = sources_of(study, findings)
    if any(STABILITY in cls.tests for cls in registry.classes("metrics") if issubclass(cls, Metric)):
        warn_failures(study, findings)
        warn_untouched(study, findings)
    findings.raise_problems()
    digests = {name: hashed(fact) for name, fact in facts.items()}
    study = _identified(study, digests, structures)
    find_equal_runs(study.runs, findings)
    findings.raise_problems()
    find_pooled_twice(study, structures, findings)
    warn_equal_seeds(study, findings)
    findings.raise_problems()
    reference = (protocol.reference, structures, base, digests.get(REFERENCE, ""))
    return Plan(
        study=study,
        batches=make_batches(study.runs, models, *reference),
        probe_batches=make_probe_batches(study.probes, models, *reference),
        structures=structures,
        sources=sources,
        warnings=tuple(dict.fromkeys(findings.warnings)),
    )


def _model_facts(name: str, model: Model, base: Path, findings: Findings) -> Any:
    path = ("reference",) if name == REFERENCE else ("models", name)
    problems = list(missing_files(model, base))
    for field, message in problems:
        findings.error((*path, field) if field else path, message, key=not field)
    if problems:
        return None
    with _plugin_asked(path, findings):
        try:
            return model_facts(model, base)
        except OSError as error:
            findings.error(path, f"its files cannot be read: {error}", key=True)
    return None


def _inspect(
    models: Mapping[str, Model],
    base: Path,
    structures: Mapping[str, Structure],
    items: Iterable[Run | Probe],
    findings: Findings,
) -> None:
    """Ask each model whether its files are sound and whether it knows the structures that it is planned for."""
    met: dict[str, dict[str, Structure]] = {name: {} for name in models}
    for item in items:
        met[item.model][item.system] = structures[item.system]
    for name, model in models.items():
        path = (REFERENCE,) if name == REFERENCE else ("models", name)
        with _plugin_asked(path, findings):
            for reason in model.inspect(base, list(met[name].values())):
                findings.error(path, reason, key=True)


def _find_copies(protocol: Protocol, facts: Mapping[str, Any], findings: Findings) -> None:
    """A model that is the reference must look like it, or its comparison with itself would not be noticed."""
    for name in protocol.models:
        if facts[name] is not None and facts[name] == facts.get(REFERENCE) and not is_reference(protocol, name):
            text = (
                "has the options and the files of the reference; give both the same path, so that they are seen as one"
            )
            findings.error(("models", name), text, key=True)


def _structures(protocol: Protocol, base: Path, findings: Findings) -> dict[str, Structure]:
    structures: dict[str, Structure] = {}
    for name, source in protocol.systems.items():
        with _plugin_asked(("systems", name), findings):
            structures[name] = sound_structure(source.build(name, base))
            check_carried(name, structures[name], findings)
    return structures


@contextlib.contextmanager
def _plugin_asked(path: tuple[str, ...], findings: Findings) -> Iterator[None]:
    """What goes wrong in a plugin is a problem at the place that names it."""
    try:
        yield
    except MDProtocolError as error:
        findings.error(path, str(error), key=True)
    except BaseException as error:
        if asked_to_stop(error):
            raise
        findings.error(path, f"its plugin raised {told(error)}", key=True)


def _identified(study: Study, models: Mapping[str, str], structures: Mapping[str, Structure]) -> Study:
    shapes = {name: hashed(structure_facts(structure)) for name, structure in structures.items()}
    settings = Digests(settings_facts)
    teacher = models.get(REFERENCE, "")

    def identify(run: Run) -> Run:
        identity = run_identity(run, models[run.model], teacher, shapes[run.system], settings(run.settings))
        return replace(run, identity=identity, model_digest=models[run.model])

    def identify_probe(probe: Probe) -> Probe:
        identity = probe_identity(probe, models[probe.model], teacher, shapes[probe.system])
        return replace(probe, identity=identity, model_digest=models[probe.model])

    return replace(study, runs=tuple(map(identify, study.runs)), probes=tuple(map(identify_probe, study.probes)))
