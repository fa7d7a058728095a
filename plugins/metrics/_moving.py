"""What probes that move the model have in common: the protocol's own constant-energy dynamics, and the rounding noise."""

from __future__ import annotations

import numpy as np
import xarray as xr

from mdprotocol.api import Dynamics, NotMeasurable, Subject, Topology

NOISE_STEP_A = 1e-6
"""Over steps this small a smooth energy is straight to 1e-11 eV: what is left of a second difference is noise."""
NOISE_SAMPLES = 8


def constant_energy(subject: Subject) -> Dynamics:
    """The protocol's simulation at constant energy with the shortest time step, for the subject's system.

    Raises:
        NotMeasurable: every simulation of the system has a thermostat, or there is none.
    """
    found = [dynamics for dynamics in subject.dynamics if not dynamics.integrator.thermostatted]
    if not found:
        raise NotMeasurable("the protocol has no simulation at constant energy for this system")
    return min(found, key=lambda dynamics: dynamics.timestep_fs)


def start_temperature(dynamics: Dynamics) -> float:
    """Temperature of velocities that, given to a molecule at rest, leave the middle temperature: half goes to V."""
    return 2 * dynamics.middle_temperature_K


def energy_noise(subject: Subject) -> float:
    """Rounding noise of the model's energy, eV: what second differences over 1e-6 Å leave, per evaluation.

    E(x-h) - 2 E(x) + E(x+h) of independent errors of variance s² has the variance 6 s².
    """
    import torch

    structure, random = subject.structure, np.random.default_rng(subject.seed)
    topology = Topology.of([structure])
    evaluate, cells = subject.force_field.prepare(topology), torch.from_numpy(topology.cells)
    found = []
    for _ in range(NOISE_SAMPLES):
        along = random.standard_normal(structure.positions.shape)
        along *= NOISE_STEP_A / np.abs(along).max()
        places = [torch.from_numpy(structure.positions + k * along) for k in (-1.0, 0.0, 1.0)]
        result = [evaluate(x, cells).answered() for x in places]
        before, here, after = (float(one.energy[0]) for one in result)
        found.append(before - 2 * here + after)
    return float(np.sqrt(np.mean(np.square(found)) / 6))


def total_energy(moved: xr.Dataset) -> np.ndarray:
    """(frame,) K + V, eV. What a thermostat gave is not taken off: at constant energy there is none."""
    energy = np.asarray(moved["total_energy"].values)
    if not np.isfinite(energy).all():
        raise NotMeasurable("the energy along the probe's trajectory is not finite")
    return energy
