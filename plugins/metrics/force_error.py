"""Force error: the model's forces against the reference's at the positions where the model's own trajectory went."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
import xarray as xr
from ase.data import chemical_symbols
from pydantic import Field

from mdprotocol.api import (
    Metric,
    NotMeasurable,
    Quantity,
    Role,
    Values,
    properties,
)
from mdprotocol_plugins.metrics._reference import SINGLE_ROUNDING, differing, late_to_early
from mdprotocol_plugins.metrics._series import finite, fit_line, sampled_frames, time_ps


class ForceError(Metric):
    """Error of the forces along the model's own trajectory, against the reference at the same positions.

    With d = F - F_ref at the labelled frames; all eV/Å where nothing else is said:

        rmse             √ mean d² over frames, atoms and components; over replicas the root of the mean square
        mae              mean |d| over frames, atoms and components
        r2               1 - Σd²/Σ(F_ref - mean F_ref)² over components (coefficient of determination)
        max              largest length of d of any atom
        angle            mean angle between F and F_ref, degrees, over atoms with |F_ref| ≥ `angle_threshold_eV_A`
        relative_rmse    100 rmse/√mean F_ref², %
        rmse_by_element  rmse over the atoms of each element
        rmse_by_time     rmse in `time_bins` equal parts of the planned length; coordinate: middle of the part, 0 to 1
        growth           least-squares slope of the rmse of single frames with time, eV/Å/ps: positive where the
                         trajectory drifts into regions that the model knows less
        late_to_early    rmse over the last third of the labelled frames divided by that over their first third; 1
                         where the error does not grow

    Forces that equal the labels to the last digit on every frame are NOT MEASURED: the model is then the reference, or
    its labels were copied from it, and their comparison says nothing.
    """

    type: Literal["force_error"] = "force_error"
    angle_threshold_eV_A: Annotated[float, Field(gt=0)] = 0.1
    """Atoms with a smaller reference force have no meaningful direction."""
    time_bins: Annotated[int, Field(ge=1, le=100)] = 10

    needs: ClassVar = frozenset({"time", "force", "reference_force", "sample_frame"})
    tests: ClassVar = frozenset({properties.LANDSCAPE, properties.INDEPENDENCE})
    quantities: ClassVar = {
        "rmse": Quantity("eV/Å", "force RMSE", "rms", "average", role=Role.FORCE_RMSE),
        "mae": Quantity("eV/Å", "force MAE", over_time="average", positive=True, role=Role.FORCE_MAE),
        "r2": Quantity("1", "coefficient of determination of force components", role=Role.FORCE_R2),
        "max": Quantity("eV/Å", "largest force error of an atom", "max"),
        "angle": Quantity("°", "mean angle between model and reference force", positive=True, role=Role.FORCE_ANGLE),
        "relative_rmse": Quantity("%", "force RMSE relative to the reference's RMS force", positive=True),
        "rmse_by_element": Quantity("eV/Å", "force RMSE by element", "rms"),
        "rmse_by_time": Quantity("eV/Å", "force RMSE by part of the run", "rms"),
        "growth": Quantity("eV/Å/ps", "slope of the force RMSE with time"),
        "late_to_early": Quantity("1", "force RMSE of the last third over that of the first third"),
    }

    def measure(self, run: xr.Dataset) -> Values:
        frames, reference = sampled_frames(run), finite(run, "reference_force")
        force = finite(run, "force")[frames]
        times, error = time_ps(run)[frames], force - reference
        scale = _rms(reference)
        if scale == 0:
            raise NotMeasurable("every reference force is zero")
        differing(force, reference, "forces", SINGLE_ROUNDING)
        found: dict[str, float | xr.DataArray] = {
            "rmse": _rms(error),
            "mae": float(np.abs(error).mean()),
            "max": float(np.linalg.norm(error, axis=-1).max()),
            "relative_rmse": 100 * _rms(error) / scale,
            "rmse_by_element": self._by_element(run, error),
            "rmse_by_time": self._by_time(run, times, error),
        }
        return found | self._r2(error, reference) | self._angle(force, reference) | self._growth(times, error)

    def _r2(self, error: np.ndarray, reference: np.ndarray) -> dict[str, float]:
        spread = float(((reference - reference.mean()) ** 2).sum())
        return {"r2": 1 - float((error**2).sum()) / spread} if spread > 0 else {}

    def _angle(self, force: np.ndarray, reference: np.ndarray) -> dict[str, float]:
        """Angle as atan2(|a × b|, a · b), which keeps its digits at 0 and 180 degrees; none where no force is large."""
        large = np.linalg.norm(reference, axis=-1) >= self.angle_threshold_eV_A
        if not large.any():
            return {}
        a, b = force[large], reference[large]
        return {"angle": float(np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), (a * b).sum(-1))).mean())}

    def _by_element(self, run: xr.Dataset, error: np.ndarray) -> xr.DataArray:
        numbers = finite(run, "atomic_number").astype(int)
        kinds = np.unique(numbers)
        values = [_rms(error[:, numbers == kind]) for kind in kinds]
        return xr.DataArray(values, {"element": [chemical_symbols[kind] for kind in kinds]}, dims="element")

    def _by_time(self, run: xr.Dataset, times: np.ndarray, error: np.ndarray) -> xr.DataArray:
        """Only parts with a labelled frame; the planned length counts, so that a failed run lacks its later parts."""
        share = times / float(run.attrs["duration_ps"])
        part = np.clip((share * self.time_bins).astype(int), 0, self.time_bins - 1)
        filled = np.unique(part)
        middles = [round((index + 0.5) / self.time_bins, 6) for index in filled.tolist()]
        return xr.DataArray([_rms(error[part == index]) for index in filled], {"time_bin": middles}, dims="time_bin")

    def _growth(self, times: np.ndarray, error: np.ndarray) -> dict[str, float]:
        if len(np.unique(times)) < 3:
            return {}
        by_frame = np.sqrt((error**2).mean(axis=(1, 2)))
        return {"growth": fit_line(times, by_frame).slope} | late_to_early(by_frame)


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt((values**2).mean()))
