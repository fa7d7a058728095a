"""Time-step convergence: whether the error of the total energy falls with the square of the time step."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
import xarray as xr
from pydantic import Field

from mdprotocol.api import MEV_PER_EV, NotMeasurable, ProbeMetric, Quantity, Subject, Values, properties
from mdprotocol_plugins.metrics._moving import constant_energy, energy_noise, start_temperature, total_energy
from mdprotocol_plugins.metrics._series import atoms_of, enough, finite

FRACTIONS = (1, 2, 4)
"""The time step is divided by these."""
CLEAR_OF_NOISE = 5.0
HARMLESS_MEV_PER_ATOM = 0.01
"""Noise of the energy up to this is rounding in float32; beyond it no excuse but a finding."""


class TimestepConvergence(ProbeMetric):
    """Order with which the error of the total energy falls as the time step is made shorter; 2 where all is sound.

    From the same start, the protocol's own constant-energy integrator moves the model with its time step dt (the
    shortest of the protocol), with dt/2 and with dt/4. With R(dt) the root mean square deviation of K + V from its
    mean, at the same times in each:

        order        slope of ln R against ln dt
        order_error  |order - 2|
        ratio_error  largest |R(dt)/R(dt/2) / 4 - 1|
        rmsd         R at the protocol's time step, meV/atom

    A symplectic integrator of second order follows a Hamiltonian that differs from the true one by terms of dt², so R
    falls by 4 with each halving. It does not where the forces are no gradient of the energy, are noisy or jump, where
    something else takes energy or gives it (a thermostat), or where the integrator is wrong (Euler: order 1 or less).
    Merz and Shirts (2018), PLoS ONE 13, e0202764, section on integrator convergence; Leimkuhler and Reich (2004),
    Simulating Hamiltonian Dynamics, chapter 5. Velocities are those of twice the middle temperature, half of which
    equipartition leaves. Where R drowns in the rounding of the model's energy (below 0.01 meV/atom), it is not measured.
    """

    type: Literal["timestep_convergence"] = "timestep_convergence"
    length_fs: Annotated[float, Field(ge=10, le=10_000)] = 80.0

    needs_dynamics: ClassVar = True
    needs: ClassVar = frozenset({"timestep", "total_energy", "energy_noise"})
    tests: ClassVar = frozenset({properties.CONSERVATION, properties.MEMORYLESS, properties.INTEGRATION})
    quantities: ClassVar = {
        "order": Quantity("1", "order of the total energy's error in the time step", "min"),
        "order_error": Quantity("1", "distance of that order from 2", "max"),
        "ratio_error": Quantity("1", "largest relative deviation from the fourfold fall at half the time step", "max"),
        "rmsd": Quantity("meV/atom", "root mean square deviation of the total energy at the time step", "max"),
    }

    def probe(self, subject: Subject) -> xr.Dataset:
        dynamics = constant_energy(subject)
        steps = max(10, round(self.length_fs / dynamics.timestep_fs))
        energies = [
            total_energy(
                subject.propagate(
                    dynamics.integrator,
                    dynamics.timestep_fs / fraction,
                    steps * fraction,
                    temperature_K=start_temperature(dynamics),
                    seed=subject.seed,
                    record_every=fraction,
                )
            )
            for fraction in FRACTIONS
        ]
        timesteps = dynamics.timestep_fs / np.array(FRACTIONS)
        noise = energy_noise(subject)
        return xr.Dataset(
            {
                "total_energy": (("timestep", "frame"), np.stack(energies), {"units": "eV"}),
                "energy_noise": ((), noise, {"units": "eV", "long_name": "rounding noise of one energy"}),
                "atomic_number": ("atom", subject.structure.numbers),
            },
            {"timestep": ("timestep", timesteps, {"units": "fs"})},
            {"simulation": dynamics.simulation, "integrator": dynamics.integrator.model_dump_json()},
        )

    def measure(self, run: xr.Dataset) -> Values:
        timestep, energy = finite(run, "timestep"), finite(run, "total_energy")
        enough(len(timestep), 2, "time steps")
        enough(energy.shape[1], 10)
        rmsd = energy.std(axis=1)
        if not rmsd.all():
            raise NotMeasurable("the energy does not change at all: nothing moves, or no force acts")
        atoms = atoms_of(run)
        _check_noise(float(rmsd.min()), float(finite(run, "energy_noise")), atoms)
        order = float(np.polyfit(np.log(timestep), np.log(rmsd), 1)[0])
        expected = (timestep[:-1] / timestep[1:]) ** 2
        return {
            "order": order,
            "order_error": abs(order - 2),
            "ratio_error": float(np.abs(rmsd[:-1] / rmsd[1:] / expected - 1).max()),
            "rmsd": MEV_PER_EV * float(rmsd[0]) / atoms,
        }


def _check_noise(smallest: float, noise: float, atoms: int) -> None:
    """Rounding excuses a missing order only where it is harmless itself."""
    harmless = MEV_PER_EV * noise / atoms <= HARMLESS_MEV_PER_ATOM
    if harmless and smallest < CLEAR_OF_NOISE * noise:
        raise NotMeasurable(
            f"the energy's error at the shortest time step, {smallest:.2g} eV, drowns in rounding of {noise:.2g} eV"
        )
