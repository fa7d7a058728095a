"""Short dynamics of one copy for probes: no guards, no equilibration, nothing stored; the integrator is the protocol's."""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr

from mdprotocol.chemistry import degrees_of_freedom
from mdprotocol.contracts import Evaluation, Evaluator, ForceField, Integrator, MDState, Structure, Topology
from mdprotocol.engine import random
from mdprotocol.engine.dataset import run_dataset
from mdprotocol.engine.loop import initial_state
from mdprotocol.engine.recording import Ending, Frame, snapshot
from mdprotocol.engine.velocities import maxwell_boltzmann
from mdprotocol.errors import MDProtocolError, NoAnswer, asked_to_stop, in_words
from mdprotocol.plan.types import Run, RunSettings
from mdprotocol.protocol.schema import Guards


def propagate(
    force_field: ForceField,
    structure: Structure,
    integrator: Integrator,
    timestep_fs: float,
    steps: int,
    *,
    temperature_K: float = 300.0,
    seed: int = 0,
    record_every: int = 1,
    positions: np.ndarray | None = None,
    velocities: np.ndarray | None = None,
) -> xr.Dataset:
    """Move one copy for `steps` steps; every `record_every`-th is a frame, that of step 0 the first.

    Args:
        temperature_K: of the Maxwell-Boltzmann velocities (without drift and spin) and of a thermostat.
        positions: (n, 3) Å; the structure's own where absent.
        velocities: (n, 3) Å/fs; drawn where absent.

    Returns:
        A dataset in the layout of a run file.

    Raises:
        NoAnswer: the model gave none on the way, or numbers that are not finite.
    """
    state = _start(structure, integrator, timestep_fs, temperature_K, seed, positions, velocities, force_field.device)
    evaluate = force_field.prepare(Topology.of([structure]))
    streams = random.Streams([seed], np.array([0, len(structure)]), random.PRODUCTION, device=force_field.device)

    def update_forces() -> None:
        _update(state, evaluate)

    update_forces()
    integrator.start(state, streams)
    frames = [_copied(snapshot(state))]
    for step in range(1, steps + 1):
        integrator.step(state, update_forces, streams)
        if step % record_every == 0:
            frames.append(_copied(snapshot(state)))
    settings = RunSettings(integrator, timestep_fs, steps, record_every, 0, steps, Guards(), None)
    run = Run("model", structure.name, "probe", temperature_K, 0, seed, settings, identity="")
    series = {name: np.stack([_own(name, frame) for frame in frames]) for name in frames[0]}
    time = np.arange(len(frames)) * record_every * timestep_fs
    return run_dataset(run, structure, time, series, Ending(), float(state.dof[0]), force_field.kernel)


def _start(
    structure: Structure,
    integrator: Integrator,
    timestep_fs: float,
    temperature_K: float,
    seed: int,
    positions: np.ndarray | None,
    velocities: np.ndarray | None,
    device: str,
) -> MDState:
    state = initial_state([structure], [temperature_K], device)
    dof = degrees_of_freedom(structure, integrator.conserves_momentum)
    state.timestep, state.dof = timestep_fs, torch.tensor([float(dof)], dtype=torch.float64, device=device)
    if positions is not None:
        state.positions = torch.tensor(np.asarray(positions, dtype=np.float64), device=device)
    if velocities is None:
        noise = random.Streams([seed], np.array([0, len(structure)]), random.VELOCITIES, block=1).normal_atoms()
        velocities = maxwell_boltzmann(structure, temperature_K, noise.numpy(), dof)
    state.velocities = torch.tensor(np.asarray(velocities, dtype=np.float64), device=device)
    return state


def _update(state: MDState, evaluate: Evaluator) -> None:
    result = _asked(evaluate, state.positions, state.cells).answered(finite=True)
    # Copies: an evaluator may give the same memory again, and an integrator may still need the old forces.
    state.energy, state.forces = result.energy.detach().clone(), result.forces.detach().clone()


def _asked(evaluate: Evaluator, positions: torch.Tensor, cells: torch.Tensor) -> Evaluation:
    """The model's answer; as in a run, one that raises has none."""
    try:
        return evaluate(positions, cells)
    except (MDProtocolError, MemoryError, torch.OutOfMemoryError):
        raise
    except BaseException as error:
        if asked_to_stop(error):
            raise
        raise NoAnswer(f"the model gave no answer: {in_words(error)}") from error


def _copied(frame: Frame) -> Frame:
    return {name: values.copy() for name, values in frame.items()}


def _own(name: str, frame: Frame) -> np.ndarray:
    return frame[name] if frame[name].ndim == 2 else frame[name][0]
