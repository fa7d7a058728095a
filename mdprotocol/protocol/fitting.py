"""A base fitted to its child: what a base says of systems, simulations or a reference that the child has replaced.

A base is written for any systems. Where its child has other systems or simulations, no reference, or models of another
kind, what the base says of the former ones is left out, with a line each in the plan (`left_out` of the resolved protocol); a
`must` criterion that is left out is listed in `dropped` instead, and so in the head of the verdict. Only a mention in a base is
treated so, and only of what a base had: any other name that nothing has is a mistake, and reported as one.

`apart` is resolved here too: simulations without `systems`, and criteria on probes without `where: {system: ...}`, get the
names of all systems but those, and the resolved protocol sets none apart.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mdprotocol.contracts import ComparisonMetric, Metric, ProbeMetric
from mdprotocol.protocol.document import Document
from mdprotocol.protocol.places import Path
from mdprotocol.protocol.timesteps import expanded
from mdprotocol.verdicts import Level


@dataclass
class Fitting:
    """Plain data of a protocol while it is fitted, and what was left out of it.

    Attributes:
        data: changed in place; components by their long form.
        metrics: metric class by the name that a criterion may use.
        lacking: what no model of the protocol has, such as `kernel`.
        left_out: path of what was left out (`criteria.parameters`) -> why.
        dropped: must criteria that were left out -> why.
        apart: systems that nothing runs or examines unless it names them.
    """

    document: Document
    data: dict[str, Any]
    metrics: Mapping[str, type[Metric] | None]
    lacking: frozenset[str] = frozenset()
    left_out: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    apart: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Fit all sections, in the order in which they depend on each other."""
        self._apart()
        for name, simulation in list(self._mappings("simulations")):
            self._simulation(name, simulation)
        for name, criterion in list(self._mappings("criteria")):
            why = self._criterion(name, criterion)
            if why:
                self.leave_out(name, why)
        self.rules()
        self._selftest()

    def leave_out(self, criterion: str, why: str) -> None:
        """Take a criterion out."""
        if self.data["criteria"].pop(criterion).get("level") == Level.MUST:
            self.dropped[criterion] = f"does not apply: {why}"
        else:
            self.left_out[f"criteria.{criterion}"] = why

    # ------------------------------------------------------------------------------------------------- what there is

    def _mappings(self, section: str) -> Iterator[tuple[str, dict[str, Any]]]:
        found = self.data.get(section)
        for name, value in found.items() if isinstance(found, dict) else ():
            if isinstance(value, dict):
                yield name, value

    def _there(self, section: str) -> set[str]:
        found = self.data.get(section)
        names = {name for name, value in found.items() if value is not None} if isinstance(found, dict) else set()
        if section == "simulations":
            for name, simulation in self._mappings(section):
                steps = simulation.get("timestep_fs")
                if isinstance(steps, list):
                    names |= {full for full, _ in expanded(name, filter(_is_number, steps))}
        return names

    def _lost(self, section: str, name: Any, path: Path) -> bool:
        """Whether the mention at this path is a base's, of something that is not there any more."""
        if not isinstance(name, str) or name in self._there(section):
            return False
        return self.document.layers.lost(self.document.place(path).file, section, name)

    def _kept(self, section: str, names: Any, path: Path) -> Any:
        """A name, or a list of names, without those that are lost; None where nothing is left of it."""
        if not isinstance(names, list):
            return None if self._lost(section, names, path) else names
        kept = [name for index, name in enumerate(names) if not self._lost(section, name, (*path, index))]
        return kept if kept or not names else None

    def _usual_systems(self) -> list[str]:
        """All systems but those that are set apart."""
        systems = self.data.get("systems")
        named = systems.items() if isinstance(systems, dict) else ()
        return [name for name, value in named if value is not None and name not in self.apart]

    # --------------------------------------------------------------------------------------------------- the sections

    def _apart(self) -> None:
        named = self.data.get("apart")
        if isinstance(named, list) and named:
            kept = self._kept("systems", named, ("apart",)) or []
            self.apart = [name for name in kept if name in self._there("systems")]
            self.data["apart"] = [name for name in kept if name not in self.apart]  # mistakes, for the checks to report

    def _simulation(self, name: str, simulation: dict[str, Any]) -> None:
        path: Path = ("simulations", name)
        systems = simulation.get("systems")
        if systems is not None:
            simulation["systems"] = self._kept("systems", systems, (*path, "systems"))
            if simulation["systems"] is None:
                del self.data["simulations"][name]
                self.left_out[f"simulations.{name}"] = f"its systems ({_listed(systems)}) are not there"
        elif self.apart:
            simulation["systems"] = self._usual_systems() or None
        if simulation.get("reference_trajectory") is True and self._reference_is_lost((*path, "reference_trajectory")):
            simulation["reference_trajectory"] = False

    def _reference_is_lost(self, path: Path) -> bool:
        return not self.data.get("reference") and self.document.layers.lost(self.document.place(path).file, "reference")

    def _criterion(self, name: str, criterion: dict[str, Any]) -> str:
        """Fit a criterion; why it is to be left out, or nothing."""
        path: Path = ("criteria", name, "metric")
        metric, _, quantity = str(criterion.get("metric", "")).partition(".")
        cls = self.metrics.get(metric)
        if cls is not None and self.document.layers.is_base(self.document.place(path).file):
            if asks_reference(cls) and self._reference_is_lost(path):
                return "there is no reference"
            asked = cls.quantities[quantity].asks if quantity in cls.quantities else ""
            if asked in self.lacking:
                return f"no model here has {ASKED[asked]}"
        return self._where(name, criterion, cls)

    def _where(self, name: str, criterion: dict[str, Any], cls: type[Metric] | None) -> str:
        where = criterion.setdefault("where", {})
        if not isinstance(where, dict):  # wrong, or null in a child
            return ""
        for dim in ("system", "simulation"):
            if dim in where and where[dim] not in (ALL, None):
                named = where[dim]
                where[dim] = self._kept(f"{dim}s", named, ("criteria", name, "where", dim))
                if where[dim] is None:
                    return f"there is no {dim} {_listed(named)} any more"
        if cls is not None and issubclass(cls, ProbeMetric) and "system" not in where and self.apart:
            criterion["where"] = {**where, "system": self._usual_systems()}
        elif where.get("system") == ALL:
            del where["system"]
        return ""

    def rules(self) -> None:
        """Recommended uses of a base without what they require of it; one that required a must criterion goes."""
        uses = self.data.get("recommendations")
        for place, use in reversed(list(enumerate(uses))) if isinstance(uses, list) else ():
            why = self._rule(place, use) if isinstance(use, dict) else ""
            if why:
                del self.data["recommendations"][place]
                self.left_out[f"recommendations.{place}"] = why

    def _rule(self, place: int, use: dict[str, Any]) -> str:
        for key in ("requires", "if_failed"):
            names = use.get(key)
            if not isinstance(names, list):
                continue
            gone = [
                name
                for index, name in enumerate(names)
                if self._lost("criteria", name, ("recommendations", place, key, index))
            ]
            if not gone:
                continue
            use[key] = [name for name in names if name not in gone]
            must = [name for name in gone if name in {**self.document.dropped, **self.dropped}]
            if (must and key == "requires") or not use[key]:
                return f"the use '{use.get('use')}' asks for {_listed(must or gone)}"
        return ""

    def _selftest(self) -> None:
        section = self.data.get("selftest")
        if not isinstance(section, dict):
            return
        if isinstance(section.get("without"), list):
            section["without"] = self._kept("criteria", section["without"], ("selftest", "without")) or []
        changes = section.get("changes")
        if isinstance(changes, dict):
            section["changes"] = {
                key: new for key, value in changes.items() if (new := self._change(key, value)) is not GONE
            }

    def _change(self, key: str, value: Any) -> Any:
        if value is None or not (key.startswith("simulations.") and key.endswith(".systems")):
            return value
        kept = self._kept("systems", value, ("selftest", "changes", key))
        return GONE if kept is None else kept


GONE = object()
"""Stands for a change of the self-test that says nothing any more; null is one."""
ALL = "*"
"""In a criterion's `where: {system: ...}`: those too that are set apart."""
ASKED = {"kernel": "a kernel with a plainer form", "parameters": "trainable parameters that could be counted"}
"""What a quantity may ask of a model, in words."""


def asks_reference(cls: type[Metric]) -> bool:
    """Whether a metric can do nothing without a reference."""
    labels = any(variable.startswith("reference_") for variable in cls.needs)
    return issubclass(cls, ComparisonMetric) or (cls.needs_reference if issubclass(cls, ProbeMetric) else labels)


def fitted(
    document: Document, data: Mapping[str, Any], metrics: Mapping[str, type[Metric] | None], lacking: frozenset[str]
) -> Fitting:
    """The document's data fitted to what its last file and the overrides leave of its bases."""
    fitting = Fitting(document, copy.deepcopy(dict(data)), metrics, lacking)
    fitting.run()
    return fitting


def _listed(names: Any) -> str:
    return ", ".join(map(str, names)) if isinstance(names, list) else str(names)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
