"""A small run for the tests of the store."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from mdprotocol.variables import RUN_VARIABLES


def _run(temperature: float = 300.0, replica: int = 0, frames: int = 5, **attrs: object) -> xr.Dataset:
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
    coords["xyz"] = ("xyz", ["x", "y", "z"])
    facts = {
        "model": "m", "system": "water", "simulation": "nve", "temperature_K": temperature, "replica": replica,
        "seed": str(2**63 - 9 + replica), "outcome": "completed", "failure_kind": "", "failure_time_fs": -1.0, "timestep_fs": 0.5,
        "identity": "ab" * 32,
    }  # fmt: skip
    return xr.Dataset(variables, coords, facts | attrs)


@pytest.fixture
def small_run() -> Callable[..., xr.Dataset]:
    """Make a run: `small_run(300.0, replica, frames=5, outcome="failed", ...)`."""
    return _run


@pytest.fixture
def run_path() -> Callable[..., str]:
    """Relative path of a run's file."""
    return lambda temperature=300.0, replica=0: f"runs/m/water/nve/T{temperature:g}K_r{replica}.nc"
