"""Reversibility: whether a trajectory finds its way back when velocities are reversed."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
import xarray as xr
from pydantic import Field

from mdprotocol.api import NotMeasurable, ProbeMetric, Quantity, Subject, Values, properties
from mdprotocol_plugins.metrics._moving import constant_energy, start_temperature
from mdprotocol_plugins.metrics._series import finite


class Reversibility(ProbeMetric):
    """How far from its start a trajectory ends that runs forth, has its velocities reversed, and runs back.

    The protocol's own constant-energy integrator moves the model for `length_fs`, then for as long with v -> -v. With
    x(0) the start and x' the end:

        position_error  largest |x'_ia - x_ia(0)| of any coordinate, Å
        velocity_error  largest |v'_ia + v_ia(0)| relative to the root mean square velocity at the start

    Newton's equations and velocity Verlet are reversible, whatever the forces, as long as these depend on nothing but
    positions. What is left is rounding, which chaos multiplies: over 100 fs by little. Thermostats, noise, friction,
    forces that remember (a stale neighbour list, an unconverged SCF) and integrators of first order do not come back.
    Hairer, Lubich and Wanner (2006), Geometric Numerical Integration, section V.1; Swope et al. (1982), J. Chem. Phys.
    76, 637.
    """

    type: Literal["reversibility"] = "reversibility"
    length_fs: Annotated[float, Field(ge=10, le=10_000)] = 100.0

    needs_dynamics: ClassVar = True
    needs: ClassVar = frozenset({"position", "velocity"})
    tests: ClassVar = frozenset({properties.REVERSIBILITY})
    quantities: ClassVar = {
        "position_error": Quantity("Å", "largest distance of a coordinate from its start after the way back", "max"),
        "velocity_error": Quantity("1", "largest error of a velocity after the way back, relative to the rms", "max"),
    }

    def probe(self, subject: Subject) -> xr.Dataset:
        dynamics = constant_energy(subject)
        steps = max(10, round(self.length_fs / dynamics.timestep_fs))
        forth = subject.propagate(
            dynamics.integrator,
            dynamics.timestep_fs,
            steps,
            temperature_K=start_temperature(dynamics),
            seed=subject.seed,
            record_every=steps,
        )
        back = subject.propagate(
            dynamics.integrator,
            dynamics.timestep_fs,
            steps,
            # Another seed: an integrator with noise must not meet the same noise again.
            seed=subject.seed + 1,
            record_every=steps,
            positions=forth["position"].values[-1],
            velocities=-forth["velocity"].values[-1],
        )
        ends = {
            name: (
                ("end", "atom", "xyz"),
                np.stack([forth[name].values[0], sign * back[name].values[-1]]),
                {"units": units},
            )
            for name, sign, units in (("position", 1, "Å"), ("velocity", -1, "Å/fs"))
        }
        facts = {"simulation": dynamics.simulation, "timestep_fs": dynamics.timestep_fs, "steps": steps}
        return xr.Dataset(ends, {"end": ["start", "after the way back"]}, facts)

    def measure(self, run: xr.Dataset) -> Values:
        position, velocity = finite(run, "position"), finite(run, "velocity")
        moving = float(np.sqrt((velocity[0] ** 2).mean()))
        if moving == 0:
            raise NotMeasurable("nothing moved, so there was no way back")
        return {
            "position_error": float(np.abs(position[1] - position[0]).max()),
            "velocity_error": float(np.abs(velocity[1] - velocity[0]).max()) / moving,
        }
