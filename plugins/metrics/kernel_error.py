"""Kernel error: what a fast kernel computes against the same model in plain double precision, where dynamics goes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

import numpy as np
import xarray as xr
from pydantic import Field

from mdprotocol.api import MEV_PER_EV, Dynamics, NotMeasurable, ProbeMetric, Quantity, Subject, Values
from mdprotocol_plugins.metrics._series import enough, finite

MIN_FRAMES = 5


class KernelError(ProbeMetric):
    """Difference between the kernel that ran and the same model in plain torch and float64, along short dynamics.

    At every temperature of the protocol the system is moved for `frames` × `every` steps, by the integrator of the
    simulation with the shortest time step, and the frames are evaluated again in plain double precision. With d the
    difference of a force component, and N atoms:

        force_max    largest |d|, eV/Å
        force_rmse   √ mean d², eV/Å
        energy       largest |ΔE|/N, meV/atom

    It tells errors of arithmetic (tables, single precision, a broken build) from errors of the model: what is far below
    the model's own force error cannot have decided a verdict. A model that has no plainer form is not measured.
    """

    type: Literal["kernel_error"] = "kernel_error"
    frames: Annotated[int, Field(ge=MIN_FRAMES, le=10_000)] = 10
    """Frames at each temperature."""
    every: Annotated[int, Field(ge=1, le=10_000)] = 10
    """Steps between frames."""

    needs_dynamics: ClassVar = True
    needs: ClassVar = frozenset({"force", "plain_force", "potential_energy", "plain_energy"})
    quantities: ClassVar = {
        "force_max": Quantity(
            "eV/Å", "largest difference of a force component between kernel and plain float64", "max"
        ),
        "force_rmse": Quantity("eV/Å", "root mean square of that difference", "max"),
        "energy": Quantity("meV/atom", "largest difference of the energy between kernel and plain float64", "max"),
    }

    def probe(self, subject: Subject) -> xr.Dataset:
        plain = subject.force_field.plain("float64")
        if plain is None:
            raise NotMeasurable("the model has no plainer form than the one that runs")
        frames = xr.concat(self._walks(subject), dim="frame")
        again = [plain.evaluate(subject.structure, x) for x in frames["position"].values]
        plain_force = {"units": "eV/Å", "long_name": "force in plain float64"}
        plain_energy = {"units": "eV", "long_name": "potential energy in plain float64"}
        return frames[["force", "potential_energy"]].assign(
            plain_force=(("frame", "atom", "xyz"), np.stack([forces for _, forces in again]), plain_force),
            plain_energy=("frame", np.array([energy for energy, _ in again]), plain_energy),
        )

    def _walks(self, subject: Subject) -> Iterator[xr.Dataset]:
        """Frames at each temperature; the attributes say which kernel gave them."""
        if not subject.dynamics:
            raise NotMeasurable("no simulation of the protocol moves this system with this model")
        mover: Dynamics = min(subject.dynamics, key=lambda one: one.timestep_fs)
        for kelvin in sorted({kelvin for one in subject.dynamics for kelvin in one.temperatures_K}):
            walk = subject.propagate(
                mover.integrator, mover.timestep_fs, self.frames * self.every,
                temperature_K=kelvin, seed=subject.seed, record_every=self.every,
            )  # fmt: skip
            facts = {"kernel": subject.force_field.kernel, "dtype": subject.force_field.dtype}
            yield walk[["position", "force", "potential_energy"]].drop_vars("time", errors="ignore").assign_attrs(facts)

    def measure(self, run: xr.Dataset) -> Values:
        difference = finite(run, "force") - finite(run, "plain_force")
        energy = finite(run, "potential_energy") - finite(run, "plain_energy")
        enough(len(energy), MIN_FRAMES)
        return {
            "force_max": float(np.abs(difference).max()),
            "force_rmse": float(np.sqrt((difference**2).mean())),
            "energy": MEV_PER_EV * float(np.abs(energy).max()) / difference.shape[1],
        }
