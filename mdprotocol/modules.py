"""Which files and distributions an import would load, found without importing anything.

What a protocol names is looked at before it runs, by commands that run nothing of it; and the code that computes a model
is part of the model. A module that no installed distribution brings is the user's own: its files are followed from
import to import. Imports that are written with a name made up at run time cannot be followed.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.machinery
import importlib.metadata
import importlib.util
import json
import os
import re
import sys
import sysconfig
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from pathlib import Path

CODE = tuple(importlib.machinery.all_suffixes())
"""Endings of files that Python imports: source, bytecode, extension modules."""
DATA = frozenset({
    ".adp", ".alloy", ".bin", ".ckpt", ".csv", ".dat", ".eam", ".fs", ".h5", ".hdf5", ".joblib", ".json", ".meam",
    ".model", ".npy", ".npz", ".onnx", ".param", ".pickle", ".pkl", ".prm", ".pt", ".pth", ".safetensors", ".sw",
    ".tersoff", ".toml", ".xml", ".yaml", ".yml",
})  # fmt: skip
"""Endings of files with parameters: part of an installed package. The user's own code may name a file of any ending."""

LONGEST_NAME = 255
CLOCK_NS = 2_000_000_000
"""Times of files are no finer than this on any file system."""
OURS = ("mdprotocol",)
"""What counts by its version and data format alone, however it is installed."""


@dataclass
class Code:
    """What computes something.

    Attributes:
        files: by a name that does not depend on where they lie, such as `pack/module.py`.
        packages: import names of installed packages, or names of distributions.
    """

    files: dict[str, Path] = field(default_factory=dict)
    packages: list[str] = field(default_factory=list)


def find(module: str) -> ModuleSpec | None:
    """Where a module would come from; no package above it is imported. None where there is none."""
    parts = module.split(".")
    spec = _top_level(parts[0])
    for depth in range(2, len(parts) + 1):
        if spec is None or spec.submodule_search_locations is None:
            return None
        name, folders = ".".join(parts[:depth]), list(spec.submodule_search_locations)
        try:
            spec = importlib.machinery.PathFinder.find_spec(name, folders)
        except KeyError:  # a folder without `__init__.py` asks for its parent, which is not imported
            spec = ModuleSpec(name, None, is_package=True)
            below = [os.path.join(folder, parts[depth - 1]) for folder in folders]
            spec.submodule_search_locations = [folder for folder in below if os.path.isdir(folder)]
    return spec


def is_standard(package: str) -> bool:
    """Whether a top-level name is Python's own, and no module of somebody else's hides it."""
    if package not in sys.stdlib_module_names | {"test"}:  # Python's own tests, which its list leaves out
        return False
    origin = _origin(_top_level(package))
    return origin is None or any(origin.resolve().is_relative_to(folder) for folder in _standard_folders())


def distributions_of(package: str) -> tuple[str, ...]:
    """Installed distributions that bring this top-level name; none for a module of the user's own.

    A module that lies elsewhere than the distribution of its name (a folder of the user's that hides an installed
    package) is the user's own.
    """
    named = dict.fromkeys(_packages_distributions(tuple(sys.path)).get(package, ()))
    if not named:
        return ()
    spec = _top_level(package)
    places = [] if spec is None else [*filter(None, [_origin(spec)]), *map(Path, spec.submodule_search_locations or ())]
    return tuple(name for name in named if not places or _lies_in(name, places))


def requirements_of(distribution: str) -> tuple[str, ...]:
    """Names of installed distributions that this one asks for itself, sorted; extras are left out."""
    found = set()
    for line in importlib.metadata.requires(distribution) or ():
        name, marker = re.match(r"[A-Za-z0-9._-]*", line), line.partition(";")[2]
        if name and not re.search(r"\bextra\b", marker):
            found.add(_normal(name[0]))
    return tuple(sorted(name for name in found if _is_installed(name)))


def code_of(module: str) -> Code:
    """All code that importing this module may run, except that of installed packages beyond its own.

    Of an installed package, these are the files of its distribution; of the user's own, the module and what it imports
    of the user's own. Installed packages that these import or require count by their names; editable ones are followed
    like the user's own as well, for their version stays when they are edited.
    """
    importlib.machinery.PathFinder.invalidate_caches()
    package, code = module.partition(".")[0], Code()
    brought_by = distributions_of(package)
    required = [name for each in brought_by for name in requirements_of(each)]
    followed = [name for each in required for name in _packages_of(each) if _is_edited(name)]
    if not brought_by or _is_edited(package):
        followed.append(module)
    else:
        code.files |= _files_of_distributions(brought_by)
    found = _follow(followed, code.files)
    code.packages = list(dict.fromkeys([*([package] if brought_by else []), *required, *sorted(found)]))
    return code


def sha256(file: Path) -> str:
    """SHA-256 of a file's content; computed once while the file stays as it is.

    Raises:
        OSError: it cannot be read.
    """
    facts = file.stat()
    if time.time_ns() - facts.st_mtime_ns < CLOCK_NS:  # another change may not show in the time
        return _sha256.__wrapped__(file)
    return _sha256(file, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)


@functools.lru_cache(maxsize=65536)
def _sha256(file: Path, *facts: int) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


# ------------------------------------------------------------------------------------------- the user's own modules


