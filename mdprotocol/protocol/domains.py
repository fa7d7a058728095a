"""A base's criteria on the systems of its child: each applies to those of which its quantity says something.

Which these are is the metric's to say (`Metric.inapplicable`), and is written into the resolved protocol as names of
systems. Systems that the base has, or an elder one, are its author's business: only those are asked about that a file
after it has brought.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from mdprotocol.contracts import Metric, ProbeMetric, Structure
from mdprotocol.errors import MDProtocolError, asked_to_stop
from mdprotocol.protocol.document import Document
from mdprotocol.protocol.schema import Criterion, Protocol
from mdprotocol.protocol.timesteps import expanded
from mdprotocol.registry import Registry
from mdprotocol.verdicts import Level


def for_structures(protocol: Protocol, document: Document, registry: Registry) -> Protocol:
    """The protocol with the criteria of its bases on the systems to which they apply, and without those that have none."""
    domains = _Domains(protocol, document, registry)
    criteria, left_out, dropped = dict(protocol.criteria), dict(protocol.left_out), dict(protocol.dropped)
    for name, criterion in protocol.criteria.items():
        reasons = domains.inapplicable(name, criterion)
        systems = domains.systems(criterion) if reasons else []
        applying = [system for system in systems if system not in reasons]
        if reasons and applying:
            criteria[name] = criterion.model_copy(update={"where": {**criterion.where, "system": applying}})
        elif reasons:
            why = "; ".join(dict.fromkeys(reasons.values()))
            del criteria[name]
            if criterion.level is Level.MUST:
                dropped[name] = f"does not apply: {why}"
            else:
                left_out[f"criteria.{name}"] = why
    if len(criteria) == 0:  # a protocol has criteria; planning says what is wrong with these
        return protocol
    return protocol.model_copy(update={"criteria": criteria, "left_out": left_out, "dropped": dropped})


class _Domains:
    def __init__(self, protocol: Protocol, document: Document, registry: Registry) -> None:
        self.protocol, self.document = protocol, document
        self.classes = {cls.type_name(): cls for cls in registry.classes("metrics")}
        self.built: dict[str, Structure | None] = {}

    def inapplicable(self, name: str, criterion: Criterion) -> dict[str, str]:
        """System -> why the criterion says nothing of it, of those that were brought after it."""
        layer, metric = self._layer("criteria", name, "metric"), self._metric(criterion)
        if layer is None or metric is None or type(metric).inapplicable is Metric.inapplicable:
            return {}
        quantity = criterion.metric.partition(".")[2]
        found = {}
        for system in self.systems(criterion):
            brought = self._layer("systems", system, "type", own=True)
            structure = self._structure(system) if brought is not None and brought > layer else None
            why = metric.inapplicable(quantity, structure) if structure is not None else ""
            if why:
                found[system] = why
        return found

    def systems(self, criterion: Criterion) -> list[str]:
        """Systems that a criterion is measured on."""
        named = criterion.where.get("system")
        if named is not None:
            wanted: Iterable[Any] = named if isinstance(named, list) else [named]
        elif isinstance(self._metric(criterion), ProbeMetric):
            wanted = self.protocol.systems
        else:
            wanted = {system for name in self._simulations(criterion) for system in self._run(name)}
        return [system for system in self.protocol.systems if system in wanted]

    def _simulations(self, criterion: Criterion) -> list[str]:
        named = criterion.where.get("simulation")
        wanted = {str(one) for one in (named if isinstance(named, list) else [named])} if named is not None else None
        return [
            name
            for name, simulation in self.protocol.simulations.items()
            if wanted is None or wanted & {name, *(full for full, _ in expanded(name, simulation.timestep_fs))}
        ]

    def _run(self, simulation: str) -> Iterable[str]:
        systems = self.protocol.simulations[simulation].systems
        return self.protocol.systems if systems is None else systems

    def _layer(self, *path: str, own: bool = False) -> int | None:
        """Index of the file of the chain in which a value stands; None for the last one, unless it counts (`own`)."""
        files = self.document.layers.files
        file = self.document.place(path).file
        if file in files[:-1]:
            return files.index(file)
        return len(files) if own else None

    def _metric(self, criterion: Criterion) -> Metric | None:
        name = criterion.metric.partition(".")[0]
        found = self.protocol.metrics.get(name)
        if found is not None:
            return found
        cls = self.classes.get(name)
        try:
            return cls(type=name) if cls is not None and issubclass(cls, Metric) else None
        except ValidationError:  # it needs options, which another check says
            return None

    def _structure(self, system: str) -> Structure | None:
        """The structure; None where it cannot be built, which planning reports."""
        if system not in self.built:
            try:
                self.built[system] = self.protocol.systems[system].build(system, self.document.base)
            except MDProtocolError:
                self.built[system] = None
            except BaseException as error:
                if asked_to_stop(error):
                    raise
                self.built[system] = None
        return self.built[system]
