"""Kinematics: whether positions move as velocities and the time step say."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import xarray as xr

from mdprotocol.api import NotMeasurable, ProbeMetric, Quantity, Subject, Values, properties
from mdprotocol_plugins.metrics._moving import constant_energy, start_temperature
from mdprotocol_plugins.metrics._series import enough, finite

STEPS = 40


class Kinematics(ProbeMetric):
    """Whether positions change as velocities and the written time step say, and whether velocities start as asked.

    Over 40 steps of the protocol's own constant-energy integrator, with time step dt:

        velocity_error     rms of (x(t + dt) - x(t - dt))/(2 dt) - v(t), relative to the rms of v
        start_temperature  |T(0)/T0 - 1|, of the temperature that the velocities were drawn for

    Velocity Verlet makes the first zero to rounding: x(t ± dt) = x ± dt v + dt² F/2m (Swope et al. 1982, J. Chem. Phys.
    76, 637, eq. 4). A time step off by a factor f gives |f - 1|, as where ASE's unit of time is forgotten; a kick of the
    wrong sign, or positions that something else moves, show as well. No energy tells: with a shorter time step than is
    written it is conserved all the better, and every rate is wrong.
    """

    type: Literal["kinematics"] = "kinematics"

    needs_dynamics: ClassVar = True
    needs: ClassVar = frozenset({"position", "velocity", "temperature"})
    tests: ClassVar = frozenset({properties.DYNAMICS})
    quantities: ClassVar = {
        "velocity_error": Quantity("1", "rms difference of displacements and velocities, relative to the rms", "max"),
        "start_temperature": Quantity("1", "relative deviation of the first temperature from the one asked for", "max"),
    }

    def probe(self, subject: Subject) -> xr.Dataset:
        dynamics = constant_energy(subject)
        kelvin = start_temperature(dynamics)
        moved = subject.propagate(
            dynamics.integrator, dynamics.timestep_fs, STEPS, temperature_K=kelvin, seed=subject.seed
        )
        facts = {"simulation": dynamics.simulation, "timestep_fs": dynamics.timestep_fs, "temperature_K": kelvin}
        return xr.Dataset({name: moved[name].variable for name in ("position", "velocity", "temperature")}, attrs=facts)

    def measure(self, run: xr.Dataset) -> Values:
        x, v, kelvin = finite(run, "position"), finite(run, "velocity"), finite(run, "temperature")
        enough(len(x), 3)
        moving = float(np.sqrt((v[1:-1] ** 2).mean()))
        if moving == 0:
            raise NotMeasurable("nothing moves")
        travelled = (x[2:] - x[:-2]) / (2 * float(run.attrs["timestep_fs"]))
        return {
            "velocity_error": float(np.sqrt(((travelled - v[1:-1]) ** 2).mean())) / moving,
            "start_temperature": abs(float(kelvin[0]) / float(run.attrs["temperature_K"]) - 1),
        }
