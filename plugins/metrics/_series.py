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


def thermostatted(run: xr.Dataset) -> bool:
    """Whether a thermostat gave the run heat or took it: only then the conserved energy is not the total energy."""
    return not np.array_equal(finite(run, "conserved_energy"), finite(run, "total_energy"))


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
    """A straight line through y(x): slope with its standard error and the degrees of freedom behind it, residuals."""

    slope: float
    standard_error: float
    residuals: np.ndarray
    dof: float


def fit_line(x: np.ndarray, y: np.ndarray) -> Line:
    """Least squares through correlated data; the interval of the slope is ± t(dof) standard_error.

    slope = Σ(x - x̄)(y - ȳ) / Σ(x - x̄)²; its variance is g s² / Σ(x - x̄)² with s² = Σr²/(n - 2g) and the statistical
    inefficiency g of the residuals r, which counts how many successive residuals carry the information of one.
    """
    centred = x - x.mean()
    spread = float(centred @ centred)
    slope = float(centred @ (y - y.mean())) / spread
    residuals = y - y.mean() - slope * centred
    noise = correlation(residuals, fitted=2)
    return Line(slope, float(np.sqrt(noise.g * noise.variance / spread)), residuals, noise.dof)


def mean_error(series: np.ndarray) -> tuple[float, float]:
    """Standard error of the mean of correlated data, √(g s²/n), and its degrees of freedom (`correlation`)."""
    noise = correlation(series)
    return float(np.sqrt(noise.g * noise.variance / len(series))), noise.dof


@dataclass(frozen=True)
class Correlation:
    """Correlated noise: statistical inefficiency, variance of one point, and how well the two are known."""

    g: float
    variance: float
    dof: float


def correlation(series: np.ndarray, fitted: int = 1) -> Correlation:
    """Statistical inefficiency g = 1 + 2 Σ ρ(k), at least 1, of a series from which `fitted` parameters were fitted.

    The sum ends at the first window W ≥ 5 τ(W), τ = g/2: Sokal (1997), in Functional Integration, chapter 6; g as in
    Chodera et al. (2007), J. Chem. Theory Comput. 3, 26. Each fitted parameter takes g/n of the variance and lowers
    every ρ(k) by about as much, over 2W + 1 lags in all (Wolff 2004, Comput. Phys. Commun. 156, 143, for the mean):
    both are put back. The relative variance of g is 2(2W + 1)/n (Sokal), that of a variance
    with dof = n/(2W + 1) degrees of freedom, so that Student's factor for these makes an honest interval.
    """
    x = series - series.mean()
    n, total = len(x), float(x @ x)
    if total == 0 or n < 4:
        return Correlation(1.0, total / max(n - fitted, 1), float(max(n - fitted, 1)))
    padded = np.fft.rfft(x, 2 * n)
    rho = np.fft.irfft(padded * np.conj(padded))[:n] / total
    tau = 0.5 + np.cumsum(rho[1:])
    windows = np.arange(1, n)
    ends = np.flatnonzero(windows >= 5 * tau)
    last = int(ends[0]) if len(ends) else len(tau) - 1
    lags = 2 * int(windows[last]) + 1
    # A series hardly longer than its correlation tells neither; the corrections then end at a factor, not at infinity.
    g = max(1.0, 2 * float(tau[last])) / max(1 - fitted * lags / n, 0.1)
    return Correlation(g, total / max(n - fitted * g, n / 2), max(1.0, n / lags))


def inefficiency(series: np.ndarray) -> float:
    """Statistical inefficiency of a series around its mean (`correlation`)."""
    return correlation(series).g
