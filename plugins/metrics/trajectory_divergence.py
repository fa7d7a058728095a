"""Trajectory divergence: how fast two trajectories of equal seed part, before chaos does it for any two of them."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
import xarray as xr
from pydantic import Field

from mdprotocol.api import ComparisonMetric, NotMeasurable, Quantity, Values, properties
from mdprotocol_plugins.metrics._reference import comparable
from mdprotocol_plugins.metrics._series import enough, finite

MIN_WINDOW_FRAMES = 4
SAME_START_A = 1e-6
SAME_CLOCK_FS = 1e-6


class TrajectoryDivergence(ComparisonMetric):
    """Distance between the model's and the reference's trajectory of equal seed over the first femtoseconds.

    With x, v of the model and X, V of the reference, frames with 0 < t ≤ `window_fs`, and ⟨ ⟩ the mean over those frames
    and all atoms:

        rmsd      √⟨|x - X|²⟩, Å
        relative  √⟨|x - X|²⟩ / √⟨|X - X(0)|²⟩: the share of the motion that is wrong
        velocity  √⟨|v - V|²⟩ / √⟨|V|²⟩: the same of the velocities

    Both start at the same positions with the same velocities. A force that is wrong by δF moves an atom by δF t²/2m away
    from where it should be, so that forces, masses, velocities, integrator and the unit of time are all seen at once,
    with no other noise than rounding. Chaos, the exponential growth of any small difference (Allen and Tildesley 2017,
    Computer Simulation of Liquids, 2nd edition, chapter 3), takes over in longer windows.

    It needs a simulation with `reference_trajectory: true` and `equilibration: null`: an equilibration moves the two to
    different starts, and is NOT MEASURED.
    """

    type: Literal["trajectory_divergence"] = "trajectory_divergence"
    window_fs: Annotated[float, Field(gt=0, le=1000)] = 30.0

    needs: ClassVar = frozenset({"time", "position", "velocity", "atomic_number"})
    tests: ClassVar = frozenset({properties.LANDSCAPE, properties.TRAJECTORY, properties.RATES})
    quantities: ClassVar = {
        "rmsd": Quantity("Å", "distance between trajectories of equal start, within the window"),
        "relative": Quantity("1", "distance between trajectories of equal start relative to the distance travelled"),
        "velocity": Quantity("1", "difference of velocities after an equal start relative to the velocities"),
    }

    def compare(self, run: xr.Dataset, reference: xr.Dataset) -> Values:
        comparable(run, reference)
        frames = self._frames(run, reference)
        x, v, other_x, other_v = (finite(d, name) for d in (run, reference) for name in ("position", "velocity"))
        self._same_start(x[0], other_x[0])
        travelled, speed = _rms(other_x[frames] - other_x[0]), _rms(other_v[frames])
        if travelled == 0 or speed == 0:
            raise NotMeasurable("the reference's atoms do not move")
        apart = _rms(x[frames] - other_x[frames])
        return {
            "rmsd": apart,
            "relative": apart / travelled,
            "velocity": _rms(v[frames] - other_v[frames]) / speed,
        }

    def _frames(self, run: xr.Dataset, reference: xr.Dataset) -> slice:
        ours, theirs = (time[time <= self.window_fs + SAME_CLOCK_FS] for time in (_times(run), _times(reference)))
        enough(min(len(ours), len(theirs)), MIN_WINDOW_FRAMES, f"frames in the first {self.window_fs:g} fs")
        if len(ours) != len(theirs) or np.abs(ours - theirs).max() > SAME_CLOCK_FS:
            raise NotMeasurable("the two runs have frames at different times")
        return slice(1, len(ours))

    def _same_start(self, ours: np.ndarray, theirs: np.ndarray) -> None:
        apart = float(np.abs(ours - theirs).max())
        if apart > SAME_START_A:
            raise NotMeasurable(
                f"the two runs start {apart:.2g} Å apart; in their simulation, leave out the equilibration (null)"
            )


def _times(run: xr.Dataset) -> np.ndarray:
    return finite(run, "time")


def _rms(vectors: np.ndarray) -> float:
    """√ of the mean squared length."""
    return float(np.sqrt((vectors**2).sum(axis=-1).mean()))
