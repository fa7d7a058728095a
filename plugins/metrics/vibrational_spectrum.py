"""Vibrational spectrum: the vibrational density of states of a trajectory against that of the reference's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
import xarray as xr
from pydantic import Field

from mdprotocol.api import NotMeasurable, Quantity, ReplicaComparison, Values, properties
from mdprotocol_plugins.metrics._reference import against_replicas, comparable
from mdprotocol_plugins.metrics._series import enough, finite

LIGHT_CM_PER_FS = 2.99792458e-5
HIGHEST_CM = 4500.0
"""Above the stretching of H2: frames must be dense enough for it, or fast vibrations come back as slow ones."""
GRID_CM = 2.0
MIN_SPECTRUM_FRAMES = 64
UNEVEN_FS = 1e-3
FWHM_PER_SIGMA = 2.3548200450309493


class VibrationalSpectrum(ReplicaComparison):
    """Difference of the vibrational density of states from that of the reference's own trajectory.

    P(ν) = Σ over atoms m |FT of the velocity|², which is the spectrum of the mass-weighted velocity autocorrelation
    (Wiener-Khinchin theorem; Thomas, Brehm, Fligg, Vöhringer and Kirchner 2013, Phys. Chem. Chem. Phys. 15, 6608), with a
    Hann window, smoothed to a Gaussian of full width `resolution_cm` at half maximum, from 0 to 4500 cm⁻¹, normalised
    to 1.

        error     1-Wasserstein distance between the normalised spectra of equal seed, cm⁻¹: a spectrum shifted by x has x
        overlap   ∫ min(P, P_ref) dν, 1 where they are the same
        relative  error against the reference's other replicas, divided by that of the reference's own run to them: 1
                  where the model differs no more than the replicas do (see `bond_lengths`)
        excess    the same as a difference, cm⁻¹

    In a single run of a small molecule each mode keeps about the energy that it started with, so that heights differ
    between replicas: `relative` allows for that, `error` and `overlap` do not, and `frequencies` is the sharper test.
    A run must be longer than 1/(c `resolution_cm`), 1.1 ps for 30 cm⁻¹, and its frames no more than 3.7 fs apart.
    """

    type: Literal["vibrational_spectrum"] = "vibrational_spectrum"
    resolution_cm: Annotated[float, Field(gt=0, le=1000)] = 30.0

    needs: ClassVar = frozenset({"time", "velocity", "position", "mass", "atomic_number"})
    tests: ClassVar = frozenset({properties.LANDSCAPE, properties.RATES})
    quantities: ClassVar = {
        "error": Quantity("cm⁻¹", "distance between vibrational spectra"),
        "overlap": Quantity("1", "overlap of vibrational spectra"),
        "relative": Quantity("1", "vibrational spectra's distance over that between the reference's replicas"),
        "excess": Quantity("cm⁻¹", "vibrational spectra's distance beyond that between the reference's replicas"),
    }

    def compare_replicas(self, run: xr.Dataset, reference: xr.Dataset, others: Sequence[xr.Dataset]) -> Values:
        for other in (reference, *others):
            comparable(run, other)
        ours, own, *siblings = (spectrum(d, self.resolution_cm)[1][None] for d in (run, reference, *others))
        return {
            "error": _distance(ours, own)[0],
            "overlap": float(np.minimum(ours, own).sum()),
        } | against_replicas(ours, own, siblings, _distance)


def spectrum(run: xr.Dataset, resolution_cm: float) -> tuple[np.ndarray, np.ndarray]:
    """Wavenumbers (points,) cm⁻¹ every 2 cm⁻¹, and the spectrum there, of sum 1.

    Raises:
        NotMeasurable: the frames are too few, too far apart, or uneven; or the run is too short for the resolution.
    """
    from scipy.ndimage import gaussian_filter1d

    time, velocity = finite(run, "time"), finite(run, "velocity")
    enough(len(time), MIN_SPECTRUM_FRAMES)
    interval = float(time[1] - time[0])
    # A failed run ends with a frame between two; it is left out.
    even = np.abs(np.diff(time) - interval) < UNEVEN_FS
    if not even[:-1].all():
        raise NotMeasurable("a spectrum needs frames at even intervals")
    velocity = velocity if even[-1] else velocity[:-1]
    _check_sampling(interval, len(velocity), resolution_cm)
    window = np.hanning(len(velocity) + 2)[1:-1]
    padded = 2 ** int(np.ceil(np.log2(max(4 * len(velocity), 1 / (LIGHT_CM_PER_FS * interval * GRID_CM)))))
    power = np.abs(np.fft.rfft(velocity * window[:, None, None], padded, axis=0)) ** 2
    power = (power * finite(run, "mass")[:, None]).sum(axis=(1, 2))
    wavenumbers = np.fft.rfftfreq(padded, interval) / LIGHT_CM_PER_FS
    grid = np.arange(0, HIGHEST_CM, GRID_CM)
    sigma = resolution_cm / FWHM_PER_SIGMA / wavenumbers[1]
    smooth = np.interp(grid, wavenumbers, gaussian_filter1d(power, sigma, mode="reflect"))
    if smooth.sum() <= 0:
        raise NotMeasurable("nothing moves, so there is no spectrum")
    return grid, smooth / smooth.sum()


def _check_sampling(interval_fs: float, frames: int, resolution_cm: float) -> None:
    highest = 0.5 / (LIGHT_CM_PER_FS * interval_fs)
    if highest < HIGHEST_CM:
        raise NotMeasurable(
            f"frames every {interval_fs:g} fs show vibrations up to {highest:.0f} cm⁻¹ only; "
            f"record_every_fs must be {0.5 / (LIGHT_CM_PER_FS * HIGHEST_CM):.1f} or less"
        )
    finest = 1 / (LIGHT_CM_PER_FS * interval_fs * frames)
    if finest > resolution_cm:
        raise NotMeasurable(f"the run is too short to resolve {resolution_cm:g} cm⁻¹; it resolves {finest:.0f} cm⁻¹")


def _distance(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """(1,) Wasserstein distance of spectra (runs, points), each the mean over its runs, cm⁻¹."""
    from scipy.stats import wasserstein_distance

    grid = np.arange(ours.shape[1]) * GRID_CM
    return np.array([wasserstein_distance(grid, grid, ours.mean(axis=0), theirs.mean(axis=0))])
