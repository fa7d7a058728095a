"""Identity of a run: SHA-256 over everything that determines its dataset. Equal identity, equal data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mdprotocol import __version__
from mdprotocol.components import Component, Dynamics, Model, Structure
from mdprotocol.plan.types import Probe, Run, RunSettings


def component_facts(component: Component | None) -> Any:
    """A component's class and options."""
    if component is None:
        return None
    cls = type(component)
    return {"class": f"{cls.__module__}.{cls.__qualname__}", "options": component.model_dump(mode="json")}


def model_facts(model: Model, base: Path) -> Any:
    """A model's options and the content of its files; where the files lie does not matter, nor does the model's name.

    Raises:
        OSError: a file cannot be read.
    """
    files = model.files(base)
    facts = component_facts(model)
    if files:
        kept = {name: value for name, value in facts["options"].items() if not _names_a_file(value, files, base)}
        facts["options"] = kept
    return facts | {"files": [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]}


def _names_a_file(value: Any, files: tuple[Path, ...], base: Path) -> bool:
    return isinstance(value, str) and (base / value).absolute() in [file.absolute() for file in files]


def structure_facts(structure: Structure) -> Any:
    """A structure's numbers; its name and provenance do not move an atom."""
    return {
        "numbers": structure.numbers.tolist(),
        "positions_A": structure.positions.tolist(),
        "masses_amu": structure.masses.tolist(),
        "cell_A": structure.cell.tolist(),
        "pbc": [bool(periodic) for periodic in structure.pbc],
        "charge": structure.charge,
    }


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
            "version": __version__,
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
            "version": __version__,
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
