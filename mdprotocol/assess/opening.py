"""Opening a finished run's or probe's file: only the one that was planned is taken, else there is a reason."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any

import numpy as np
import xarray as xr

from mdprotocol.errors import StoreError
from mdprotocol.plan.identity import settings_facts
from mdprotocol.plan.types import Probe, Run
from mdprotocol.store import ResultsFolder


def opened(folder: ResultsFolder, item: Run | Probe, stack: ExitStack) -> xr.Dataset | str:
    """The dataset of a finished run or probe, or why there is none that can be trusted."""
    kind = "run" if isinstance(item, Run) else "probe"
    missing = f"the {kind} is missing or its file is damaged"
    try:
        dataset = stack.enter_context(folder.open(item.path))
    except StoreError as error:
        if folder.identity(item.path) is not None:
            return f"the {kind}'s file cannot be read: {error}"
        problem = folder.problem(item.id, item.identity)
        return f"the {kind} failed: {problem}" if problem else missing
    identity = str(dataset.attrs.get("identity", ""))
    if not identity:
        return missing
    if item.identity and identity != item.identity:
        return f"the stored {kind} is not the planned one (its settings, model or system differ); run it again"
    return (_misplaced(item, dataset) if item.identity else "") or _disagreement(item, dataset) or dataset


def _misplaced(item: Run | Probe, dataset: xr.Dataset) -> str:
    """What a file says of itself that its place does not: names are no part of an identity; empty if all agrees."""
    of_a_run, of_a_probe = ("model", "system", "simulation", "temperature_K", "replica"), ("model", "system", "metric")
    names: tuple[str, ...] = of_a_run if isinstance(item, Run) else of_a_probe
    said = {name: dataset.attrs[name] for name in names if name in dataset.attrs}
    differing = [name for name, value in said.items() if not np.array_equal(value, getattr(item, name))]
    if not differing:
        return ""
    own = ", ".join(f"{name} {said[name]}" for name in differing)
    return f"the file is another's: it says {own}; run it again"


def _disagreement(item: Run | Probe, dataset: xr.Dataset) -> str:
    """What shows that a stored run was made from other settings, where no identity is at hand; empty if nothing does."""
    if isinstance(item, Probe):
        return ""
    attrs = dataset.attrs
    if "outcome" not in attrs:
        return "the run's file does not say how the run ended"
    try:
        stored = dict(json.loads(str(attrs.get("settings", "{}"))))
    except (ValueError, TypeError, RecursionError):
        return "the run's file does not say with which settings it was made"
    pairs = {key: (stored.get(key, value), value) for key, value in settings_facts(item.settings).items()}
    pairs["seed"] = (str(attrs.get("seed", item.seed)), str(item.seed))
    differing = sorted(key for key, (old, new) in pairs.items() if _classless(old) != _classless(new))
    if not differing:
        return ""
    return f"the stored run was made with other settings than the protocol's ({', '.join(differing)}); run it again"


def _classless(facts: Any) -> Any:
    """Settings without where the code of their classes lies and its version: `run` asks for these, judging takes stored
    runs as what they are.
    """
    if not isinstance(facts, dict):
        return facts
    return {key: _classless(value) for key, value in facts.items() if key not in ("class", "code")}


def if_failed(dataset: xr.Dataset) -> str:
    """In front of a reason: that the run failed, where it did."""
    return f"the run {failure(dataset)}: " if dataset.attrs.get("outcome") == "failed" else ""


def failure(dataset: xr.Dataset) -> str:
    """How a run failed: `failed (nan at 12 fs)`."""
    attrs = dataset.attrs
    return f"failed ({attrs.get('failure_kind', 'unknown')} at {float(attrs.get('failure_time_fs', 0)):g} fs)"
