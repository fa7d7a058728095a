"""Datasets of runs for the tests of metrics: every variable and attribute, with a known drift and known errors.

The molecule is harmonic about its geometry: 3N-6 normal modes (3N-5 when linear, 3 for one atom) of random
mass-weighted directions without translation or rotation. So the forces are the gradient of the energy, the momentum is
zero, and the total energy is constant to rounding before the drift asked for is added.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from mdprotocol.chemistry import internal_motions
from mdprotocol.contracts import Structure
from mdprotocol.testing.structures import molecule_structure
from mdprotocol.units import AMU_EV_FS2_PER_A2, FS_PER_PS, KB_EV_PER_K, MEV_PER_EV
from mdprotocol.variables import RUN_COORDS, RUN_VARIABLES

FREQUENCIES_PER_FS = (0.15, 0.6)
"""Angular frequencies of the modes, rad/fs: about 800 to 3200 1/cm."""


def make_run(
    structure: Structure | None = None,
    *,
    frames: int = 101,
    interval_fs: float = 10.0,
    temperature_K: float = 300.0,
    mean_temperature_K: float | None = None,
    energy_eV: float = -100.0,
    drift_meV_per_atom_ps: float = 0.0,
    energy_noise_meV: float = 0.0,
    reference_every: int = 10,
    force_error_eV_per_A: float = 0.05,
    energy_error_eV: float = 0.01,
    seed: int = 0,
    variables: Mapping[str, ArrayLike] | None = None,
    drop: Sequence[str] = (),
    **attrs: object,
) -> xr.Dataset:
    """A valid dataset of one run, as the engine writes it.

    Args:
        structure: the molecule; water where absent.
        frames, interval_fs: number of frames, fs between two.
        temperature_K: target temperature.
        mean_temperature_K: mean kinetic temperature over the frames, exact to rounding; the target where absent.
        energy_eV: total energy of frame 0 without noise.
        drift_meV_per_atom_ps: exact slope of the total energy (before noise).
        energy_noise_meV: standard deviation of normal noise on each frame's potential energy.
        reference_every: frames between two labels; 0 for none (the three reference variables are then absent).
        force_error_eV_per_A: every component of the reference's force differs by plus or minus this, so that RMSE and
            MAE are exactly this.
        energy_error_eV: every energy of the reference differs by plus or minus this.
        seed: of everything random.
        variables: values that replace those of variables by name; nothing else is changed with them.
        drop: names of variables left out.
        attrs: attributes that replace or add to those of a completed run (`outcome="failed"`, `replica=1`, ...).
    """
    structure = structure or molecule_structure("H2O")
    random = np.random.default_rng(seed)
    time = np.arange(frames) * interval_fs
    motion = _harmonic_motion(
        structure, time, temperature_K if mean_temperature_K is None else mean_temperature_K, random
    )
    drift = drift_meV_per_atom_ps * len(structure) / MEV_PER_EV / FS_PER_PS * time
    noise = energy_noise_meV / MEV_PER_EV * random.standard_normal(frames)
    potential = motion.potential + (energy_eV - motion.total) + drift + noise
    values: dict[str, ArrayLike] = {
        "time": time,
        "position": motion.position,
        "velocity": motion.velocity,
        "force": motion.force,
        "potential_energy": potential,
        "kinetic_energy": motion.kinetic,
        "total_energy": potential + motion.kinetic,
        "conserved_energy": potential + motion.kinetic,
        "temperature": 2 * motion.kinetic / (motion.modes * KB_EV_PER_K),
        "atomic_number": structure.numbers,
        "mass": structure.masses,
        "initial_position": structure.positions,
        "cell": structure.cell,
        "pbc": structure.pbc.astype(np.int8),
    }
    if reference_every:
        values |= _labels(motion.force, potential, reference_every, force_error_eV_per_A, energy_error_eV, random)
    values |= _plain(motion.force, potential)
    values |= dict(variables or {})
    facts = _attrs(time, interval_fs, temperature_K, motion.modes, seed, dict(attrs))
    return dataset_of({name: value for name, value in values.items() if name not in drop}, facts)


def dataset_of(values: Mapping[str, ArrayLike], attrs: Mapping[str, object] | None = None) -> xr.Dataset:
    """A dataset of these run variables, with dims, units and names from the table of variables."""
    made = {
        name: (RUN_VARIABLES[name].dims, np.asarray(value), _described(name))
        for name, value in values.items()
        if name in RUN_VARIABLES
    }
    unknown = sorted(set(values) - set(made))
    if unknown:
        raise KeyError(f"not in mdprotocol.variables.RUN_VARIABLES: {', '.join(unknown)}")
    coords = {name: made.pop(name) for name in RUN_COORDS if name in made}
    return xr.Dataset(made, coords, dict(attrs or {}))


def _described(name: str) -> dict[str, str]:
    return {"units": RUN_VARIABLES[name].units, "long_name": RUN_VARIABLES[name].long_name}


@dataclass(frozen=True)
class _Motion:
    """Harmonic motion; (F, n, 3) and (F,) arrays in Å, fs, eV."""

    position: np.ndarray
    velocity: np.ndarray
    force: np.ndarray
    potential: np.ndarray
    kinetic: np.ndarray
    total: float
    modes: int


def _harmonic_motion(structure: Structure, time: np.ndarray, mean_K: float, random: np.random.Generator) -> _Motion:
    """Mode k: q_k(t) = A_k sin(w_k t + phi_k) in mass-weighted coordinates, so that E_k = A_k² w_k²/2."""
    basis = _mode_basis(structure, random)
    count = basis.shape[1]
    omega = random.uniform(*FREQUENCIES_PER_FS, count)
    phase = omega * time[:, None] + random.uniform(0, 2 * np.pi, count)
    amplitude = np.sqrt(2 * KB_EV_PER_K * mean_K) / omega
    momentum = amplitude * omega * np.cos(phase)
    sampled = (momentum**2).sum(axis=1).mean() / 2
    scale = np.sqrt(count * KB_EV_PER_K * mean_K / 2 / sampled) if sampled > 0 else 1.0
    q, momentum = scale * amplitude * np.sin(phase), scale * momentum
    root = np.sqrt(structure.masses * AMU_EV_FS2_PER_A2)[:, None]
    shape = (len(time), len(structure), 3)
    potential, kinetic = ((omega * q) ** 2).sum(axis=1) / 2, (momentum**2).sum(axis=1) / 2
    return _Motion(
        position=structure.positions + (q @ basis.T).reshape(shape) / root,
        velocity=(momentum @ basis.T).reshape(shape) / root,
        force=-((omega**2 * q) @ basis.T).reshape(shape) * root,
        potential=potential,
        kinetic=kinetic,
        total=float(potential[0] + kinetic[0]),
        modes=count,
    )


def _mode_basis(structure: Structure, random: np.random.Generator) -> np.ndarray:
    """(3n, modes) random orthonormal mass-weighted directions without translation and rotation."""
    if len(structure) == 1:
        return np.eye(3)
    free = internal_motions(structure.positions, structure.masses)
    mixing, _ = np.linalg.qr(random.standard_normal((free.shape[1], free.shape[1])))
    return free @ mixing


def _labels(
    force: np.ndarray,
    potential: np.ndarray,
    every: int,
    force_error: float,
    energy_error: float,
    random: np.random.Generator,
) -> dict[str, ArrayLike]:
    chosen = np.arange(0, len(force), every)
    return {
        "sample_frame": chosen,
        "reference_force": force[chosen] + force_error * random.choice([-1.0, 1.0], force[chosen].shape),
        "reference_energy": potential[chosen] + energy_error * random.choice([-1.0, 1.0], len(chosen)),
    }


def _plain(force: np.ndarray, potential: np.ndarray) -> dict[str, ArrayLike]:
    """Frames evaluated again by a plain model that gives the very same: first, last, and some in between."""
    chosen = np.unique(np.linspace(0, len(force) - 1, 8).astype(int))
    return {"plain_frame": chosen, "plain_force": force[chosen], "plain_energy": potential[chosen]}


def _attrs(
    time: np.ndarray, interval_fs: float, temperature_K: float, modes: int, seed: int, given: dict[str, object]
) -> dict[str, object]:
    """All attributes of a run; where it failed, at its last frame unless told otherwise."""
    timestep = float(given.get("timestep_fs", 0.5))  # type: ignore[arg-type]
    failed = given.get("outcome", "completed") == "failed"
    at = float(given.get("failure_time_fs", time[-1] if failed else -1.0))  # type: ignore[arg-type]
    facts: dict[str, object] = {
        "model": "test", "system": "water", "simulation": "nve", "temperature_K": temperature_K, "replica": 0,
        "seed": seed, "timestep_fs": timestep, "duration_ps": float(time[-1]) / FS_PER_PS, "degrees_of_freedom": modes,
        "integrator": json.dumps({"type": "velocity_verlet"}), "outcome": "completed", "kernel": "torch",
        "reference_failures": 0, "reference_failure_detail": "", "plain_failures": 0, "plain_failure_detail": "",
        "settings": json.dumps({"timestep_fs": timestep, "record_every_fs": interval_fs}),
        "failure_kind": "nan" if failed else "", "failure_step": round(at / timestep) if failed else -1,
        "failure_time_fs": at, "failure_detail": "a coordinate is not a number" if failed else "",
    }  # fmt: skip
    facts |= given
    facts.setdefault("model_digest", hashlib.sha256(str(facts["model"]).encode()).hexdigest())
    facts.setdefault("identity", hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest())
    return facts
