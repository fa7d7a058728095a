"""Validation of a document against the registered plugins: one Protocol, or all problems at once."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from mdprotocol.contracts import Model
from mdprotocol.errors import Problem, ProtocolError
from mdprotocol.protocol.checks import cross_checks, metric_classes
from mdprotocol.protocol.document import Document
from mdprotocol.protocol.domains import for_structures
from mdprotocol.protocol.files import file_problems
from mdprotocol.protocol.fitting import fitted
from mdprotocol.protocol.places import Path
from mdprotocol.protocol.schema import Protocol
from mdprotocol.protocol.translate import locate, translate
from mdprotocol.protocol.typed import expand_short_forms, typed_protocol, untyped
from mdprotocol.registry import Registry


def validate(document: Document, registry: Registry, *, files: bool = False) -> Protocol:
    """The protocol that a document describes.

    Args:
        files: also demand that the models' files exist (for `check` and `run`; judging needs none of them).

    Raises:
        ProtocolError: everything that is wrong, each problem with its place.
    """
    root = typed_protocol(registry)
    plain = expand_short_forms(document.data)
    fitting = fitted(document, plain, metric_classes(plain, registry), _lacking(plain, registry))
    document = replace(document, data=fitting.data)
    data, typed, errors = _validated(document, root)
    known = {problem.path for problem in document.problems}  # such a value is read as null, which is no second mistake
    problems = [*document.problems, *(p for p in translate(errors, document, data, root) if p.path not in known)]
    problems += cross_checks(document, data, registry)
    if files:
        problems += file_problems(document, data, registry)
    if problems or typed is None:
        raise ProtocolError(_unique(problems))
    said = typed.left_out if document.layers.files[:-1] == [] else {}
    update = {"dropped": {**document.dropped, **fitting.dropped}, "left_out": {**said, **fitting.left_out}}
    return for_structures(untyped(typed).model_copy(update=update), document, registry)


def _lacking(data: Any, registry: Registry) -> frozenset[str]:
    """What no model of the protocol has."""
    models = data.get("models") if isinstance(data, dict) else None
    kinds = (
        [str(model.get("type")) for model in models.values() if isinstance(model, dict)]
        if isinstance(models, dict)
        else []
    )
    classes = {cls.type_name(): cls for cls in registry.classes("models", "references") if issubclass(cls, Model)}
    found = [classes[kind].lacks for kind in kinds if kind in classes]
    return frozenset.intersection(*found) if found and len(found) == len(kinds) else frozenset()


def _validated(document: Document, root: type[Protocol]) -> tuple[dict[str, Any], Protocol | None, list[Any]]:
    """Validate; where a null that replaced something is not allowed, remove its key and validate again."""
    data = dict(document.data)
    while True:
        try:
            # JSON in strict mode: text is never taken for a number, nor true for 1; lists still become tuples.
            return data, root.model_validate_json(json.dumps(data), strict=True), []
        except ValidationError as error:
            errors = error.errors(include_url=False)
            nulls = {item.path for item in (locate(e, data) for e in errors)} & document.removals
            removed = [_removed(data, path) for path in nulls]
            if not any(removed):
                return data, None, errors


def _removed(data: dict[str, Any], path: Path) -> bool:
    """Remove a key that holds null; False where it holds something else."""
    parent: Any = data
    for part in path[:-1]:
        parent = parent[part]
    if not isinstance(parent, dict) or parent.get(path[-1], ...) is not None:
        return False
    del parent[path[-1]]
    return True


def _unique(problems: list[Problem]) -> list[Problem]:
    return sorted(set(problems))
