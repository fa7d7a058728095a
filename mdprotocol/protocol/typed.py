"""The schema with plugins in it: every contract becomes the union of the registered classes, told apart by `type`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError, create_model
from pydantic_core import CoreSchema, core_schema

from mdprotocol.components import Component, Executor, Integrator, Metric, Model, Reporter, SystemSource
from mdprotocol.protocol.schema import Equilibration, Name, Protocol, Simulation
from mdprotocol.registry import Registry

EQUILIBRATION_FRICTION_PER_PS = 10.0


@dataclass(frozen=True, eq=False)
class OneOf:
    """Annotation of a field that holds one of these components; a bare name stands for the component's defaults.

    Attributes:
        what: what such a component is called in messages.
        classes: class by name in the protocol.
    """

    what: str
    classes: Mapping[str, type[Component]]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        options = {name: handler.generate_schema(cls) for name, cls in self.classes.items()}
        union = core_schema.tagged_union_schema(choices=options, discriminator="type")
        return core_schema.no_info_before_validator_function(expand_short_form, union)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        if not self.classes:
            return {"not": {}, "description": f"No {self.what} is registered."}
        branches = [handler(choice) | {"required": ["type"]} for choice in _choices(schema)]
        short = [name for name, cls in self.classes.items() if without_options(cls)]
        names = [{"enum": short, "description": f"A {self.what} with its default options."}] if short else []
        return {"anyOf": [*branches, *names]}


def _choices(schema: Any) -> list[CoreSchema]:
    return list(schema["schema"]["choices"].values())


def expand_short_form(value: Any) -> Any:
    """`tblite` -> `{"type": "tblite"}`; anything else as it is."""
    return {"type": value} if isinstance(value, str) else value


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
    described = {
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