def _follow(modules: list[str], files: dict[str, Path]) -> set[str]:
    """Collect the files of modules and of all of the user's own that they import; gives the installed packages."""
    waiting, seen, installed, followed = [*modules], set[str](), set[str](), set[Path]()
    while waiting:
        name = waiting.pop()
        package = name.partition(".")[0]
        if name in seen or is_standard(package):
            continue
        seen.add(name)
        if distributions_of(package):
            installed.add(package)
            if not _is_edited(package):
                continue
        for shown, file in _files_of_module(name):
            files.setdefault(shown, file)
            if file not in followed:
                followed.add(file)
                waiting += _imported_by(shown, file, files)
    return installed


def _files_of_module(name: str, endings: tuple[str, ...] = CODE) -> Iterator[tuple[str, Path]]:
    """Files that importing a module may run: those of the packages around it too, each of which counts as a whole."""
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        spec = find(".".join(parts[:depth]))
        origin = _origin(spec)
        if spec is None or origin is None:
            continue
        within = "/".join(parts[: depth - 1])
        if spec.submodule_search_locations is None:
            yield _joined(within, origin.name), origin
            continue
        for folder in spec.submodule_search_locations:
            for file in _files_below(Path(folder), endings):
                yield _joined(within, parts[depth - 1], file.relative_to(folder).as_posix()), file


def _files_below(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    """Files below this folder with these endings, sorted; those of hidden folders and caches are left out."""
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != "__pycache__" and not name.startswith("."))
        found += [Path(place) / name for name in sorted(names) if name.endswith(endings)]
    return found


def _imported_by(shown: str, file: Path, files: dict[str, Path]) -> Iterator[str]:
    """Modules that a file imports; parameter files that it names are collected on the way."""
    if file.suffix != ".py":
        return
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):  # what it is will be said where it is imported
        return
    parts = shown.removesuffix(".py").split("/")
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = parts[: len(parts) - node.level] if node.level else []
            start = ".".join([*above, *filter(None, [node.module])])
            yield from (f"{start}.{alias.name}".strip(".") for alias in node.names)
            if start:
                yield start
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _named_by(node.value, file, files)


def _named_by(text: str, file: Path, files: dict[str, Path]) -> Iterator[str]:
    """What a text in the user's code may name: a module (`import_module("helper")`), a script, a file of parameters."""
    if re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", text) and find(text) is not None:
        if not distributions_of(text.partition(".")[0]):
            yield text
        return
    if not os.path.splitext(text)[1] or len(text) > LONGEST_NAME or "\0" in text:
        return
    for folder in (file.parent, Path.cwd()):
        # `HERE + "/weights.json"` means a file beside the code, and a path from the root is tried as one.
        named = folder / os.path.expanduser(text)
        if not os.path.isfile(named):
            named = folder / text.lstrip("/")
        if os.path.isfile(named):
            files.setdefault(named.name if os.path.isabs(text) or text.startswith("~") else text, named)
            return


# --------------------------------------------------------------------------------------------------- distributions


@functools.cache
def _packages_distributions(path: tuple[str, ...]) -> Mapping[str, list[str]]:
    """Top-level names with their distributions, as long as Python's path is this one."""
    return importlib.metadata.packages_distributions()


def _files_of_distributions(names: tuple[str, ...]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for name in names:
        found |= _files_of_distribution(name, tuple(sys.path))
    return found


@functools.cache
def _files_of_distribution(name: str, path: tuple[str, ...]) -> Mapping[str, Path]:
    """Files of code and parameters of a distribution, in all its top-level packages and modules."""
    found: dict[str, Path] = {}
    for package in _packages_of(name):
        found |= dict(_files_of_module(package, (*CODE, *sorted(DATA))))
    return found


def _packages_of(distribution: str) -> list[str]:
    """Top-level names that a distribution brings."""
    named = sorted(_packages_distributions(tuple(sys.path)).items())
    candidates = [package for package, by in named if _normal(distribution) in map(_normal, by)]
    return [name for name in candidates if _normal(distribution) in map(_normal, distributions_of(name))]


def _is_edited(package: str) -> bool:
    """Whether an installed package is somebody's work at present: its version says little, its files do."""
    return any(_is_editable(name) and _normal(name) not in OURS for name in distributions_of(package))


def _normal(distribution: str) -> str:
    """The name of a distribution as it is compared."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _is_installed(distribution: str) -> bool:
    try:
        importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _lies_in(distribution: str, places: list[Path]) -> bool:
    """Whether a module that lies here can be this distribution's."""
    if _is_editable(distribution):
        return True
    folder = Path(str(importlib.metadata.distribution(distribution).locate_file(""))).resolve()
    return any(place.resolve().is_relative_to(folder) for place in places)


def _is_editable(distribution: str) -> bool:
    """Whether its files are edited where they lie."""
    return _says_editable(distribution, tuple(sys.path))


@functools.cache
def _says_editable(distribution: str, path: tuple[str, ...]) -> bool:
    found = importlib.metadata.distribution(distribution)
    try:
        facts = json.loads(found.read_text("direct_url.json") or "{}")
    except ValueError:
        facts = {}
    informed = facts.get("dir_info") if isinstance(facts, dict) else None
    return isinstance(informed, dict) and informed.get("editable") is True


# ----------------------------------------------------------------------------------------------------------- places


def _top_level(name: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):  # a module that was made by hand has no place
        return None


def _origin(spec: ModuleSpec | None) -> Path | None:
    """The file of a module; None where it has none (built in, a namespace)."""
    return Path(spec.origin) if spec is not None and spec.has_location and spec.origin else None


@functools.cache
def _standard_folders() -> tuple[Path, ...]:
    return tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib"))


def _joined(*parts: str) -> str:
    return "/".join(filter(None, parts))
