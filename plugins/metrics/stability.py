"""Stability: whether a run reached its end, when it did not, and why."""

from __future__ import annotations

from typing import ClassVar, Literal

import xarray as xr

from mdprotocol.api import (
    FS_PER_PS,
    Metric,
    NotMeasurable,
    Quantity,
    Role,
    Values,
    properties,
)

CAUSES = ("nan", "runaway_temperature", "broken_bond", "new_bond", "model_error", "other")


class Stability(Metric):
    """Whether a run reached its end: failed runs, share that survived, time to failure, causes.

    A run fails by what the protocol's guards watch (NaN, runaway temperature, a bond broken or formed) or by an error
    of the model; the typed cause, the step and a sentence with the numbers are in the run's attributes.

        crashed              1 if the run failed, else 0; over replicas the count, which is exact
        survival             1 if the run reached its end, else 0; over replicas the share, with its binomial interval
        time_to_failure_ps   time of the failure; the planned length where there was none (censored: a lower bound);
                             0 where the run failed before production
        failures_by_cause    as `crashed`, by the typed cause
    """

    type: Literal["stability"] = "stability"
    tests: ClassVar = frozenset({properties.STABILITY})
    quantities: ClassVar = {
        "crashed": Quantity("1", "runs that failed", "total", role=Role.CRASHED),
        "survival": Quantity("1", "share of runs that reached their end", "proportion"),
        "time_to_failure_ps": Quantity("ps", "time until failure, or the planned length where there was none"),
        "failures_by_cause": Quantity("1", "runs that failed, by cause", "total"),
    }

    def measure(self, run: xr.Dataset) -> Values:
        outcome = run.attrs.get("outcome")
        if outcome not in ("completed", "failed"):
            raise NotMeasurable(f"the run's outcome is {outcome!r}; it should be completed or failed")
        crashed = float(outcome == "failed")
        return {
            "crashed": crashed,
            "survival": 1.0 - crashed,
            "time_to_failure_ps": self._time_ps(run, crashed),
            "failures_by_cause": self._causes(run, crashed),
        }

    def _time_ps(self, run: xr.Dataset, crashed: float) -> float:
        if not crashed:
            return float(run.attrs["duration_ps"])
        return max(0.0, float(run.attrs["failure_time_fs"])) / FS_PER_PS

    def _causes(self, run: xr.Dataset, crashed: float) -> xr.DataArray:
        kind = str(run.attrs.get("failure_kind", ""))
        cause = kind if kind in CAUSES else "other"
        counts = [float(crashed and cause == name) for name in CAUSES]
        return xr.DataArray(counts, {"cause": list(CAUSES)}, dims="cause")
