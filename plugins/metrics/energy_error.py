"""Energy error: the model's potential energies against the reference's at the same positions."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import xarray as xr

from mdprotocol.api import MEV_PER_EV, Metric, Quantity, Values, properties
from mdprotocol_plugins.metrics._reference import differing, late_to_early
from mdprotocol_plugins.metrics._series import atoms_of, enough, finite, fit_line, sampled_frames, time_ps

MIN_SAMPLES = 3
"""Labels below which removing their mean leaves too little to average."""


class EnergyError(Metric):
    """Error of the potential energy along the model's own trajectory, with and without its constant part.

    With e = (V - V_ref)/N at the labelled frames and ē its mean over the run; all meV/atom:

        mae, rmse                          mean |e - ē|, √ mean (e - ē)²: relative energies, which the dynamics sees
        offset                             ē, signed
        mae_with_offset, rmse_with_offset  mean |e|, √ mean e²: depends on the two methods' zeros of energy
        drift                              least-squares slope of e with time, signed, meV/atom/ps: an energy whose
                                           offset to the reference wanders with time has one, though it may be conserved
        growth                             slope of |r| with time, r the residuals of that line, meV/atom/ps
        late_to_early                      √ mean r² of the last third of the labelled frames over that of their first

    Energies that equal the labels to the last digit on every frame are NOT MEASURED: the model is then the reference, or
    its labels were copied from it, and their comparison says nothing.
    """

    type: Literal["energy_error"] = "energy_error"
    needs: ClassVar = frozenset({"time", "potential_energy", "reference_energy", "sample_frame"})
    tests: ClassVar = frozenset({properties.LANDSCAPE, properties.MEMORYLESS, properties.INDEPENDENCE})
    quantities: ClassVar = {
        "mae": Quantity("meV/atom", "energy MAE without the mean offset", positive=True),
        "rmse": Quantity("meV/atom", "energy RMSE without the mean offset", "rms"),
        "offset": Quantity("meV/atom", "mean energy offset to the reference"),
        "mae_with_offset": Quantity("meV/atom", "energy MAE with the mean offset", positive=True),
        "rmse_with_offset": Quantity("meV/atom", "energy RMSE with the mean offset", "rms"),
        "drift": Quantity("meV/atom/ps", "slope of the energy offset with time"),
        "growth": Quantity("meV/atom/ps", "slope of the energy error's size with time"),
        "late_to_early": Quantity("1", "energy RMSE of the last third over that of the first third"),
    }

    def measure(self, run: xr.Dataset) -> Values:
        frames, reference = sampled_frames(run), finite(run, "reference_energy")
        enough(len(frames), MIN_SAMPLES, "labelled frames")
        energy = finite(run, "potential_energy")[frames]
        differing(energy, reference, "energies")
        error = MEV_PER_EV * (energy - reference) / atoms_of(run)
        offset = float(error.mean())
        relative = error - offset
        found = {
            "mae": float(np.abs(relative).mean()),
            "rmse": float(np.sqrt((relative**2).mean())),
            "offset": offset,
            "mae_with_offset": float(np.abs(error).mean()),
            "rmse_with_offset": float(np.sqrt((error**2).mean())),
        }
        return found | self._in_time(time_ps(run)[frames], error)

    def _in_time(self, times: np.ndarray, error: np.ndarray) -> dict[str, float]:
        if len(np.unique(times)) < MIN_SAMPLES:
            return {}
        line = fit_line(times, error)
        sizes = np.abs(line.residuals)
        return {"drift": line.slope, "growth": fit_line(times, sizes).slope} | late_to_early(sizes)
