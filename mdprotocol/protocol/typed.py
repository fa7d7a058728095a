"""The schema with plugins in it: every contract becomes the union of the registered classes, told apart by `type`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError, create_model
from pydantic_core import CoreSchema, core_schema

from mdprotocol.contracts import Component, Executor, Integrator, Metric, Model, Reporter, SystemSource
from mdprotocol.protocol.schema import Equilibration, Name, Protocol, Simulation
from mdprotocol.registry import Registry

EQUILIBRATION_FRICTION_PER_PS = 10.0


_NOTHING = core_schema.literal_schema([None])


@dataclass(frozen=True, eq=False)
class OneOf:
    """Annotation of a field that holds one of these components, told apart by `type`.

    Attributes:
        what: what such a component is called in messages.
        classes: class by name in the protocol.
    """

    what: str
    classes: Mapping[str, type[Component]]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        # Pydantic wants at least one choice; the one with an empty name accepts nothing.
        options = {name: handler.generate_schema(cls) for name, cls in self.classes.items()} or {"": _NOTHING}
        return core_schema.tagged_union_schema(choices=options, discriminator="type")

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        if not self.classes:
            return {"not": {}, "description": f"No {self.what} is registered."}
        branches = [handler(choice) | {"required": ["type"]} for choice in _choices(schema)]
        short = [name for name, cls in self.classes.items() if without_options(cls)]
        description = f"The {self.what} of this name, with its default options."
        return {"anyOf": branches + ([{"enum": short, "description": description}] if short else [])}


def _choices(schema: Any) -> list[CoreSchema]:
    return list(schema["choices"].values())


COMPONENT_PATHS: tuple[tuple[str, ...], ...] = (
    ("models", "*"),
    ("reference",),
    ("systems", "*"),
    ("simulations", "*", "integrator"),
    ("simulations", "*", "equilibration", "integrator"),
    ("metrics", "*"),
    ("reports", "*"),
    ("executor",),
)
"""Where components stand in a protocol; `*` is any name or index."""


def expand_short_forms(data: Any, paths: Iterable[tuple[str, ...]] = COMPONENT_PATHS) -> Any:
    """A copy of plain data in which a bare name of a component, `reference: tblite`, is `{"type": "tblite"}`.

    It is done before validation and not by a validator, because pydantic's strict mode takes a list for a tuple and
    text for an enumeration only where no Python code stands between it and the JSON.
    """
    below: dict[str, list[tuple[str, ...]]] = {}
    for first, *rest in paths:
        below.setdefault(first, []).append(tuple(rest))
    if isinstance(data, dict):
        return {key: _expanded(value, below.get(key, below.get("*"))) for key, value in data.items()}
    if isinstance(data, list):
        return [_expanded(value, below.get("*")) for value in data]
    return data


def _expanded(value: Any, rests: list[tuple[str, ...]] | None) -> Any:
    if not rests:
        return value
    if () in rests:
        return {"type": value} if isinstance(value, str) else value
    return expand_short_forms(value, rests)


def without_options(cls: type[Component]) -> bool:
    """Whether a component can be had without a single option."""
    return not any(field.is_required() for field in cls.model_fields.values())


def component_classes(registry: Registry) -> dict[str, OneOf]:
    """What may stand in a field, by kind of component. Models and references may stand for each other."""
    return {
        "model": _one_of("model", registry, "models", "references"),
        "system": _one_of("system", registry, "systems"),
        "integrator": _one_of("integrator", registry, "integrators"),
        "metric": _one_of("metric", registry, "metrics"),
        "reporter": _one_of("reporter", registry, "reporters"),
        "executor": _one_of("executor", registry, "executors"),
    }


def _one_of(what: str, registry: Registry, *kinds: str) -> OneOf:
    return OneOf(what, {cls.type_name(): cls for cls in registry.classes(*kinds)})


def typed_protocol(registry: Registry) -> type[Protocol]:
    """The Protocol class in which the registered plugins are the allowed components."""
    kinds = component_classes(registry)
    integrator = kinds["integrator"]
    langevin = default_integrator(integrator, "langevin", friction_per_ps=EQUILIBRATION_FRICTION_PER_PS)
    verlet = default_integrator(integrator, "velocity_verlet")
    stage = _derive(Equilibration, integrator=(Annotated[Integrator, integrator], langevin))
    simulation = _derive(
        Simulation, integrator=(Annotated[Integrator, integrator], verlet), equilibration=(stage | None, None)
    )
    return _derive(
        Protocol,
        models=(Annotated[dict[Name, Annotated[Model, kinds["model"]]], Field(min_length=1)], ...),
        reference=(Annotated[Model, kinds["model"]] | None, None),
        systems=(Annotated[dict[Name, Annotated[SystemSource, kinds["system"]]], Field(min_length=1)], ...),
        simulations=(dict[Name, simulation], {}),  # type: ignore[valid-type]
        metrics=(dict[Name, Annotated[Metric, kinds["metric"]]], {}),
        reports=(list[Annotated[Reporter, kinds["reporter"]]] | None, None),
        executor=(Annotated[Executor, kinds["executor"]] | None, None),
    )


def default_integrator(integrators: OneOf, name: str, **options: Any) -> Any:
    """An integrator that is taken where none is given; `...` (it must be given) where it is not registered."""
    cls = integrators.classes.get(name)
    if cls is None:
        return ...
    try:
        return cls(type=name, **{key: value for key, value in options.items() if key in cls.model_fields})
    except ValidationError:
        return ...


def _derive(base: type[Any], **fields: tuple[Any, Any]) -> type[Any]:
    """A subclass of a section whose fields have other types; docstring and descriptions are the base's."""
    described: dict[str, Any] = {
        name: (annotation, Field(default, description=base.model_fields[name].description))
        for name, (annotation, default) in fields.items()
    }
    return create_model(base.__name__, __base__=base, __doc__=base.__doc__, **described)


def untyped(typed: Protocol) -> Protocol:
    """The same protocol as an instance of the plain classes, which can be pickled and compared."""
    simulations = {name: _plain(Simulation, simulation) for name, simulation in typed.simulations.items()}
    return Protocol.model_validate(_values(typed) | {"simulations": simulations})


def _plain(cls: type[Simulation], simulation: Simulation) -> Simulation:
    stage = simulation.equilibration
    return cls.model_validate(
        _values(simulation) | {"equilibration": None if stage is None else Equilibration.model_validate(_values(stage))}
    )


def _values(section: BaseModel) -> dict[str, Any]:
    return {name: getattr(section, name) for name in type(section).model_fields}
