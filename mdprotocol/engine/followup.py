"""Follow-up calculations on a model that failed: probes of its potential, and the failing dynamics run again otherwise.

A table of numbers is stored, one row a number; what they mean is told without torch (`mdprotocol.assess.diagnose`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from pydantic import ValidationError

from mdprotocol.contracts import ForceField, Model, Structure, Subject, Topology
from mdprotocol.engine import events
from mdprotocol.engine.guards import Watch
from mdprotocol.engine.loop import initial_state
from mdprotocol.engine.propagate import propagate
from mdprotocol.errors import NotMeasurable, asked_to_stop
from mdprotocol.plan.followup import AS_RUN, DOUBLE, HALF_STEP, PROBE, TRIPPED, FollowUp, Rerun
from mdprotocol.plan.identity import hashed
from mdprotocol.plan.types import Run
from mdprotocol.store import ResultsFolder

STATE = {"positions": "position", "velocities": "velocity"}
"""Argument of `propagate` -> variable of a run."""
FEWEST_STEPS, FRAMES = 40, 100
BEYOND = 1.2
"""How far beyond the time of a failure a rerun goes."""


@dataclass
class Rows:
    """Rows (what, quantity, system, criteria, value, detail); criteria are names with spaces between, empty for all."""

    rows: list[tuple[str, str, str, str, float, str]] = field(default_factory=list)

    def add(self, what: str, quantity: str, system: str, value: float, *, criteria: str = "", detail: str = "") -> None:
        """Add a number that is one."""
        if np.isfinite(value):
            self.rows.append((what, quantity, system, criteria, float(value), detail))

    def dataset(self) -> xr.Dataset:
        """One variable a column."""
        names = ("what", "quantity", "system", "criteria", "value", "detail")
        columns = list(zip(*self.rows, strict=True)) or [()] * len(names)
        data: dict[str, Any] = {n: ("row", np.array(c, dtype=object)) for n, c in zip(names, columns, strict=True)}
        values = np.array(columns[names.index("value")], dtype=float)
        data["value"] = ("row", values, {"units": "1", "long_name": "in the units of its quantity"})
        return xr.Dataset(data)


def follow_up_task(task: tuple[FollowUp, Path], emit: Callable[[events.Event], None]) -> None:
    """Do the follow-up of one model and store it as `diagnosis/<model>.nc`."""
    wanted, root = task
    emit(events.ProbeStarted(f"{wanted.model} diagnosis"))
    folder = ResultsFolder(root)
    table = follow_up(wanted, folder)
    facts = {"subject": wanted.subject, "identity": hashed(wanted.subject)}
    folder.write_dataset(wanted.path, table.dataset().assign_attrs(facts))
    emit(events.ProbeFinished(f"{wanted.model} diagnosis"))


def follow_up(wanted: FollowUp, folder: ResultsFolder) -> Rows:
    """All follow-up calculations; what cannot be done leaves no row."""
    force_field, table = wanted.component.load(Path(wanted.base)), Rows()
    first, others = list(wanted.structures.items())[:1], list(wanted.structures.items())[1:]
    for _, structure in first:
        force_field.prepare(Topology.of([structure]))  # what a model compiles or tabulates at first tells nothing
    until = time.process_time() + wanted.seconds
    for name, structure in first:
        _probe_all(wanted, force_field, folder, name, structure, until, table)
    for k, rerun in enumerate(wanted.reruns):
        moved = wanted.structures.get(rerun.run.system)
        if moved is not None:
            share = max(0.0, until - time.process_time()) / (len(wanted.reruns) - k)
            _run_again(wanted, rerun, moved, force_field, folder, time.process_time() + share, table)
    for name, structure in others:
        _probe_all(wanted, force_field, folder, name, structure, until, table)
    return table


def _probe_all(
    wanted: FollowUp,
    force_field: ForceField,
    folder: ResultsFolder,
    system: str,
    structure: Structure,
    until: float,
    table: Rows,
) -> None:
    subject = Subject(force_field, structure, wanted.seed)
    for name, probe in wanted.probes.items():
        path = wanted.done.get((system, name), "")
        if not path and time.process_time() > until:
            continue
        try:
            stored = _loaded(folder, path) if path else probe.probe(subject)
            found = {} if stored.attrs.get("outcome") == "failed" else probe.measure(stored)
        except BaseException as error:  # a probe that breaks tells nothing, and must not hide what the others tell
            if asked_to_stop(error):
                raise
            continue
        for quantity, value in found.items():
            table.add(PROBE, f"{name}.{quantity}", system, float(np.max(np.asarray(value, dtype=float))))


def _loaded(folder: ResultsFolder, path: str) -> xr.Dataset:
    with folder.open(path) as stored:
        return stored.load()


# ----------------------------------------------------------------------------------------------- dynamics once more


def _run_again(
    wanted: FollowUp,
    rerun: Rerun,
    structure: Structure,
    force_field: ForceField,
    folder: ResultsFolder,
    until: float,
    table: Rows,
) -> None:
    """The run as it was, with half the time step, and in float64: from the same start, for as long as there is time."""
    double = None if wanted.quick else in_double(wanted.component, wanted.base, force_field)
    models = [force_field] + ([double] if double else [])
    dt, system = rerun.run.settings.timestep_fs, rerun.run.system
    try:
        pace = [_seconds_per_step(model, structure, rerun.run) for model in models]
        affordable = int((until - time.process_time()) / (3 * pace[0] + sum(pace[1:])))
        start, steps = _stretch(rerun.run, folder, affordable)
        if steps < FEWEST_STEPS:
            return
        variants = [(AS_RUN, force_field, dt, steps), (HALF_STEP, force_field, dt / 2, 2 * steps)]
        variants += [(DOUBLE, double, dt, steps)] if double else []
        for what, model, timestep, count in variants:
            for quantity, value, detail in _numbers(rerun, structure, model, timestep, count, start):
                names = " ".join(rerun.criteria)
                table.add(what, quantity, system, value, criteria=names, detail=detail)
    except BaseException as error:  # a run that is gone, a model or integrator that breaks: the others may still tell
        if asked_to_stop(error):
            raise


def in_double(component: Model, base: str, force_field: ForceField) -> ForceField | None:
    """The same model in float64; None where it is that already, or cannot be."""
    if force_field.dtype == "float64" or "dtype" not in type(component).model_fields:
        return None
    options = component.model_dump() | {"dtype": "float64"}
    if "kernel" in options:
        options["kernel"] = "auto"
    try:
        return type(component).model_validate(options).load(Path(base))
    except (ValidationError, ValueError):
        return None


def _seconds_per_step(model: ForceField, structure: Structure, run: Run) -> float:
    dynamics = run.settings.integrator, run.settings.timestep_fs
    propagate(model, structure, *dynamics, 3, seed=run.seed)  # the first calls compile and allocate
    started = time.process_time()
    propagate(model, structure, *dynamics, 10, seed=run.seed)
    return (time.process_time() - started) / 10


def _stretch(run: Run, folder: ResultsFolder, affordable: int) -> tuple[dict[str, Any], int]:
    """Where to start, and how many steps: from the first frame, or as far before a failure as can be afforded."""
    data, dt = _loaded(folder, run.path), run.settings.timestep_fs
    start: dict[str, Any] = {"temperature_K": run.temperature_K, "seed": run.seed}
    times = np.asarray(data["time"].values, dtype=float)
    if data.attrs.get("outcome") != "failed":
        end = run.settings.steps * dt
    else:
        failure = float(data.attrs["failure_time_fs"])
        # Not so far beyond the failure that what can be afforded begins after it.
        end = max(min(BEYOND * failure, failure + affordable * dt / 3), FEWEST_STEPS * dt)
    if len(times) == 0:
        return start, min(affordable, round(end / dt))
    frame = int(np.argmax(times >= end - affordable * dt)) if data.attrs.get("outcome") == "failed" else 0
    start |= {name: data[own].values[frame] for name, own in STATE.items() if own in data}
    return start, min(affordable, round((end - times[frame]) / dt))


def _numbers(
    rerun: Rerun, structure: Structure, model: ForceField, timestep: float, steps: int, start: Mapping[str, Any]
) -> Iterator[tuple[str, float, str]]:
    """Whether the guards would have ended this run, and the quantities of failed criteria."""
    every = max(1, steps // FRAMES)
    length = f"{steps * timestep / 1000:.3g} ps"
    try:
        moved = propagate(model, structure, rerun.run.settings.integrator, timestep, steps, record_every=every, **start)
    except NotMeasurable as error:
        yield TRIPPED, 1.0, f"{error}, within {length}"
        return
    failure = _first_failure(moved, structure, rerun.run)
    yield TRIPPED, float(bool(failure)), failure or f"within {length}"
    if failure:
        return
    for quantity, metric in rerun.quantities.items():
        try:
            value = float(np.max(np.asarray(metric.measure(moved)[quantity.partition(".")[2]], dtype=float)))
        except BaseException as error:  # as for a probe
            if asked_to_stop(error):
                raise
            continue
        yield quantity, value, f"over {length}"


def _first_failure(moved: xr.Dataset, structure: Structure, run: Run) -> str:
    """What the run's guards say of the first frame that they would not let pass; empty where there is none."""
    watch = Watch(run.settings.guards, [structure])
    state = initial_state([structure], [run.temperature_K])
    state.dof = torch.tensor([float(moved.attrs["degrees_of_freedom"])], dtype=torch.float64)
    names = STATE | {"forces": "force"}
    for k, now in enumerate(moved["time"].values.tolist()):
        for name, own in names.items():
            setattr(state, name, torch.as_tensor(np.array(moved[own].values[k])))
        found = watch.failures(state, np.array([True]))
        if found:
            return f"{found[0].kind} at {now:g} fs: {found[0].detail}"
    return ""
