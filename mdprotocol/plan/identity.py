"""Identity of a run: SHA-256 over everything that determines its dataset. Equal identity, equal data."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mdprotocol import __version__
from mdprotocol.contracts import Component, Dynamics, Model, Structure
from mdprotocol.modules import code_of, sha256
from mdprotocol.plan.types import Probe, Run, RunSettings

DATA_FORMAT = 5
"""Raise it with every change of the engine or of a plugin of ours after which runs come out differently."""
OURS = ("mdprotocol", "mdprotocol_plugins")


def component_facts(component: Component | None) -> Any:
    """A component's class, the version of its code, and its options."""
    if component is None:
        return None
    cls = type(component)
    name = LOCAL.sub(r"\1", f"{cls.__module__}.{cls.__qualname__}")
    return {"class": name, "code": code_version(cls.__module__), "options": component.model_dump(mode="json")}


def is_ours(component: Component) -> bool:
    """Whether a component comes with this program, whose version then says which code it is."""
    return type(component).__module__.partition(".")[0] in OURS


LOCAL = re.compile(r"^(mdprotocol_local_\w*)_[0-9a-f]{8}\b")
"""The registry names a local plugin's module by its path, and where a file lies changes no number."""


@functools.cache
def code_version(module: str) -> str:
    """What tells versions of a component's code apart: for ours a number, for others a digest of all their source.

    Args:
        module: name of the component's module; if it is in a package, the whole of that counts, and in any case what it
            imports that no installed distribution brings, and the versions of those that it builds on.
    """
    top = module.partition(".")[0]
    if top in OURS:
        return f"{__version__} {DATA_FORMAT}"
    if getattr(sys.modules.get(top), "__file__", None) is None:
        return ""
    code = code_of(module)
    files = {LOCAL.sub(r"\1", name): sha256(file) for name, file in code.files.items()}
    return hashed({"files": files, "packages": {name: package_version(name) for name in code.packages}})


@functools.cache
def package_version(package: str) -> str:
    """Version of an installed package by its import name; empty where it has none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        names = importlib.metadata.packages_distributions().get(package, [])
        return " ".join(f"{name} {importlib.metadata.version(name)}" for name in sorted(set(names)))


def model_facts(model: Model, base: Path) -> Any:
    """A model's code, options and the content of its files, and the versions of the packages that compute it.

    Where the files lie does not matter, nor does the model's name.

    Raises:
        OSError: a file cannot be read.
    """
    digests = {file.absolute(): sha256(file) for file in model.files(base)}
    facts = component_facts(model)
    facts["options"] = by_content(facts["options"], digests, base)
    packages = {package: package_version(package) for package in model.packages()}
    sources = {name: sha256(file) for name, file in model.sources(base).items()}
    facts |= {"files": list(digests.values()), "packages": packages}
    return facts | ({"sources": sources} if sources else {})


def by_content(value: Any, digests: Mapping[Path, str], base: Path) -> Any:
    """Options in which the digest of a file, or those of all files in a folder, stand for its path."""
    if isinstance(value, str):
        return _content(value, digests, base) or value
    if isinstance(value, list):
        return [by_content(item, digests, base) for item in value]
    if isinstance(value, dict):
        return {name: by_content(item, digests, base) for name, item in value.items()}
    return value


def _content(text: str, digests: Mapping[Path, str], base: Path) -> Any:
    """What a text names among these files, as seen from the protocol's folder, the working folder or the user's."""
    for path in (base / text, Path(text), Path(os.path.expanduser(text))):
        found = path.absolute()
        if found in digests:
            return digests[found]
        if text and found not in (base.absolute(), *base.absolute().parents):
            below = {file.relative_to(found).as_posix(): d for file, d in digests.items() if found in file.parents}
            if below:
                return below
    return None


def structure_facts(structure: Structure) -> Any:
    """A structure's numbers; its name and provenance do not move an atom. What it does not say has no entry."""
    said = {
        "multiplicity": structure.multiplicity,
        "magnetic_moments": _listed(structure.magnetic_moments),
        "fixed": _listed(structure.fixed),
        "velocities_A_fs": _listed(structure.velocities),
    }
    return {name: value for name, value in said.items() if value is not None} | {
        "numbers": structure.numbers.tolist(),
        "positions_A": structure.positions.tolist(),
        "masses_amu": structure.masses.tolist(),
        "cell_A": structure.cell.tolist(),
        "pbc": [bool(periodic) for periodic in structure.pbc],
        "charge": structure.charge,
    }


def _listed(values: np.ndarray | None) -> Any:
    return None if values is None else values.tolist()


def settings_facts(settings: RunSettings) -> Any:
    """Run settings as plain data."""
    stage = settings.equilibration
    return {
        "integrator": component_facts(settings.integrator),
        "timestep_fs": settings.timestep_fs,
        "steps": settings.steps,
        "record_every": settings.record_every,
        "reference_every": settings.reference_every,
        "guard_every": settings.guard_every,
        "guards": settings.guards.model_dump(mode="json"),
        "equilibration": None
        if stage is None
        else {
            "integrator": component_facts(stage.integrator),
            "duration_ps": stage.duration_ps,
            "timestep_fs": stage.timestep_fs,
        },
    }


def run_identity(run: Run, model: str, reference: str, structure: str, settings: str) -> str:
    """Identity of a run.

    Args:
        model, reference, structure, settings: digests of their facts; the reference counts only where it labels frames.
    """
    return hashed(
        {
            "version": [__version__, DATA_FORMAT],
            "model": model,
            "reference": reference if run.settings.reference_every else None,
            "structure": structure,
            "settings": settings,
            "temperature_K": run.temperature_K,
            "seed": run.seed,
        }
    )


def probe_identity(probe: Probe, model: str, reference: str, structure: str) -> str:
    """Identity of a probe; the reference and the simulations count only where the probe says that it needs them."""
    return hashed(
        {
            "version": [__version__, DATA_FORMAT],
            "model": model,
            "structure": structure,
            "metric": component_facts(probe.component),
            "seed": probe.seed,
            "batch_sizes": list(probe.batch_sizes),
            "reference": reference if probe.component.needs_reference else None,
            "dynamics": [_dynamics_facts(dynamics) for dynamics in probe.dynamics],
        }
    )


def _dynamics_facts(dynamics: Dynamics) -> Any:
    return {
        "integrator": component_facts(dynamics.integrator),
        "timestep_fs": dynamics.timestep_fs,
        "temperatures_K": list(dynamics.temperatures_K),
    }


def hashed(facts: Any) -> str:
    """SHA-256 of canonical JSON: sorted keys, no spaces, shortest exact numbers."""
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


class Digests:
    """Digests of objects that many runs share, each computed once."""

    def __init__(self, facts: Callable[[Any], Any]) -> None:
        self._facts = facts
        self._known: dict[int, tuple[Any, str]] = {}

    def __call__(self, item: Any) -> str:
        if id(item) not in self._known:
            self._known[id(item)] = (item, hashed(self._facts(item)))  # the item is kept, so that its id stays its own
        return self._known[id(item)][1]
