"""Energy fluctuation: what the time step does to the conserved energy from step to step, without the trend."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import xarray as xr

from mdprotocol.api import (
    MEV_PER_EV,
    Metric,
    NotMeasurable,
    Quantity,
    Role,
    Values,
    properties,
)
from mdprotocol_plugins.metrics._series import MIN_FRAMES, atoms_of, enough, finite, fit_line, time_ps


class EnergyFluctuation(Metric):
    """Scatter of the conserved energy about its trend, per atom and relative to that of the kinetic energy.

    With r(t) the residuals of the conserved energy (K + V at constant energy) about its least-squares line:

        per_atom             √(Σ r²/(n - 2)) / N, meV/atom
        percent_of_kinetic   100 √(Σ r²/(n - 2)) / std(K), %

    For a symplectic integrator the scatter goes with the square of the time step; a ratio above a few percent says that
    the step is too long or the forces are no gradient of the energy. Source of the ratio: Allen and Tildesley (2017),
    Computer Simulation of Liquids, 2nd ed., section 3.2.
    """

    type: Literal["energy_fluctuation"] = "energy_fluctuation"
    needs: ClassVar = frozenset({"time", "conserved_energy", "kinetic_energy"})
    tests: ClassVar = frozenset({properties.CONSERVATION})
    quantities: ClassVar = {
        "per_atom": Quantity(
            "meV/atom", "scatter of the conserved energy about its trend", "rms", role=Role.ENERGY_FLUCTUATION
        ),
        "percent_of_kinetic": Quantity(
            "%", "scatter of the conserved relative to that of the kinetic energy", positive=True
        ),
    }

    def measure(self, run: xr.Dataset) -> Values:
        time, energy, kinetic = time_ps(run), finite(run, "conserved_energy"), finite(run, "kinetic_energy")
        enough(len(time), MIN_FRAMES)
        residuals = fit_line(time, energy).residuals
        scatter = float(np.sqrt(residuals @ residuals / (len(residuals) - 2)))
        moving = float(kinetic.std(ddof=1))
        if moving == 0:
            raise NotMeasurable("the kinetic energy does not change, so there is nothing to compare with")
        return {
            "per_atom": MEV_PER_EV * scatter / atoms_of(run),
            "percent_of_kinetic": 100 * scatter / moving,
        }
