"""A protocol that moves to another folder: paths of its files are rewritten, so that they lead to the same files."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from mdprotocol.contracts import Model, SystemSource
from mdprotocol.errors import MDProtocolError
from mdprotocol.protocol.schema import Protocol

Part = TypeVar("Part", bound=Model | SystemSource)


def moved(protocol: Protocol, old: Path, new: Path) -> Protocol:
    """The protocol for the folder `new`; it was written for `old`.

    A model's and a system's `files()` say which of its options, at any depth, are paths: of a file, or of a folder with
    some of them. They become relative to `new`, so that a project can be moved as a whole; absolute paths stay. Runs keep
    their identity, which goes by content.
    """
    models = {name: _part(model, old, new) for name, model in protocol.models.items()}
    systems = {name: _part(system, old, new) for name, system in protocol.systems.items()}
    reference = None if protocol.reference is None else _part(protocol.reference, old, new)
    return protocol.model_copy(update={"models": models, "systems": systems, "reference": reference})


def _part(part: Part, old: Path, new: Path) -> Part:
    try:
        files = {file.absolute() for file in part.files(old)}
    except (MDProtocolError, OSError):  # its file is gone or damaged: judging does without, and no path can be found
        return part
    return _rewritten(part, files, old, new) if files else part


def _rewritten(value: Any, files: Collection[Path], old: Path, new: Path) -> Any:
    if isinstance(value, BaseModel):
        fields = {name: _rewritten(getattr(value, name), files, old, new) for name in type(value).model_fields}
        return value.model_copy(update=fields)
    if isinstance(value, dict):
        return {name: _rewritten(item, files, old, new) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_rewritten(item, files, old, new) for item in value)
    if isinstance(value, str) and not os.path.isabs(value) and _is_path(value, files, old):
        return relative(old / value, new)
    return value


def _is_path(value: str, files: Collection[Path], old: Path) -> bool:
    """Whether a text names one of the files, or a folder that holds some and not the protocol itself."""
    named = (old / value).absolute()
    if named in files:
        return True
    return named not in (old.absolute(), *old.absolute().parents) and any(named in file.parents for file in files)


def relative(file: Path, folder: Path) -> str:
    """Path of a file as seen from a folder; absolute where there is no way (another drive).

    Folders are resolved, because `..` climbs out of what a link leads to; the file is not, because what lies beside it (a
    card) belongs to the name that was given.
    """
    target, start = file.parent.resolve() / file.name, folder.resolve()
    try:
        return Path(os.path.relpath(target, start)).as_posix()
    except ValueError:
        return target.as_posix()
