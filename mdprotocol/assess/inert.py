"""Whether anything happened in a run: where it did not, no number of the run tells a force field from none."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr

from mdprotocol.plan.inert import (
    LEAST_DISPLACEMENT_A,
    LEAST_FORCE_EV_A,
    LEAST_TEMPERATURE_K,
    no_forces,
    no_motion,
    stays,
)

CHUNK_BYTES = 4 << 20
"""Read at once. Of most runs the first chunk of forces decides, so that a long one costs no more than a short one."""
EVERY_FRAME = "every frame"


def inert(run: xr.Dataset) -> str:
    """Why a completed run cannot tell the force field from none; empty where it can.

    A run that failed has told. Values that are not finite are left to the metrics, which refuse them.
    """
    if run.attrs.get("outcome") != "completed":
        return ""
    try:
        return _without_forces(run) or _without_motion(run) or _without_displacement(run)
    except Exception as error:  # readers raise whatever they stumble over
        return f"its file cannot be read: {type(error).__name__}: {' '.join(str(error).split())}"


def _without_forces(run: xr.Dataset) -> str:
    largest, found = 0.0, False
    for values in _chunks(run, "force"):
        finite = np.abs(values[np.isfinite(values)])
        largest, found = max(largest, float(finite.max(initial=0.0))), found or bool(finite.size)
        if largest >= LEAST_FORCE_EV_A:
            return ""
    return no_forces(run.sizes.get("atom", 0), largest, EVERY_FRAME) if found else ""


def _without_motion(run: xr.Dataset) -> str:
    total, count = 0.0, 0
    for values in _chunks(run, "temperature"):
        total, count = total + float(values.sum()), count + values.size
    return no_motion(total / count) if count and total / count < LEAST_TEMPERATURE_K else ""


def _without_displacement(run: xr.Dataset) -> str:
    first: np.ndarray | None = None
    largest, frames = 0.0, 0
    for values in _chunks(run, "position"):
        first = values[0] if first is None else first
        frames += len(values)
        moved = np.abs(values - first)
        largest = max(largest, float(moved[np.isfinite(moved)].max(initial=0.0)))
        if largest >= LEAST_DISPLACEMENT_A:
            return ""
    return stays(largest) if frames > 1 else ""


def _chunks(run: xr.Dataset, name: str) -> Iterator[np.ndarray]:
    """A variable, some frames at a time; nothing where the run has none of this name."""
    variable = run.variables.get(name)
    if variable is None or variable.dtype.kind != "f" or not variable.ndim:
        return
    frames = len(variable)
    step = max(1, CHUNK_BYTES * frames // max(1, variable.nbytes))
    for first in range(0, frames, step):
        yield variable[first : first + step].values
