"""What a result was made with: versions, hardware, seeds, checkpoint hashes, commit. Not who or where."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import psutil
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mdprotocol import __version__
from mdprotocol.errors import StoreError
from mdprotocol.modules import sha256
from mdprotocol.plan.identity import hashed, model_facts, package_version
from mdprotocol.protocol.schema import REFERENCE
from mdprotocol.store import ResultsFolder

if TYPE_CHECKING:
    from mdprotocol.contracts import Model
    from mdprotocol.protocol.schema import Protocol

PROVENANCE = "provenance.json"
PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "numba",
    "xarray",
    "netCDF4",
    "ase",
    "tblite",
    "pydantic",
    "safetensors",
    "matplotlib",
)
MOST_SOURCES = 20
"""Files of a package that are listed one by one."""
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_ABSOLUTE = re.compile(r"(?<![\w.~-])(?:[A-Za-z]:)?[/\\](?:[^\s/\\'\":,]+[/\\])*([^\s/\\'\":,]+)")


class _Session(BaseModel):
    """A command that ran into the folder."""

    model_config = ConfigDict(strict=True)
    wall_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    runs_executed: int


class _Reused(BaseModel):
    """Runs of another results folder: id -> identity."""

    model_config = ConfigDict(strict=True)
    folder: Annotated[str, Field(alias="from")]
    runs: dict[str, str]
    protocol: str | None = None
    date: str | None = None
    commit: str | None = None


class _Criteria(BaseModel):
    """What was to be judged when the data was made, and what has been changed since."""

    model_config = ConfigDict(strict=True)
    when_the_data_was_made: dict[str, Any] = {}
    changed: list[str] = []
    now: dict[str, Any] = {}


class _Computed(BaseModel):
    """What computes a model: the digest of all of it, and SHA-256 of files and code, versions of packages, by name."""

    model_config = ConfigDict(strict=True)
    digest: str | None = None
    files: dict[str, str] = {}
    sources: dict[str, str] = {}
    packages: dict[str, str] = {}


class _Provenance(BaseModel):
    """What the facts of a results folder look like; there may be more of them, and none has to be there."""

    model_config = ConfigDict(strict=True)
    mdprotocol: str | None = None
    protocol: str | None = None
    date: str | None = None
    seed: int | None = None
    commit: str | None = None
    command: str = ""
    plugins: list[Any] = []
    warnings: list[str] = []
    checkpoints: dict[str, dict[str, str]] = {}
    models: dict[str, _Computed] = {}
    versions: dict[str, str] = {}
    hardware: dict[str, str | int | float | None] = {}
    threads: dict[str, str | int] = {}
    sessions: list[_Session] = []
    reused: list[_Reused] = []
    criteria: _Criteria = _Criteria()


def read_provenance(folder: ResultsFolder) -> dict[str, Any]:
    """The facts of a results folder; empty where it has none.

    Raises:
        StoreError: they are not of the kind that is written.
    """
    facts = folder.read_facts(PROVENANCE)
    try:
        _Provenance.model_validate(facts)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise StoreError(f"{folder.root / PROVENANCE} is damaged: {where}: {first['msg']}") from None
    return facts


def collect_provenance(protocol: Protocol, base: Path) -> dict[str, Any]:
    """Facts that a reader needs to judge or repeat a result, as plain data.

    Args:
        protocol: its seed, and its models and reference with the files, code and packages that compute them.
        base: folder of the protocol; the commit is that of its repository, where there is one.
    """
    models = dict(_models(protocol, base))
    return {
        "mdprotocol": __version__,
        "protocol": protocol.name,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "seed": protocol.seed,
        "checkpoints": {name: facts["files"] for name, facts in models.items() if facts["files"]},
        "models": models,
        "commit": commit(base),
        "versions": versions(),
        "hardware": hardware(),
        "threads": threads(),
    }


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide numbers; absent ones are left out."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def hardware() -> dict[str, Any]:
    """Operating system, processor, memory, and the GPU where torch has been imported by someone else."""
    facts: dict[str, Any] = {
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "machine": platform.machine(),
        "cpu": _cpu_model(),
        "cores_physical": psutil.cpu_count(logical=False),
        "cores_logical": psutil.cpu_count(logical=True),
        "cores_usable": _usable_cores(),
        "memory_GiB": round(psutil.virtual_memory().total / 2**30, 1),
    }
    gpu = _gpu()
    return facts | ({"gpu": gpu} if gpu else {})


def threads() -> dict[str, int | str]:
    """Thread counts that were asked for in the environment, and torch's own where it is imported."""
    found: dict[str, int | str] = {name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ}
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "get_num_threads"):
        found["torch"] = int(torch.get_num_threads())
    return found


def commit(folder: Path) -> str | None:
    """Commit of the repository that holds `folder`, with `+changes` where tracked files differ from it."""
    head = _git(folder, "rev-parse", "HEAD")
    if not head:
        return None
    return head + ("+changes" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")


def without_absolute_paths(facts: Any) -> Any:
    """The same data with every absolute path cut to its last part: a report goes to others, folders stay at home."""
    if isinstance(facts, str):
        return _ABSOLUTE.sub(r"\1", facts)
    if isinstance(facts, Mapping):
        return {str(key): without_absolute_paths(value) for key, value in facts.items()}
    if isinstance(facts, list | tuple):
        return [without_absolute_paths(value) for value in facts]
    return facts


def _models(protocol: Protocol, base: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """What computes each model and the reference, by names that tell nobody where it lies."""
    reference = {REFERENCE: protocol.reference} if protocol.reference is not None else {}
    for name, model in (*protocol.models.items(), *reference.items()):
        files = {file: sha256(file) for file in model.files(base) if file.is_file()}
        sources = {source: sha256(file) for source, file in model.sources(base).items()}
        yield (
            name,
            {
                "digest": _digest(model, base),
                "files": dict(zip(_shortest_names(list(files)), files.values(), strict=True)),
                "sources": dict(_by_package(sources)),
                "packages": {package: package_version(package) for package in model.packages()},
            },
        )


def _digest(model: Model, base: Path) -> str | None:
    """What stands for a model in the identity of its runs; None where a file of it is missing."""
    try:
        return hashed(model_facts(model, base))
    except OSError:
        return None


def _shortest_names(files: Sequence[Path]) -> list[str]:
    """The last parts of paths, as many as it takes to tell them apart."""
    parts = [file.absolute().parts[1:] for file in files]
    for depth in range(1, max(map(len, parts), default=0) + 1):
        names = ["/".join(each[-depth:]) for each in parts]
        if len(set(names)) == len(names):
            return names
    return ["/".join(each) for each in parts]


def _by_package(sources: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Names of source files with their digests; a package of many is one entry."""
    grouped: dict[str, dict[str, str]] = {}
    for name, digest in sources.items():
        grouped.setdefault(name.partition("/")[0], {})[name] = digest
    for package, files in grouped.items():
        if len(files) > MOST_SOURCES:
            yield f"{package} ({len(files)} files)", hashed(files)
        else:
            yield from files.items()


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _cpu_model() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or platform.machine()
    named = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return named[1].strip() if named else platform.processor() or platform.machine()


def _usable_cores() -> int | None:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else psutil.cpu_count()


def _gpu() -> str:
    torch = sys.modules.get("torch")
    cuda = getattr(torch, "cuda", None)
    return str(cuda.get_device_name()) if cuda is not None and cuda.is_available() else ""
