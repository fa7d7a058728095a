"""Runs that are one and the same under two names: counted as independent samples, they would narrow every interval.

Runs of equal identity hold equal data, whatever pools them, and are refused. Runs that differ only in what does not move
an atom (length, recording, labels, guards) are one trajectory: each is sound by itself, but no criterion may pool them.
Equal seeds alone are no fault: time steps and integrators are compared from equal velocities on purpose. Where such runs
are pooled they count as one sample (assess/pooling.py), and the plan warns of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from mdprotocol.contracts import Structure
from mdprotocol.plan.conditions import Unplanned
from mdprotocol.plan.findings import Findings
from mdprotocol.plan.identity import Digests, component_facts, hashed
from mdprotocol.plan.metrics import quantity_of, split_quantity
from mdprotocol.plan.study import Study
from mdprotocol.plan.types import Probe, Run, RunSettings
from mdprotocol.protocol.places import Path

NOT_COUNTED = ("max", "same")
"""Ways of pooling in which a value that comes twice changes nothing."""
DECIMALS = 2
"""Of a position and of a cell vector in Å in which geometries must differ: closer ones give trajectories that stay together."""
NEAR = 0.02
"""Relative difference of temperatures and of time steps below which trajectories of equal start and seed stay together."""


def find_equal_runs(runs: Iterable[Run], findings: Findings) -> None:
    """Note runs of one model that have equal identities, once for each pair of places in the protocol."""
    first: dict[tuple[str, str], Run] = {}
    noted: set[tuple[Path, str]] = set()
    for run in runs:
        other = first.setdefault((run.model, run.identity), run)
        if other is not run:
            path, why = _cause(other, run)
            if (path, why) not in noted:
                noted.add((path, why))
                text = f"{why}: {other.id} and {run.id} are the same run, which would be counted twice"
                findings.error(path, text, key=True)


def _cause(one: Run, other: Run) -> tuple[Path, str]:
    base = other.base_simulation
    if one.system != other.system:
        why = f"systems '{one.system}' and '{other.system}' are the same structure, with equal seeds"
        return ("systems", other.system), f"{why}; leave one of them out, or let the seeds differ"
    if one.simulation != other.simulation:
        why = f"simulations '{one.simulation}' and '{other.simulation}' have the same settings and seeds"
        return ("simulations", base), f"{why}; leave one of them out, or let the seeds differ"
    why = f"replicas {one.replica} and {other.replica} have the same seed"
    return ("simulations", base, "seeds"), f"{why}; let the seeds differ"


def find_pooled_twice(study: Study, structures: Mapping[str, Structure], findings: Findings) -> None:
    """Note criteria that pool one trajectory, or one structure that a probe examines, under two names."""
    shapes = {name: hashed(_shape(structure)) for name, structure in structures.items()}
    for name in study.protocol.criteria:
        found = (pooled_twice(study, name, model, shapes) for model in study.protocol.models)
        why = next(filter(None, found), "")
        if why:
            findings.error(("criteria", name, "per"), why)


def warn_equal_seeds(study: Study, findings: Findings) -> None:
    """Warn of criteria that pool runs with equal seeds, whose samples depend on each other."""
    for name, criterion in study.protocol.criteria.items():
        metric = study.metric_of(name)
        if metric is None or quantity_of(metric, split_quantity(criterion.metric)[1]).pool in NOT_COUNTED:
            continue
        for condition in (found for model in study.protocol.models for found in study.conditions_of(name, model)):
            runs = [item for item in condition.members if isinstance(item, Run)]
            seeds = {run.seed for run in runs}
            if len(seeds) < len(runs):
                text = f"it pools {len(runs)} runs of {len(seeds)} seeds; runs with equal seeds count as one sample"
                findings.warn(("criteria", name, "per"), text)
                break


def pooled_twice(study: Study, criterion: str, model: str, shapes: Mapping[str, str] | None = None) -> str:
    """Why a criterion would count a model's run (or probe) twice in one of its conditions; empty where it does not.

    Args:
        shapes: digest of every system's structure; a system is its name where None, as in judging.
    """
    metric = study.metric_of(criterion)
    _, quantity = split_quantity(study.protocol.criteria[criterion].metric)
    if metric is None or quantity_of(metric, quantity).pool in NOT_COUNTED:
        return ""
    known, motions = shapes or {}, Digests(_motion)
    for condition in study.conditions_of(criterion, model):
        alike: dict[Any, list[Run | Probe]] = {}
        for item in condition.members:
            if isinstance(item, Unplanned):
                continue
            before = alike.setdefault(_sample(item, known.get(item.system, item.system), motions), [])
            other = next((one for one in before if _near(one, item)), None)
            if other is not None:
                return f"it pools {other.id} and {item.id}, {_sameness(item)}"
            before.append(item)
    return ""


def _near(one: Run | Probe, other: Run | Probe) -> bool:
    """Whether two samples of equal start and seed are one trajectory; temperatures and time steps apart make two."""
    if not (isinstance(one, Run) and isinstance(other, Run)):
        return True
    kelvin, steps = (one.temperature_K, other.temperature_K), (one.settings.timestep_fs, other.settings.timestep_fs)
    return all(math.isclose(*pair, rel_tol=NEAR) for pair in (kelvin, steps))


def _sameness(item: Run | Probe) -> str:
    if isinstance(item, Probe):
        return "whose systems are the same structure: it would be counted twice; leave one of them out"
    return (
        "which are the same trajectory (equal or nearly equal system, settings, temperature, and equal seeds) and would be"
        " counted twice; let the seeds differ, or keep one of them with `where` or apart with `per`"
    )


def _sample(item: Run | Probe, shape: str, motions: Digests) -> Any:
    """What determines the trajectory of a run but its length; of a probe, what it examines."""
    if isinstance(item, Probe):
        return item.model, shape
    return item.model, shape, item.seed, motions(item.settings)


def _motion(settings: RunSettings) -> Any:
    """The part of the settings that moves atoms."""
    stage = settings.equilibration
    return {
        "integrator": component_facts(settings.integrator),
        "equilibration": stage and [component_facts(stage.integrator), stage.duration_ps, stage.timestep_fs],
    }


def _shape(structure: Structure) -> Any:
    """A structure up to where it lies and what is below `DECIMALS`."""
    centred = structure.positions - structure.positions.mean(axis=0)
    return {
        "numbers": structure.numbers.tolist(),
        "positions_A": (np.round(centred, DECIMALS) + 0.0).tolist(),  # -0.0 is 0.0
        "masses_amu": structure.masses.tolist(),
        "cell_A": (np.round(structure.cell, DECIMALS) + 0.0).tolist(),
        "pbc": [bool(periodic) for periodic in structure.pbc],
        "charge": structure.charge,
    }
