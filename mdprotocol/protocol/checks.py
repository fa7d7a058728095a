"""Checks of names across a protocol. They read plain data, so that they also run where another part is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mdprotocol.contracts import ComparisonMetric, Fault, Metric, ProbeMetric
from mdprotocol.errors import Problem
from mdprotocol.protocol.document import Document
from mdprotocol.protocol.places import Path, choices
from mdprotocol.protocol.schema import REFERENCE
from mdprotocol.protocol.timesteps import expanded
from mdprotocol.registry import Registry
from mdprotocol.variables import RUN_VARIABLES
from mdprotocol.verdicts import Level

Problems = Iterator[Problem]
TWICE = "stands twice; every entry gives runs of its own"


@dataclass(frozen=True)
class Context:
    """What the checks look at: the document's data without the keys that a null removed."""

    document: Document
    data: Mapping[str, Any]
    metrics: Mapping[str, type[Metric] | None]
    """Metric class by the name that a criterion may use: keys of `metrics:` and registered types.

    None where the entry under `metrics:` is wrong, which is reported elsewhere."""
    registered: Mapping[str, type[Metric]]
    """Metric class by its own type."""
    sized_faults: tuple[str, ...] = ()
    """Planted faults of which there is more or less."""

    @property
    def needing_options(self) -> dict[str, list[str]]:
        """Options that must be given, by name of the metrics that have such."""
        required = {
            name: [field for field, info in cls.model_fields.items() if info.is_required() and field != "type"]
            for name, cls in self.metrics.items()
            if cls is not None
        }
        return {name: fields for name, fields in required.items() if fields}

    def section(self, *path: str) -> dict[str, Any]:
        """The mapping at a path; empty where there is none."""
        value: Any = self.data
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
        return value if isinstance(value, dict) else {}

    def mappings(self, *path: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Name and content of every entry of a section that is a mapping."""
        for name, value in self.section(*path).items():
            if isinstance(value, dict):
                yield name, value


def cross_checks(document: Document, data: Mapping[str, Any], registry: Registry) -> list[Problem]:
    """All problems with names that one part of a protocol uses and another defines."""
    registered = _registered(registry)
    faults = [cls for cls in registry.classes("faults") if issubclass(cls, Fault)]
    sized = tuple(cls.type_name() for cls in faults if cls.sized is not None)
    context = Context(document, data, metric_classes(data, registry), registered, sized)
    return [problem for check in CHECKS for problem in check(context)]


def _registered(registry: Registry) -> dict[str, type[Metric]]:
    return {cls.type_name(): cls for cls in registry.classes("metrics") if issubclass(cls, Metric)}


def metric_classes(data: Mapping[str, Any], registry: Registry) -> dict[str, type[Metric] | None]:
    """Metric class by the name that a criterion may use; None where its entry under `metrics:` is wrong."""
    registered, section = _registered(registry), data.get("metrics")
    own = {}
    for name, value in section.items() if isinstance(section, dict) else ():
        kind = value.get("type") if isinstance(value, dict) else None
        own[name] = registered.get(kind) if isinstance(kind, str) else None
    return {**registered, **own}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _simulations(context: Context) -> dict[str, list[str]]:
    """Names after expansion of each simulation; entries that are not numbers are reported elsewhere."""
    steps = {name: simulation.get("timestep_fs") for name, simulation in context.mappings("simulations")}
    return {
        name: [full for full, _ in expanded(name, filter(_is_number, step))] if isinstance(step, list) else [name]
        for name, step in steps.items()
    }


def check_models(context: Context) -> Problems:
    """The name `reference` is kept for the reference's own runs."""
    for name in context.section("models"):
        if alike(name) == REFERENCE:
            message = f"a model cannot be called '{name}'; the reference's own runs are stored under that name"
            yield context.document.problem(("models", name), message, key=True)


def alike(name: str) -> str:
    """Equal for names that a reader, or a disk that ignores case and dots at the end, takes for one."""
    return name.rstrip(".").casefold()


def check_names(context: Context) -> Problems:
    """No two names of a section are alike; they are names of folders, and what a verdict calls its parts."""
    for section in ("models", "systems", "simulations", "metrics", "criteria"):
        names: dict[str, str] = {}
        for name in context.section(section):
            first = names.setdefault(alike(name), name)
            if first != name:
                message = f"this name is too like '{first}': they differ in case or dots only; rename one of them"
                yield context.document.problem((section, name), message, key=True)


def check_metric_names(context: Context) -> Problems:
    """A key of `metrics:` never takes the place of another metric of that name in the criteria."""
    registered = {alike(kind): kind for kind in context.registered}
    for name, metric in context.mappings("metrics"):
        hidden = registered.get(alike(name))
        if hidden is not None and metric.get("type") != hidden:
            message = (
                f"this name would hide the metric '{hidden}' from the criteria; give this metric of type"
                f" {metric.get('type')!r} a name of its own"
            )
            yield context.document.problem(("metrics", name), message, key=True)


def check_apart(context: Context) -> Problems:
    """Systems that are set apart exist."""
    yield from _known(context, ("apart",), context.data.get("apart"), context.section("systems"), "system")


def check_simulations(context: Context) -> Problems:
    """Systems and models that a simulation names exist, and nothing stands twice."""
    for name, simulation in context.mappings("simulations"):
        for key in ("systems", "models"):
            path: Path = ("simulations", name, key)
            yield from _known(context, path, simulation.get(key), context.section(key), key[:-1])
            for index, addition in enumerate(_listed(simulation.get("additions"))):
                named = addition.get(key) if isinstance(addition, dict) else None
                yield from _known(context, (*path[:2], "additions", index, key), named, context.section(key), key[:-1])
        for key in ("systems", "models", "temperatures_K", "timestep_fs", "seeds"):
            yield from _twice(context, ("simulations", name, key), simulation.get(key))
        if simulation.get("reference_trajectory") is True and not context.data.get("reference"):
            message = "there is no `reference:` that could run; add one, or leave this key out"
            yield context.document.problem(("simulations", name, "reference_trajectory"), message)


def _known(context: Context, path: Path, names: Any, allowed: Mapping[str, Any], what: str) -> Problems:
    for index, name in enumerate(_listed(names)):
        if isinstance(name, str) and name not in allowed:
            yield context.document.problem((*path, index), f"there is no {what} '{name}'; {choices(name, allowed)}")


def _twice(context: Context, path: Path, items: Any, why: str = TWICE) -> Problems:
    seen: set[str] = set()
    for index, item in enumerate(_listed(items)):
        # Numbers become parts of file names with six digits, so they must differ in those.
        text = f"{item:g}" if isinstance(item, float) or (_is_number(item) and path[-1] != "seeds") else str(item)
        if text in seen:
            yield context.document.problem((*path, index), f"{text} {why}")
        seen.add(text)


def check_expanded_names(context: Context) -> Problems:
    """No two simulations have the same name once lists of time steps are expanded."""
    taken: dict[str, str] = {}
    for name, names in _simulations(context).items():
        timestep: Any = context.section("simulations", name).get("timestep_fs")
        for other in context.section("simulations"):
            if other != name and _is_number(timestep) and name == expanded(other, [timestep])[0][0]:
                message = f"this name means '{other}' with a time step of {timestep:g} fs; give it another name"
                yield context.document.problem(("simulations", name), message, key=True)
        for full in names:
            first = taken.setdefault(alike(full), name)
            if first != name and alike(first) != alike(name):
                message = f"the expanded name '{full}' is also one of '{first}'; rename one of them"
                yield context.document.problem(("simulations", name), message, key=True)


def check_criteria(context: Context) -> Problems:
    """Metric, quantity, units and the names in `where` exist; no criterion is called like a level."""
    for name, criterion in context.mappings("criteria"):
        if alike(name) in {*Level}:
            message = (
                f"'{name}' is a level: a recommendation that requires it means all criteria of it; rename this one"
            )
            yield context.document.problem(("criteria", name), message, key=True)
        yield from _where(context, name, criterion.get("where"))
        metric, dot, quantity = str(criterion.get("metric", "")).partition(".")
        if not dot:
            continue
        path: Path = ("criteria", name, "metric")
        if metric in context.needing_options and metric not in context.section("metrics"):
            required = ", ".join(context.needing_options[metric])
            message = f"metric '{metric}' cannot do without {required}; give it a place of its own under `metrics:`"
            yield context.document.problem(path, message)
        elif metric not in context.metrics:
            message = f"unknown metric '{metric}'; {choices(metric, context.metrics)}"
            yield context.document.problem(path, message)
        else:
            yield from _quantity(context, name, criterion, quantity, context.metrics[metric])


def _quantity(
    context: Context, name: str, criterion: dict[str, Any], quantity: str, cls: type[Metric] | None
) -> Problems:
    if cls is None:
        return
    path, metric = ("criteria", name, "metric"), cls.type_name()
    if quantity not in cls.quantities:
        message = f"metric '{metric}' has no quantity '{quantity}'; {choices(quantity, cls.quantities)}"
        yield context.document.problem(path, message)
        return
    units, given = cls.quantities[quantity].units, criterion.get("units")
    if isinstance(given, str) and given != units:
        message = f"{metric}.{quantity} is measured in {units}, not in {given}; give its bounds in {units}"
        yield context.document.problem(("criteria", name, "units"), message)
    yield from _needs(context, name, cls)


def _needs(context: Context, name: str, cls: type[Metric]) -> Problems:
    path, metric = ("criteria", name, "metric"), cls.type_name()
    # A probe's variables are its own; only a trajectory's are known beforehand.
    unknown = [] if issubclass(cls, ProbeMetric) else sorted(cls.needs - RUN_VARIABLES.keys())
    if unknown:
        message = f"metric '{metric}' needs the variable '{unknown[0]}'; {choices(unknown[0], RUN_VARIABLES)}"
        yield context.document.problem(path, message)
    referenced = any(variable.startswith("reference_") for variable in cls.needs) or issubclass(cls, ComparisonMetric)
    if referenced and not context.data.get("reference"):
        yield context.document.problem(path, f"metric '{metric}' needs a reference; add `reference:` to the protocol")
    dims = [dim for dim in ("simulation", "temperature") if dim in context.section("criteria", name, "where")]
    if issubclass(cls, ProbeMetric) and dims:
        message = f"'{metric}' is measured on a system, without a simulation; here `where` can only name systems"
        yield context.document.problem(("criteria", name, "where", dims[0]), message, key=True)


def _where(context: Context, name: str, where: Any) -> Problems:
    if not isinstance(where, dict):
        return
    simulations = _simulations(context)
    allowed = {
        "system": list(context.section("systems")),
        "simulation": sorted({*simulations, *(full for names in simulations.values() for full in names)}),
    }
    for dim, wanted in where.items():
        path: Path = ("criteria", name, "where", dim)
        yield from _twice(context, path, wanted, "is a duplicate; name it once")
        for index, value in enumerate(wanted) if isinstance(wanted, list) else ((None, wanted),):
            at = path if index is None else (*path, index)
            if dim in allowed and isinstance(value, str) and value not in allowed[dim]:
                yield context.document.problem(at, f"there is no {dim} '{value}'; {choices(value, allowed[dim])}")
            elif dim in allowed and _is_number(value):
                known = choices(str(value), allowed[dim])
                yield context.document.problem(at, f"{value} is not the name of a {dim}; {known}")
            elif dim == "temperature":
                yield from _temperature(context, at, value)


def _temperature(context: Context, path: Path, value: Any) -> Problems:
    temperatures = {
        float(kelvin)
        for _, simulation in context.mappings("simulations")
        for kelvin in _listed(simulation.get("temperatures_K"))
        if _is_number(kelvin)
    }
    if not _is_number(value):
        yield context.document.problem(path, f"{value!r} is not a temperature; write a number in K")
    elif temperatures and value not in temperatures:
        known = ", ".join(f"{kelvin:g}" for kelvin in sorted(temperatures))
        near = min(temperatures, key=lambda kelvin: abs(kelvin - value))
        message = f"no simulation has a temperature of {value:g} K; allowed: {known}; did you mean {near:g}?"
        yield context.document.problem(path, message)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def check_recommendations(context: Context) -> Problems:
    """The criteria that a rule names exist."""
    allowed = [*context.section("criteria"), *Level]
    for index, use in enumerate(_listed(context.data.get("recommendations"))):
        for rule in ("requires", "if_failed"):
            names = use.get(rule) if isinstance(use, dict) else None
            for place, name in enumerate(_listed(names)):
                if isinstance(name, str) and name not in allowed:
                    path: Path = ("recommendations", index, rule, place)
                    yield context.document.problem(path, f"there is no criterion '{name}'; {choices(name, allowed)}")


def check_expectations(context: Context) -> Problems:
    """The models exist, and some criterion has the metric measured."""
    used = {str(criterion.get("metric", "")).partition(".")[0] for _, criterion in context.mappings("criteria")}
    for name, expectation in context.mappings("expectations"):
        for key in ("of", "to"):
            model = expectation.get(key)
            if isinstance(model, str) and model not in context.section("models"):
                message = f"there is no model '{model}'; {choices(model, context.section('models'))}"
                yield context.document.problem(("expectations", name, key), message)
        metric, _, quantity = str(expectation.get("metric", "")).partition(".")
        cls, path = context.metrics.get(metric), ("expectations", name, "metric")
        if metric not in used:
            yield context.document.problem(path, f"no criterion measures '{metric}'; {choices(metric, sorted(used))}")
        elif cls is not None and quantity not in cls.quantities:
            message = f"metric '{metric}' has no quantity '{quantity}'; {choices(quantity, cls.quantities)}"
            yield context.document.problem(path, message)


def check_selftest(context: Context) -> Problems:
    """The criteria that the self-test leaves out exist, and the faults whose sizes it changes."""
    sizes = context.section("selftest", "sizes")
    for name in sizes:
        if name not in context.sized_faults:
            message = f"there is no fault '{name}' with a size; {choices(name, context.sized_faults)}"
            yield context.document.problem(("selftest", "sizes", name), message, key=True)
    criteria = context.section("criteria")
    for place, name in enumerate(_listed(context.section("selftest").get("without"))):
        if isinstance(name, str) and name not in criteria:
            path: Path = ("selftest", "without", place)
            yield context.document.problem(path, f"there is no criterion '{name}'; {choices(name, criteria)}")


CHECKS: tuple[Callable[[Context], Problems], ...] = (
    check_models,
    check_names,
    check_metric_names,
    check_apart,
    check_simulations,
    check_expanded_names,
    check_criteria,
    check_recommendations,
    check_expectations,
    check_selftest,
)
