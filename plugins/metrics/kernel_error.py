"""Kernel error: what a fast kernel computed against the same model in plain double precision, where dynamics went."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import xarray as xr

from mdprotocol.api import MEV_PER_EV, Metric, NotMeasurable, Quantity, Values, properties
from mdprotocol_plugins.metrics._series import atoms_of, finite

LARGE_EV_A = 10.0
"""Forces beyond this, of atoms that collide, are compared by their share of it: float32 has no more than seven digits."""


class KernelError(Metric):
    """Difference between the kernel that ran and the same model in plain torch and float64, on frames of the run.

    The engine evaluates some frames of every run again, the first and the last among them. With d the difference of a
    force component, F the largest plain component of the frame, s = max(1, F / 10 eV/Å), and N atoms:

        force_max    largest |d|/s, eV/Å
        force_rmse   √ mean (d/s)², eV/Å
        energy       largest |ΔE|/(N s), meV/atom

    It tells errors of arithmetic (tables, single precision, a broken build) from errors of the model: what is far below
    the model's own force error cannot have decided a verdict. A model that has no plainer form is not measured.
    """

    type: Literal["kernel_error"] = "kernel_error"
    needs: ClassVar = frozenset({"force", "potential_energy"})
    tests: ClassVar = frozenset({properties.KERNEL})
    quantities: ClassVar = {
        "force_max": Quantity(
            "eV/Å", "largest difference of a force component between kernel and plain float64", "max", asks="kernel"
        ),
        "force_rmse": Quantity("eV/Å", "root mean square of that difference", "max", asks="kernel"),
        "energy": Quantity(
            "meV/atom", "largest difference of the energy between kernel and plain float64", "max", asks="kernel"
        ),
    }

    def measure(self, run: xr.Dataset) -> Values:
        frames, force, energy = _plain(run)
        scale = np.maximum(1.0, np.abs(force).max(axis=(1, 2)) / LARGE_EV_A)
        difference = (finite(run, "force")[frames] - force) / scale[:, None, None]
        offset = (finite(run, "potential_energy")[frames] - energy) / scale
        return {
            "force_max": float(np.abs(difference).max()),
            "force_rmse": float(np.sqrt((difference**2).mean())),
            "energy": MEV_PER_EV * float(np.abs(offset).max()) / atoms_of(run),
        }


def _plain(run: xr.Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(plain,) indices of frames, (plain, atom, xyz) eV/Å and (plain,) eV by the plain model.

    Raises:
        NotMeasurable: there is no plain model, or it did not answer each frame that it was asked about.
    """
    if "plain_failures" not in run.attrs:
        raise NotMeasurable("the model has no plainer form than the one that ran")
    if run.attrs["plain_failures"]:
        detail = run.attrs.get("plain_failure_detail", "")
        raise NotMeasurable(f"{run.attrs['plain_failures']} frames have no answer of the plain model; {detail}")
    frames = finite(run, "plain_frame").astype(int)
    if len(frames) == 0 or frames.min() < 0 or frames.max() >= run.sizes["frame"]:
        raise NotMeasurable("plain_frame points to frames that are not in the run, or to none")
    if len(np.unique(frames)) < len(frames):
        raise NotMeasurable("plain_frame points to a frame twice")
    if run.attrs.get("outcome") == "completed" and not {0, run.sizes["frame"] - 1} <= set(frames.tolist()):
        raise NotMeasurable("the plain model was not asked about the run's first and last frame")
    return frames, finite(run, "plain_force"), finite(run, "plain_energy")
