"""Kinetic energy distribution: mean and width of the kinetic energy under a thermostat against the canonical ones."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import xarray as xr

from mdprotocol.api import KB_EV_PER_K, Metric, NotMeasurable, Quantity, Values, properties
from mdprotocol_plugins.metrics._series import enough, finite, inefficiency, thermostatted

MIN_INDEPENDENT = 10
"""Independent samples below which a width is not worth a number."""


class KineticEnergyDistribution(Metric):
    """Mean and width of the kinetic energy of a thermostatted run, relative to the canonical distribution's.

    In the canonical ensemble K/kB T0 follows a Gamma distribution of shape f/2, f degrees of freedom, so that its mean is
    f kB T0/2 and its standard deviation √(f/2) kB T0, whatever the potential:

        mean_deviation   100 (mean of K / (f kB T0/2) - 1), signed, %
        width_deviation  100 (s / (√(f/2) kB T0) - 1), signed, %, s² = n/(n - g) of the variance of n frames with the
                         statistical inefficiency g
        independent      n/g, the number of independent samples

    This is the non-strict test of physical_validation (Merz and Shirts 2018, PLoS ONE 13, e0202764, kinetic energy
    distribution), with replicas in place of its bootstrap: each run is one sample. A thermostat that only rescales
    (Berendsen's) has the right mean and too small a width; a flying ice cube may have both right, see `equipartition`.
    Not measured at constant energy, where K is not canonical.
    """

    type: Literal["kinetic_energy_distribution"] = "kinetic_energy_distribution"
    needs: ClassVar = frozenset({"kinetic_energy", "total_energy", "conserved_energy"})
    tests: ClassVar = frozenset({properties.ENSEMBLE})
    quantities: ClassVar = {
        "mean_deviation": Quantity("%", "mean kinetic energy relative to the canonical one, minus 1"),
        "width_deviation": Quantity("%", "standard deviation of the kinetic energy relative to canonical, minus 1"),
        "independent": Quantity("1", "independent samples of the kinetic energy in a run"),
    }

    def measure(self, run: xr.Dataset) -> Values:
        if not thermostatted(run):
            raise NotMeasurable("the run has no thermostat, so its kinetic energy is not canonical")
        kinetic = finite(run, "kinetic_energy")
        thermal = KB_EV_PER_K * float(run.attrs["temperature_K"])
        shape = float(run.attrs["degrees_of_freedom"]) / 2
        independent = len(kinetic) / inefficiency(kinetic)
        enough(int(independent), MIN_INDEPENDENT, "independent samples of the kinetic energy")
        width = float(np.sqrt(kinetic.var() / (1 - 1 / independent)))
        return {
            "mean_deviation": 100 * (float(kinetic.mean()) / (shape * thermal) - 1),
            "width_deviation": 100 * (width / (np.sqrt(shape) * thermal) - 1),
            "independent": independent,
        }
