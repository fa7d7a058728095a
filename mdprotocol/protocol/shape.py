"""Which section or component stands at a path of a protocol: what its allowed keys are."""

from __future__ import annotations

import types
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from mdprotocol.protocol.places import Path
from mdprotocol.protocol.typed import OneOf


def shape_at(root: type[BaseModel], data: Any, path: Path) -> Any:
    """Annotation of the value at `path`: a model class, or a typing construct; None where nothing is known.

    Args:
        root: the typed Protocol class.
        data: the protocol as plain data; a component's class follows from its `type`.
    """
    shape: Any = _resolved(root, data)
    for part in path:
        data = _child(data, part)
        shape = _resolved(_step(shape, part), data)
        if shape is None:
            return None
    return shape


def choice_at(root: type[BaseModel], data: Any, path: Path) -> OneOf | None:
    """The components that may stand at `path`; None where no component belongs there."""
    return _choice(_step(shape_at(root, data, path[:-1]), path[-1])) if path else None


def _choice(shape: Any) -> OneOf | None:
    for part in get_args(shape):
        found = part if isinstance(part, OneOf) else _choice(part)
        if found:
            return found
    return None


def allowed_keys(shape: Any) -> list[str]:
    """Keys that may stand in a section or a component."""
    return list(shape.model_fields) if _is_model(shape) else []


def _is_model(shape: Any) -> bool:
    return isinstance(shape, type) and issubclass(shape, BaseModel)


def _child(data: Any, part: str | int) -> Any:
    try:
        return data[part]
    except (KeyError, IndexError, TypeError):
        return None


def _step(shape: Any, part: str | int) -> Any:
    """Annotation of one key or index of a shape."""
    if _is_model(shape):
        field = shape.model_fields.get(part)
        if field is None:
            return None
        return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    origin, arguments = get_origin(shape), get_args(shape)
    if origin is dict:
        return arguments[1]
    if origin is list:
        return arguments[0]
    if origin is tuple and isinstance(part, int):
        variadic = arguments[-1] is ...
        return arguments[0] if variadic else arguments[part] if part < len(arguments) else None
    return None


def _resolved(shape: Any, data: Any) -> Any:
    """Without annotations and alternatives: the component class named by `type`, the branch that fits the data."""
    if get_origin(shape) is Annotated:
        inner, *metadata = get_args(shape)
        for choice in metadata:
            if isinstance(choice, OneOf):
                name = data.get("type") if isinstance(data, dict) else data
                return choice.classes.get(name) if isinstance(name, str) else None
        return _resolved(inner, data)
    if get_origin(shape) in (Union, types.UnionType):
        return _branch([_resolved(branch, data) for branch in get_args(shape) if branch is not type(None)], data)
    return shape


def _branch(branches: list[Any], data: Any) -> Any:
    for branch in branches:
        as_mapping = isinstance(data, dict) and (_is_model(branch) or get_origin(branch) is dict)
        if as_mapping or (isinstance(data, list) and get_origin(branch) in (list, tuple)):
            return branch
    return branches[0] if branches else None
