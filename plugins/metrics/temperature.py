"""Temperature: the mean kinetic temperature of a run against its target."""

from __future__ import annotations

import json
from typing import ClassVar, Literal

import xarray as xr

from mdprotocol.api import (
    Metric,
    Quantity,
    Role,
    Values,
    properties,
)
from mdprotocol_plugins.metrics._series import MIN_FRAMES, enough, finite, mean_error, thermostatted


class Temperature(Metric):
    """Mean kinetic temperature of a run and its deviation from the target.

    With T(t) = 2K(t)/(f kB), f degrees of freedom, T0 the target:

        mean               mean of T(t), K
        deviation          mean of T(t) - T0, signed, K
        deviation_percent  100 (mean of T(t) - T0)/T0, signed, %
        fluctuation        standard deviation of T(t), K
        standard_error     of the mean within the run, from the autocorrelation of T(t), K
        start_percent      100 (T(0) - T0)/T0 of the first frame, %: -100 where velocities were never drawn
        expected           T0, or T0/2 at constant energy without equilibration, K
        unexpected_percent 100 (mean of T(t) - expected)/T0, signed, %

    A relaxed structure that is given the velocities of T0 keeps half of them: equipartition gives the other half to the
    potential energy (exactly for harmonic vibrations; Tolman 1938, The Principles of Statistical Mechanics, section 34).
    That half is what a run without an equilibration stage is measured against by `unexpected_percent`.

    At constant energy each run keeps the energy that its equilibration happened to leave it, so the means of replicas
    scatter by about T0 √(2/f) even where everything is right, however long they run, and `standard_error` does not hold
    that. The independent units are therefore the means of whole runs, and frames are never counted as samples.
    """

    type: Literal["temperature"] = "temperature"
    needs: ClassVar = frozenset({"temperature", "total_energy", "conserved_energy"})
    tests: ClassVar = frozenset({properties.TEMPERATURE, properties.ENSEMBLE})
    quantities: ClassVar = {
        "mean": Quantity("K", "mean kinetic temperature", role=Role.TEMPERATURE),
        "deviation": Quantity("K", "mean kinetic temperature minus target"),
        "deviation_percent": Quantity("%", "mean kinetic temperature minus target, relative to the target"),
        "fluctuation": Quantity("K", "standard deviation of the kinetic temperature in time"),
        "standard_error": Quantity("K", "standard error of the mean temperature within a run", "rms"),
        "start_percent": Quantity("%", "kinetic temperature of the first frame minus target, relative to the target"),
        # From the target and the plan alone: no replica, and no model, can change it.
        "expected": Quantity("K", "mean kinetic temperature that equipartition leaves", deterministic=True),
        "unexpected_percent": Quantity("%", "mean kinetic temperature minus expectation, relative to the target"),
    }

    def measure(self, run: xr.Dataset) -> Values:
        kinetic, target = finite(run, "temperature"), float(run.attrs["temperature_K"])
        enough(len(kinetic), MIN_FRAMES)
        mean, expected = float(kinetic.mean()), target * (1.0 if _reaches_target(run) else 0.5)
        return {
            "mean": mean,
            "deviation": mean - target,
            "deviation_percent": 100 * (mean - target) / target,
            "fluctuation": float(kinetic.std(ddof=1)),
            "standard_error": mean_error(kinetic)[0],
            "start_percent": 100 * (float(kinetic[0]) - target) / target,
            "expected": expected,
            "unexpected_percent": 100 * (mean - expected) / target,
        }


def _reaches_target(run: xr.Dataset) -> bool:
    """Whether an equilibration stage or a thermostat brings the run to its target."""
    equilibrated = json.loads(str(run.attrs.get("settings", "{}"))).get("equilibration") is not None
    return equilibrated or thermostatted(run)
