"""Energy error: the model's potential energies against the reference's at the same positions."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import xarray as xr

from mdprotocol.api import MEV_PER_EV, Metric, Quantity, Values
from mdprotocol_plugins.metrics._series import atoms_of, enough, finite, sampled_frames

MIN_SAMPLES = 3
"""Labels below which removing their mean leaves too little to average."""


class EnergyError(Metric):
    """Error of the potential energy along the model's own trajectory, with and without its constant part.

    With e = (V - V_ref)/N at the labelled frames and ē its mean over the run; all meV/atom:

        mae, rmse                          mean |e - ē|, √ mean (e - ē)²: relative energies, which the dynamics sees
        offset                             ē, signed
        mae_with_offset, rmse_with_offset  mean |e|, √ mean e²: depends on the two methods' zeros of energy
    """

    type: Literal["energy_error"] = "energy_error"
    needs: ClassVar = frozenset({"potential_energy", "reference_energy", "sample_frame"})
    quantities: ClassVar = {
        "mae": Quantity("meV/atom", "energy MAE without the mean offset"),
        "rmse": Quantity("meV/atom", "energy RMSE without the mean offset", "rms"),
        "offset": Quantity("meV/atom", "mean energy offset to the reference"),
        "mae_with_offset": Quantity("meV/atom", "energy MAE with the mean offset"),
        "rmse_with_offset": Quantity("meV/atom", "energy RMSE with the mean offset", "rms"),
    }

    def measure(self, run: xr.Dataset) -> Values:
        frames, reference = sampled_frames(run), finite(run, "reference_energy")
        enough(len(frames), MIN_SAMPLES, "labelled frames")
        error = MEV_PER_EV * (finite(run, "potential_energy")[frames] - reference) / atoms_of(run)
        offset = float(error.mean())
        relative = error - offset
        return {
            "mae": float(np.abs(relative).mean()),
            "rmse": float(np.sqrt((relative**2).mean())),
            "offset": offset,
            "mae_with_offset": float(np.abs(error).mean()),
            "rmse_with_offset": float(np.sqrt((error**2).mean())),
        }
