"""A list of time steps stands for a simulation each: what these are called."""

from __future__ import annotations

from collections.abc import Iterable


def expanded(name: str, timestep_fs: float | Iterable[float]) -> list[tuple[str, float]]:
    """Name and time step (fs) of each simulation: `nve`, [0.5, 1] -> nve_0.5fs, nve_1fs; `nve`, 0.5 -> nve."""
    if isinstance(timestep_fs, int | float):
        return [(name, timestep_fs)]
    return [(f"{name}_{step:g}fs", step) for step in timestep_fs]
