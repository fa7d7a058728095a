"""A small valid run for the tests of the store."""

from __future__ import annotations

import numpy as np
import xarray as xr

from mdprotocol.variables import RUN_VARIABLES


def small_run(
    temperature: float = 300.0, replica: int = 0, frames: int = 5, outcome: str = "completed", **attrs: object
) -> xr.Dataset:
    """Two atoms; every number tells its temperature, replica and frame."""
    time = np.arange(frames) * 10.0
    values = {
        "position": temperature + 10 * replica + np.arange(frames)[:, None, None] + np.zeros((frames, 2, 3)),
        "total_energy": -temperature - replica - time,
        "sample_frame": np.arange(frames)[::2],
        "initial_position": np.zeros((2, 3)),
    }
    variables = {name: (RUN_VARIABLES[name].dims, value) for name, value in values.items()}
    coords = {"time": ("frame", time), "atomic_number": ("atom", [8, 1]), "mass": ("atom", [16.0, 1.0])}
    facts = {
        "model": "m", "system": "water", "simulation": "nve", "temperature_K": temperature, "replica": replica,
        "seed": 7 + replica, "outcome": outcome, "failure_kind": "", "failure_time_fs": -1.0, "identity": "ab" * 32,
    }  # fmt: skip
    return xr.Dataset(variables, coords, facts | attrs)


def run_path(temperature: float = 300.0, replica: int = 0) -> str:
    """Relative path of `small_run`'s file."""
    return f"runs/m/water/nve/T{temperature:g}K_r{replica}.nc"
