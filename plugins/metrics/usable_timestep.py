"""Usable time step: the largest one at which energy and structure hold, and the nanoseconds a day that it gives."""

from __future__ import annotations

import time
from typing import Annotated, ClassVar, Literal

import numpy as np
import xarray as xr
from pydantic import Field

from mdprotocol.api import (
    FS_PER_NS,
    MEV_PER_EV,
    SECONDS_PER_DAY,
    Dynamics,
    NotMeasurable,
    ProbeMetric,
    Quantity,
    Structure,
    Subject,
    Values,
    chemistry,
    properties,
)
from mdprotocol_plugins.metrics._domain import no_coordinate
from mdprotocol_plugins.metrics._moving import constant_energy, start_temperature
from mdprotocol_plugins.metrics._series import atoms_of, enough, finite, fit_line, time_ps
from mdprotocol_plugins.metrics._topology import bonds, length_values

SETTLING_FS = 100.0
Timestep = Annotated[float, Field(gt=0, le=20)]


class UsableTimestep(ProbeMetric):
    """Largest time step at which a short run at constant energy holds, and the simulated time a day at that step.

    From one start (velocities of twice the middle temperature, 100 fs at the shortest time step to share them out), the
    protocol's own constant-energy integrator moves the model for `length_fs` with each time step. One holds if

        drift      |b| - 2 se(b) ≤ `max_drift`, b the slope of the total energy, meV/atom/ps
        scatter    rms of the total energy about its line ≤ `max_scatter_percent` of the kinetic energy's deviation
        structure  every mean bond length within `max_shift_A` of that at the shortest time step, and no bond ever longer
                   than `bond_stretch` times its start

        largest_fs  the largest time step that holds, as all shorter ones do; 0 if none does, fs
        ns_per_day  largest_fs by the median wall time of a step of one molecule over the time steps, ns/day

    Velocity Verlet is stable up to dt = 2/w, w the fastest angular frequency, and below it the total energy scatters
    by q/(1 - q) of the kinetic energy, q = (w dt)²/4 (for an oscillator it keeps K + (1 - q) V exactly; Leimkuhler and
    Reich 2004, Simulating Hamiltonian Dynamics, section 4.2): 14 % at 1 fs for an O-H bond. The
    speed is that of the engine's steps with one molecule on this machine, model and integrator together.
    """

    type: Literal["usable_timestep"] = "usable_timestep"
    timesteps_fs: Annotated[tuple[Timestep, ...], Field(min_length=2, max_length=20)] = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
    length_fs: Annotated[float, Field(ge=50, le=100_000)] = 200.0
    max_drift: Annotated[float, Field(gt=0)] = 5.0
    """meV/atom/ps."""
    max_scatter_percent: Annotated[float, Field(gt=0)] = 20.0
    max_shift_A: Annotated[float, Field(gt=0)] = 0.02
    bond_stretch: Annotated[float, Field(gt=1)] = 1.8

    needs_dynamics: ClassVar = True
    alone: ClassVar = True
    needs: ClassVar = frozenset({"timestep", "drift", "drift_error", "scatter", "shift", "stretch", "step_time"})
    tests: ClassVar = frozenset({properties.TIMESTEP, properties.COST})
    quantities: ClassVar = {
        "largest_fs": Quantity("fs", "largest time step at which energy and structure hold", "min"),
        "ns_per_day": Quantity("ns/day", "simulated time a day at the largest time step that holds", "min"),
    }

    def inapplicable(self, quantity: str, structure: Structure) -> str:
        return no_coordinate(structure, "bonds", chemistry.BOND_FACTOR)

    def probe(self, subject: Subject) -> xr.Dataset:
        dynamics, timesteps = constant_energy(subject), sorted(set(self.timesteps_fs))
        settled = _settled(subject, dynamics, timesteps[0])
        found: list[dict[str, float]] = []
        lengths: np.ndarray | None = None
        for timestep in timesteps:
            try:
                moved, seconds = self._moved(subject, dynamics, timestep, settled)
            except NotMeasurable:
                break  # what flew apart does not hold; neither will a longer step
            pairs = bonds(moved)
            now = length_values(moved, pairs)
            lengths = now.mean(axis=0) if lengths is None else lengths
            found.append({"timestep": timestep, "step_time": seconds, **_quality(moved, now, lengths, pairs)})
            if found[-1]["stretch"] > self.bond_stretch:
                break
        units = {"timestep": "fs", "step_time": "s", "drift": "meV/atom/ps", "drift_error": "meV/atom/ps",
                 "scatter": "%", "shift": "Å", "stretch": "1"}  # fmt: skip
        data = {name: ("tried", [one[name] for one in found], {"units": units[name]}) for name in units}
        return xr.Dataset(data, attrs={"simulation": dynamics.simulation, "asked_fs": list(timesteps)})

    def _moved(
        self, subject: Subject, dynamics: Dynamics, timestep: float, settled: xr.Dataset
    ) -> tuple[xr.Dataset, float]:
        """The trajectory, and the wall time of a step, s."""
        steps = max(20, round(self.length_fs / timestep))
        began = time.perf_counter()
        moved = subject.propagate(
            dynamics.integrator,
            timestep,
            steps,
            temperature_K=dynamics.middle_temperature_K,
            seed=subject.seed,
            positions=settled["position"].values[-1],
            velocities=settled["velocity"].values[-1],
        )
        return moved, (time.perf_counter() - began) / steps

    def measure(self, run: xr.Dataset) -> Values:
        timestep, step_time = finite(run, "timestep"), finite(run, "step_time")
        enough(len(timestep), 1, "time steps survived")
        drift = np.abs(finite(run, "drift")) - 2 * finite(run, "drift_error")
        holds = (
            (drift <= self.max_drift)
            & (finite(run, "scatter") <= self.max_scatter_percent)
            & (finite(run, "shift") <= self.max_shift_A)
            & (finite(run, "stretch") <= self.bond_stretch)
        )
        held = len(holds) if holds.all() else int(np.argmin(holds))
        largest = float(timestep[held - 1]) if held else 0.0
        return {
            "largest_fs": largest,
            "ns_per_day": largest / FS_PER_NS * SECONDS_PER_DAY / float(np.median(step_time)),
        }


def _settled(subject: Subject, dynamics: Dynamics, timestep: float) -> xr.Dataset:
    """A short run that shares the kinetic energy of the start out."""
    steps = max(1, round(SETTLING_FS / timestep))
    return subject.propagate(
        dynamics.integrator,
        timestep,
        steps,
        temperature_K=start_temperature(dynamics),
        seed=subject.seed,
        record_every=steps,
    )


def _quality(moved: xr.Dataset, lengths: np.ndarray, usual: np.ndarray, pairs: np.ndarray) -> dict[str, float]:
    """Drift, scatter and structure of one trajectory; `lengths` (frame, bond), `usual` (bond,) Å."""
    energy, kinetic = finite(moved, "total_energy"), finite(moved, "kinetic_energy")
    line, scale = fit_line(time_ps(moved), energy), MEV_PER_EV / atoms_of(moved)
    swing = float(kinetic.std())
    if swing == 0:
        raise NotMeasurable("the kinetic energy does not change")
    start = length_values(moved, pairs, moved["initial_position"].values[None])[0]
    return {
        "drift": scale * line.slope,
        "drift_error": scale * line.standard_error,
        "scatter": 100 * float(line.residuals.std()) / swing,
        "shift": float(np.abs(lengths.mean(axis=0) - usual).max()),
        "stretch": float((lengths / start).max()),
    }
