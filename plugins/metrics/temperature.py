"""Temperature: the mean kinetic temperature of a run against its target."""

from __future__ import annotations

from typing import ClassVar, Literal

import xarray as xr

from mdprotocol.api import Metric, Quantity, Values
from mdprotocol_plugins.metrics._series import MIN_FRAMES, enough, finite, mean_error


class Temperature(Metric):
    """Mean kinetic temperature of a run and its deviation from the target.

    With T(t) = 2K(t)/(f kB), f degrees of freedom, T0 the target:

        mean               mean of T(t), K
        deviation          mean of T(t) - T0, signed, K
        deviation_percent  100 (mean of T(t) - T0)/T0, signed, %
        fluctuation        standard deviation of T(t), K
        standard_error     of the mean within the run, from the autocorrelation of T(t), K

    At constant energy each run keeps the energy that its equilibration happened to leave it, so the means of replicas
    scatter by about T0 √(2/f) even where everything is right, however long they run, and `standard_error` does not hold
    that. The independent units are therefore the means of whole runs, and frames are never counted as samples.
    """

    type: Literal["temperature"] = "temperature"
    needs: ClassVar = frozenset({"temperature"})
    quantities: ClassVar = {
        "mean": Quantity("K", "mean kinetic temperature"),
        "deviation": Quantity("K", "mean kinetic temperature minus target"),
        "deviation_percent": Quantity("%", "mean kinetic temperature minus target, relative to the target"),
        "fluctuation": Quantity("K", "standard deviation of the kinetic temperature in time"),
        "standard_error": Quantity("K", "standard error of the mean temperature within a run", "rms"),
    }

    def measure(self, run: xr.Dataset) -> Values:
        kinetic, target = finite(run, "temperature"), float(run.attrs["temperature_K"])
        enough(len(kinetic), MIN_FRAMES)
        mean = float(kinetic.mean())
        return {
            "mean": mean,
            "deviation": mean - target,
            "deviation_percent": 100 * (mean - target) / target,
            "fluctuation": float(kinetic.std(ddof=1)),
            "standard_error": mean_error(kinetic)[0],
        }
