"""The dataset of one run: every variable and attribute of `mdprotocol.variables`."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xarray as xr

from mdprotocol.contracts import Structure
from mdprotocol.engine.recording import Ending, Frame
from mdprotocol.plan.identity import settings_facts
from mdprotocol.plan.types import Run
from mdprotocol.units import FS_PER_PS
from mdprotocol.variables import RUN_COORDS, RUN_VARIABLES


def run_dataset(
    run: Run, structure: Structure, time: np.ndarray, frames: Frame, ending: Ending, dof: float, kernel: str
) -> xr.Dataset:
    """The dataset of one run in memory, without the reference's labels.

    Args:
        time: (frames,) fs.
        frames: recorded variables, frames first.
        dof: degrees of freedom behind the temperature.
        kernel: what evaluated the model.
    """
    dataset = without_frames(run, structure, ending, dof, kernel)
    moving = {"time": time} | frames
    return dataset.assign({name: _variable(name, values) for name, values in moving.items()}).set_coords("time")


def without_frames(run: Run, structure: Structure, ending: Ending, dof: float, kernel: str) -> xr.Dataset:
    """All of a run's dataset that does not grow with its length."""
    fixed = {
        "atomic_number": structure.numbers,
        "mass": structure.masses,
        "initial_position": structure.positions,
        "cell": structure.cell,
        "pbc": structure.pbc.astype(np.int8),
    }
    dataset = xr.Dataset({name: _variable(name, values) for name, values in fixed.items()})
    dataset = dataset.assign_coords(xyz=["x", "y", "z"]).set_coords([name for name in RUN_COORDS if name in fixed])
    return dataset.assign_attrs(_settings(run, dof) | _ending(ending) | {"kernel": kernel})


def _variable(name: str, values: np.ndarray) -> tuple[tuple[str, ...], np.ndarray, dict[str, str]]:
    known = RUN_VARIABLES[name]
    return known.dims, np.ascontiguousarray(values), {"units": known.units, "long_name": known.long_name}


def _settings(run: Run, dof: float) -> dict[str, Any]:
    settings = run.settings
    return {
        "model": run.model,
        "system": run.system,
        "simulation": run.simulation,
        "temperature_K": run.temperature_K,
        "replica": run.replica,
        "seed": str(run.seed),  # some readers of NetCDF have no 64-bit attributes
        "timestep_fs": settings.timestep_fs,
        "duration_ps": settings.steps * settings.timestep_fs / FS_PER_PS,
        "degrees_of_freedom": dof,
        "integrator": settings.integrator.model_dump_json(),
        "settings": json.dumps(settings_facts(settings), sort_keys=True),
        "identity": run.identity,
        "model_digest": run.model_digest,
    }


def _ending(ending: Ending) -> dict[str, Any]:
    failure = ending.failure
    return {
        "outcome": "failed" if failure else "completed",
        "failure_kind": failure.kind if failure else "",
        "failure_detail": failure.detail if failure else "",
        "failure_step": ending.step,
        "failure_time_fs": ending.time_fs,
    }
