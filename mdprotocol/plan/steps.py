"""Durations as whole steps: what a simulation asks for in fs and ps, as counts that the engine can keep exactly."""

from __future__ import annotations

from mdprotocol.plan.findings import Findings
from mdprotocol.plan.inert import LEAST_TEMPERATURE_K
from mdprotocol.plan.types import RunSettings
from mdprotocol.protocol.places import Path
from mdprotocol.protocol.schema import Equilibration, Simulation
from mdprotocol.units import FS_PER_PS

TOLERANCE = 1e-6
"""Steps by which a duration may differ from a whole number (rounding of decimal fractions)."""
MANY_FRAMES = 200_000
PLAIN_FRAMES, PLAIN_STEPS = 8, 1000
"""Most frames of a run that are evaluated again in plain float64, and steps for each of them but the first and the last."""


def run_settings(name: str, simulation: Simulation, timestep_fs: float, findings: Findings) -> RunSettings:
    """Settings of a simulation's runs in whole steps; what does not fit is noted in `findings`."""
    path: Path = ("simulations", name)
    _warn_cold(simulation, path, findings)
    steps = _whole_steps(simulation.duration_ps, timestep_fs, (*path, "duration_ps"), findings)
    record = _rounded(simulation.record_every_fs, timestep_fs, (*path, "record_every_fs"), "steps", findings)
    label = 0
    if simulation.reference_every_fs is not None:
        frame = record * timestep_fs
        label = _rounded(simulation.reference_every_fs, frame, (*path, "reference_every_fs"), "frames", findings)
    if record > steps:
        findings.warn((*path, "record_every_fs"), "longer than the run, so that only its first frame is kept")
    if steps // record > MANY_FRAMES:
        findings.warn((*path, "record_every_fs"), f"{steps // record:,} frames a run; record less often to save space")
    return RunSettings(
        integrator=simulation.integrator,
        timestep_fs=timestep_fs,
        steps=steps,
        record_every=record,
        reference_every=label,
        guard_every=max(1, round(simulation.guards.check_every_fs / timestep_fs)),
        guards=simulation.guards,
        equilibration=_equilibration(simulation.equilibration, (*path, "equilibration"), findings),
    )


def _warn_cold(simulation: Simulation, path: Path, findings: Findings) -> None:
    for index, kelvin in enumerate(simulation.temperatures_K):
        if kelvin < LEAST_TEMPERATURE_K:
            findings.warn(
                (*path, "temperatures_K", index),
                f"at {kelvin:g} K nothing moves, so that no criterion can be measured there; "
                f"runs need a mean kinetic temperature of {LEAST_TEMPERATURE_K:g} K",
            )


def _equilibration(stage: Equilibration | None, path: Path, findings: Findings) -> Equilibration | None:
    if stage is not None:
        _whole_steps(stage.duration_ps, stage.timestep_fs, (*path, "duration_ps"), findings)
        if stage.integrator is not None and not stage.integrator.thermostatted:
            findings.warn(path, f"'{stage.integrator.type}' has no thermostat, so it cannot bring a run to temperature")
    return stage


def _whole_steps(duration_ps: float, timestep_fs: float, path: Path, findings: Findings) -> int:
    exact = duration_ps * FS_PER_PS / timestep_fs
    steps = max(1, round(exact))
    if abs(exact - steps) > TOLERANCE:
        near = f"{steps * timestep_fs / FS_PER_PS:.10g}"
        message = (
            f"{duration_ps:g} ps is not a whole number of steps of {timestep_fs:g} fs; the nearest that is: {near}"
        )
        findings.error(path, message)
    return steps


def _rounded(interval_fs: float, unit_fs: float, path: Path, unit: str, findings: Findings) -> int:
    exact = interval_fs / unit_fs
    count = max(1, round(exact))
    if abs(exact - count) > TOLERANCE:
        every = f"every {count} {unit} of {unit_fs:g} fs, that is every {count * unit_fs:g} fs"
        findings.warn(path, f"{interval_fs:g} fs is rounded to {every}")
    return count


def frames_of(settings: RunSettings) -> int:
    """Frames of a completed run; the first is that of step 0."""
    return settings.steps // settings.record_every + 1


def labels_of(settings: RunSettings) -> int:
    """Frames of a completed run that the reference labels, from the first on."""
    return 0 if settings.reference_every == 0 else (frames_of(settings) - 1) // settings.reference_every + 1


def plain_frames_of(settings: RunSettings) -> int:
    """Frames of a completed run that the plain float64 model evaluates again: as a share of its steps they cost nothing."""
    return min(PLAIN_FRAMES, 2 + settings.steps // PLAIN_STEPS, frames_of(settings))
