"""Files that a protocol's models name: they must exist."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from mdprotocol.contracts import Model
from mdprotocol.errors import MDProtocolError, Problem, asked_to_stop, told
from mdprotocol.protocol.document import Document
from mdprotocol.protocol.places import nearest
from mdprotocol.protocol.typed import component_classes
from mdprotocol.registry import Registry


def file_problems(document: Document, data: Mapping[str, Any], registry: Registry) -> Iterator[Problem]:
    """A problem for every file that a well-formed model or reference names and that is not there."""
    models = data.get("models")
    named = [(("models", name), value) for name, value in models.items()] if isinstance(models, dict) else []
    for path, value in [*named, (("reference",), data.get("reference"))]:
        component = _component(value, registry)
        if component is not None:
            for field, message in missing_files(component, document.base):
                yield document.problem((*path, field) if field else path, message, key=not field)


def _component(value: Any, registry: Registry) -> Model | None:
    """The model that this data describes; None where the data is wrong, which is reported elsewhere."""
    kind = value.get("type") if isinstance(value, dict) else None
    cls = component_classes(registry)["model"].classes.get(kind) if isinstance(kind, str) else None
    try:
        component = cls.model_validate_json(json.dumps(value), strict=True) if cls else None
    except ValidationError:
        return None
    return component if isinstance(component, Model) else None


def missing_files(model: Model, base: FilePath) -> Iterator[tuple[str, str]]:
    """Field (empty where unknown) and message for every file of a model that cannot be read."""
    try:
        files = [FilePath(file) for file in model.files(base)]
    except MDProtocolError as error:
        yield "", str(error)
        return
    except BaseException as error:
        if asked_to_stop(error):
            raise
        yield "", f"its plugin raised {told(error)}"
        return
    absent = [(field_of(model, file, base), _absent(file, base)) for file in files if not file.is_file()]
    # A file that no option names (the card of a checkpoint) lies beside one that is named: that one is the mistake.
    yield from [item for item in absent if item[0]] or absent


def field_of(model: Model, file: FilePath, base: FilePath) -> str:
    """The option that names this file; empty where none does."""
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, str | FilePath) and _same(base / value, file):
            return name
    return ""


def _same(one: FilePath, other: FilePath) -> bool:
    return os.path.normpath(one.absolute()) == os.path.normpath(other.absolute())


def _absent(file: FilePath, base: FilePath) -> str:
    shown = os.path.relpath(file, base) if file.is_absolute() == base.is_absolute() else str(file)
    what = "is a folder, not a file" if file.is_dir() else "does not exist"
    text = f"the file {shown} {what}; paths are relative to the protocol's folder"
    try:
        siblings = [entry.name for entry in file.parent.iterdir() if entry.is_file()]
    except OSError:
        return f"{text}; there is no folder {os.path.dirname(shown)}"
    near = nearest(file.name, siblings)
    return f"{text}; did you mean '{os.path.join(os.path.dirname(shown), near)}'?" if near else text
