"""Frames of a batch while it moves, and the dataset of each run when it has ended."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import xarray as xr

from mdprotocol.components import MDState, Structure
from mdprotocol.engine.guards import Failure
from mdprotocol.plan.types import Run
from mdprotocol.units import KB_EV_PER_K
from mdprotocol.variables import RUN_COORDS, RUN_VARIABLES

PER_ATOM = ("position", "velocity", "force")
PER_COPY = ("potential_energy", "kinetic_energy", "total_energy", "conserved_energy", "temperature")
Frame = dict[str, np.ndarray]


@dataclass(frozen=True)
class Ending:
    """How a run ended: `failure` is None when it was completed."""

    failure: Failure | None = None
    step: int = -1
    time_fs: float = float("nan")


@dataclass
class Recorder:
    """Frames of every copy: arrays for the planned frames, and one last frame of its own for a copy that fails."""

    frames: int
    offsets: np.ndarray
    dof: torch.Tensor
    count: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        copies, atoms = len(self.offsets) - 1, int(self.offsets[-1])
        self.count = np.zeros(copies, dtype=int)
        self._atoms = {name: np.empty((self.frames, atoms, 3)) for name in PER_ATOM}
        self._copies = {name: np.empty((self.frames, copies)) for name in PER_COPY}
        self._time = np.empty(self.frames)
        self._last: dict[int, tuple[float, Frame]] = {}
        self._next = 0

    def record(self, state: MDState, time_fs: float, alive: torch.Tensor) -> None:
        """Keep a planned frame of all copies that are alive."""
        frame, k = snapshot(state, self.dof), self._next
        for name in PER_ATOM:
            self._atoms[name][k] = frame[name]
        for name in PER_COPY:
            self._copies[name][k] = frame[name]
        self._time[k] = time_fs
        self._next += 1
        self.count[alive.numpy()] = self._next

    def record_last(self, b: int, state: MDState, time_fs: float) -> None:
        """Keep the frame in which a copy failed, where it is finite and later than the frames there are."""
        frame = snapshot(state, self.dof)
        mine = slice(self.offsets[b], self.offsets[b + 1])
        last = {name: frame[name][mine] for name in PER_ATOM} | {name: frame[name][b] for name in PER_COPY}
        later = self.count[b] == 0 or time_fs > self._time[self.count[b] - 1]
        if later and all(np.isfinite(values).all() for values in last.values()):
            self._last[b] = (time_fs, last)

    def first(self, name: str) -> np.ndarray:
        """A per-copy variable at frame 0, (B,)."""
        return self._copies[name][0]

    def series(self, b: int) -> tuple[np.ndarray, Frame]:
        """Times (frames,) fs and every recorded variable of copy b."""
        n, mine = self.count[b], slice(self.offsets[b], self.offsets[b + 1])
        frames = {name: values[:n, mine] for name, values in self._atoms.items()}
        frames |= {name: values[:n, b] for name, values in self._copies.items()}
        time = self._time[:n]
        if b in self._last:
            moment, last = self._last[b]
            time = np.append(time, moment)
            frames = {name: np.concatenate([values, last[name][None]]) for name, values in frames.items()}
        return time, frames


def snapshot(state: MDState, dof: torch.Tensor) -> Frame:
    """All recorded variables of a batch at this moment; energies in float64."""
    kinetic = state.kinetic_energy()
    total = kinetic + state.energy
    values = {
        "position": state.positions,
        "velocity": state.velocities,
        "force": state.forces,
        "potential_energy": state.energy,
        "kinetic_energy": kinetic,
        "total_energy": total,
        "conserved_energy": total - state.bath_energy,
        "temperature": 2 * kinetic / (dof * KB_EV_PER_K),
    }
    return {name: value.detach().cpu().numpy() for name, value in values.items()}


def run_dataset(
    run: Run,
    structure: Structure,
    time: np.ndarray,
    frames: Frame,
    ending: Ending,
    dof: float,
    extra: dict[str, Any],
) -> xr.Dataset:
    """The dataset of one run, with every variable and attribute of `mdprotocol.variables`."""
    fixed = {
        "time": time,
        "atomic_number": structure.numbers,
        "mass": structure.masses,
        "initial_position": structure.positions,
        "cell": structure.cell,
        "pbc": structure.pbc.astype(np.int8),
    }
    dataset = xr.Dataset({name: _variable(name, value) for name, value in (fixed | frames).items()})
    dataset = dataset.assign_coords(xyz=["x", "y", "z"]).set_coords(list(RUN_COORDS))
    return dataset.assign_attrs(_attributes(run, ending, dof) | extra)


def _variable(name: str, values: np.ndarray) -> tuple[tuple[str, ...], np.ndarray, dict[str, str]]:
    known = RUN_VARIABLES[name]
    return known.dims, np.ascontiguousarray(values), {"units": known.units, "long_name": known.long_name}


def with_labels(dataset: xr.Dataset, frames: np.ndarray, energies: np.ndarray, forces: np.ndarray) -> xr.Dataset:
    """Add the reference's energies (s,) eV and forces (s, n, 3) eV/Å at these frames."""
    values = {"sample_frame": frames.astype(np.int64), "reference_energy": energies, "reference_force": forces}
    return dataset.assign({name: _variable(name, value) for name, value in values.items()})


def _attributes(run: Run, ending: Ending, dof: float) -> dict[str, Any]:
    settings, failure = run.settings, ending.failure
    return {
        "model": run.model,
        "system": run.system,
        "simulation": run.simulation,
        "temperature_K": run.temperature_K,
        "replica": run.replica,
        "seed": str(run.seed),  # NetCDF attributes hold 63-bit integers, readers do not always
        "timestep_fs": settings.timestep_fs,
        "duration_ps": settings.steps * settings.timestep_fs / 1000,
        "degrees_of_freedom": dof,
        "integrator": settings.integrator.model_dump_json(),
        "settings": json.dumps(plain_settings(run), sort_keys=True),
        "identity": run.identity,
        "outcome": "failed" if failure else "completed",
        "failure_kind": failure.kind if failure else "",
        "failure_detail": failure.detail if failure else "",
        "failure_step": ending.step,
        "failure_time_fs": ending.time_fs,
    }


def plain_settings(run: Run) -> dict[str, Any]:
    """A run's settings as plain data."""
    s = run.settings
    return {
        "integrator": s.integrator.model_dump(mode="json"),
        "timestep_fs": s.timestep_fs,
        "steps": s.steps,
        "record_every": s.record_every,
        "reference_every": s.reference_every,
        "guard_every": s.guard_every,
        "guards": s.guards.model_dump(mode="json"),
        "equilibration": s.equilibration.model_dump(mode="json") if s.equilibration else None,
    }
