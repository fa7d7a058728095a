"""Files that a calculator's arguments name: part of the model, and given to the calculator as what they are."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mdprotocol.api import CheckpointError

MOST_FILES, MOST_BYTES = 1000, 4 * 2**30
"""Of a folder that is named by an argument."""
RESULTS = {"protocol.yaml", "provenance.json", "plan.json"}
"""What lies in a results folder: what a calculator computed is no part of it."""


def argument_files(arguments: Mapping[str, Any], data_files: tuple[str, ...], base: Path) -> list[Path]:
    """The data files, and every existing file that a text in an argument names, at any depth; of a folder, all in it.

    A text is read as a path from the protocol's folder, else from the working folder or the user's (`~`). Keys, and the
    words of a longer text (a line of an input file), are read from the working folder, as the calculator will read them.

    Raises:
        CheckpointError: a folder holds more than can be looked at for every run.
    """
    found = dict.fromkeys(base / file for file in data_files)
    for value in arguments.values():
        for text, path in _named(value, base):
            found.update(dict.fromkeys(_files_at(path, text, list(found))))
    return list({path.absolute(): path for path in found}.values())


def given(arguments: Mapping[str, Any], data_files: tuple[str, ...], base: Path) -> dict[str, Any]:
    """The arguments as the calculator gets them: what the protocol's folder holds by its absolute path, all else as it is."""

    def resolved(value: Any) -> Any:
        if isinstance(value, str):
            here = _from_protocol(value, base)
            return str((base / value).absolute()) if here is not None or value in data_files else value
        if isinstance(value, list):
            return [resolved(item) for item in value]
        if isinstance(value, dict):
            return {key: resolved(item) for key, item in value.items()}
        return value

    return {name: resolved(value) for name, value in arguments.items()}


def _named(value: Any, base: Path) -> Iterator[tuple[str, Path]]:
    """Texts in an argument with the files and folders that they name."""
    if isinstance(value, str):
        found = _from_protocol(value, base) or _from_here(value)
        if found is not None:
            yield value, found
        else:
            yield from _files_here(value.split())
    elif isinstance(value, list):
        for item in value:
            yield from _named(item, base)
    elif isinstance(value, dict):
        yield from _files_here(value)
        for item in value.values():
            yield from _named(item, base)


def _files_here(words: Iterable[str]) -> Iterator[tuple[str, Path]]:
    for word in words:
        found = _from_here(word)
        if found is not None and os.path.isfile(found):
            yield word, found


def _from_protocol(text: str, base: Path) -> Path | None:
    return base / text if _may_be_path(text) and _exists(base / text) else None


def _from_here(text: str) -> Path | None:
    path = Path(os.path.expanduser(text))
    return path if _may_be_path(text) and _exists(path) else None


def _may_be_path(text: str) -> bool:
    """Not for a text without a name in it (empty, `.`, `..`, `/`), which is meant as something else."""
    return bool(text.strip("./\\~ \n\t"))


def _exists(path: Path) -> bool:
    return os.path.isfile(path) or (os.path.isdir(path) and not _is_results(path))


def _is_results(folder: str | Path) -> bool:
    return all(os.path.isfile(os.path.join(folder, name)) for name in RESULTS)


def _files_at(path: Path, text: str, declared: list[Path]) -> list[Path]:
    if os.path.isfile(path):
        return [path]
    found, size = [], 0
    for file in _walk(path):
        found.append(file)
        size += file.stat().st_size
        if len(found) > MOST_FILES or size > MOST_BYTES:
            within = [file for file in declared if path.absolute() in file.absolute().parents]
            if within:
                return within
            raise CheckpointError(
                f"the argument '{text}' names a folder with more than {MOST_FILES} files or {MOST_BYTES >> 30} GiB; "
                "name the files in it that determine the model in data_files"
            )
    return found


def _walk(folder: Path) -> Iterator[Path]:
    """Files below a folder, in a fixed order; a folder that links lead to several times counts once."""
    met = set[str]()
    for place, folders, names in os.walk(folder, followlinks=True):
        if os.path.realpath(place) in met:
            folders.clear()
            continue
        met.add(os.path.realpath(place))
        folders[:] = sorted(
            name
            for name in folders
            if name != "__pycache__" and name[0] != "." and not _is_results(os.path.join(place, name))
        )
        yield from (Path(place) / name for name in sorted(names) if os.path.isfile(os.path.join(place, name)))
