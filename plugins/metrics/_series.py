"""What several metrics do with a run: checked arrays, straight lines through time series, correlated noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from mdprotocol.api import FS_PER_PS, NotMeasurable

MIN_FRAMES = 10
"""Frames below which a trend or a fluctuation over time is not worth a number."""


def finite(run: xr.Dataset, name: str) -> np.ndarray:
    """A variable as an array.

    Raises:
        NotMeasurable: it is not there, or holds NaN or infinity (they are never averaged over).
    """
    if name not in run.variables:
        raise NotMeasurable(f"the run has no {name}")
    values = np.asarray(run[name].values)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise NotMeasurable(f"{name} holds NaN or infinity")
    return values


def enough(count: int, least: int, what: str = "frames") -> None:
    """Raise NotMeasurable where there is too little to measure from."""
    if count < least:
        raise NotMeasurable(f"only {count} {what}; at least {least} are needed")


def time_ps(run: xr.Dataset) -> np.ndarray:
    """(frame,) time since the start of production, ps."""
    return finite(run, "time") / FS_PER_PS


def atoms_of(run: xr.Dataset) -> int:
    """Number of atoms."""
    return int(run.sizes["atom"])


def sampled_frames(run: xr.Dataset) -> np.ndarray:
    """(sample,) index of the frame behind each label of the reference.

    Raises:
        NotMeasurable: the reference labelled no frame, or a frame that is not there.
    """
    frames = finite(run, "sample_frame").astype(int)
    if len(frames) == 0:
        raise NotMeasurable("no frame was given to the reference (reference_every_fs)")
    if frames.min() < 0 or frames.max() >= run.sizes["frame"]:
        raise NotMeasurable("sample_frame points to frames that are not in the run")
    return frames


@dataclass(frozen=True)
class Line:
    """A straight line through y(x): slope with its standard error, and the residuals."""

    slope: float
    standard_error: float
    residuals: np.ndarray


def fit_line(x: np.ndarray, y: np.ndarray) -> Line:
    """Least squares through correlated data.

    slope = Σ(x - x̄)(y - ȳ) / Σ(x - x̄)²; its variance is g s² / Σ(x - x̄)² with s² = Σr²/(n - 2) and the statistical
    inefficiency g of the residuals r, which counts how many successive residuals carry the information of one.
    """
    centred = x - x.mean()
    spread = float(centred @ centred)
    slope = float(centred @ (y - y.mean())) / spread
    residuals = y - y.mean() - slope * centred
    variance = float(residuals @ residuals) / (len(x) - 2)
    return Line(slope, float(np.sqrt(inefficiency(residuals) * variance / spread)), residuals)


def inefficiency(series: np.ndarray) -> float:
    """Statistical inefficiency g = 1 + 2 Σ ρ(k), at least 1.

    The sum ends at the first window W ≥ 5 τ(W), τ = g/2: Sokal (1997), in Functional Integration, chapter 6; g as in
    Chodera et al. (2007), J. Chem. Theory Comput. 3, 26.
    """
    x = series - series.mean()
    variance = float(x @ x)
    if variance == 0 or len(x) < 4:
        return 1.0
    padded = np.fft.rfft(x, 2 * len(x))
    correlation = np.fft.irfft(padded * np.conj(padded))[: len(x)] / variance
    tau = 0.5 + np.cumsum(correlation[1:])
    windows = np.arange(1, len(x))
    ends = np.flatnonzero(windows >= 5 * tau)
    last = int(ends[0]) if len(ends) else len(tau) - 1
    return max(1.0, 2 * float(tau[last]))
