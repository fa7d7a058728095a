"""Survival: which share of the runs is still sound as time goes on."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
import xarray as xr
from pydantic import Field

from mdprotocol.api import FS_PER_PS, Metric, NotMeasurable, Quantity, Values, properties
from mdprotocol_plugins.metrics._series import finite


class Survival(Metric):
    """Share of the runs that have not failed by the end of each of equal spans of the planned length.

        alive   1 if the run had not failed at `time_ps`, else 0; over replicas the share, with its binomial interval
        at_end  the same at the planned end

    Where every run is followed to its failure or its planned end, this is the estimate of Kaplan and Meier (1958), J. Am.
    Stat. Assoc. 53, 457, at these times. A run that ended early without a failure (stopped, cut off) is censored there:
    it counts as alive up to what was recorded, and is not measured at later times.
    """

    type: Literal["survival"] = "survival"
    spans: Annotated[int, Field(ge=1, le=100)] = 10

    needs: ClassVar = frozenset({"time"})
    tests: ClassVar = frozenset({properties.STABILITY})
    quantities: ClassVar = {
        "alive": Quantity("1", "share of runs that have not failed", "proportion"),
        "at_end": Quantity("1", "share of runs that reached their planned end", "proportion"),
    }

    def measure(self, run: xr.Dataset) -> Values:
        outcome, planned = run.attrs.get("outcome"), float(run.attrs["duration_ps"])
        if outcome not in ("completed", "failed"):
            raise NotMeasurable(f"the run's outcome is {outcome!r}; it should be completed or failed")
        times = planned * np.arange(1, self.spans + 1) / self.spans
        if outcome == "failed":
            end = max(0.0, float(run.attrs["failure_time_fs"])) / FS_PER_PS
            alive = (times < end).astype(float)
        else:
            recorded = float(finite(run, "time")[-1]) / FS_PER_PS
            times = times[times <= recorded + _interval(run)]
            alive = np.ones(len(times))
        if not len(times):
            raise NotMeasurable("the run ended before the first span was over, without a failure")
        found: dict[str, xr.DataArray | float] = {
            "alive": xr.DataArray(alive, {"time_ps": np.round(times, 9)}, dims="time_ps")
        }
        return found if len(times) < self.spans else found | {"at_end": float(alive[-1])}


def _interval(run: xr.Dataset) -> float:
    """Time between frames, ps: the end may fall between two."""
    time = finite(run, "time")
    return float(time[1] - time[0]) / FS_PER_PS if len(time) > 1 else 0.0
