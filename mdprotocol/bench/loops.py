"""What is timed, a step at a time: this program's batched loop, ASE's own loop around the plain model, and sgemm."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from ase.md.verlet import VelocityVerlet

from mdprotocol.calculators import ForceFieldCalculator, to_atoms
from mdprotocol.chemistry import degrees_of_freedom
from mdprotocol.contracts import Dynamics, Evaluation, ForceField, Structure, Topology
from mdprotocol.engine import random
from mdprotocol.engine.forces import Forces
from mdprotocol.engine.loop import initial_state
from mdprotocol.engine.velocities import maxwell_boltzmann
from mdprotocol.freshness import fresh_answer
from mdprotocol.units import FS_IN_ASE_TIME

SGEMM_SIZE = 384
"""A product of a millisecond: large enough for full speed, short enough to be left alone on a busy machine."""
SGEMM_REPEATS = 12


class SteppingLoop(ABC):
    """Dynamics that is advanced step by step; each step is timed, and its answer is checked to be a new one."""

    def __init__(self, device: str) -> None:
        self._wait: Callable[[], object] = torch.cuda.synchronize if device.startswith("cuda") else lambda: None
        self._seen: np.ndarray | None = None

    def burst(self, steps: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Seconds of each of the next steps: on the clock, and of this process's CPU time.

        Raises:
            NotMeasurable: the model gave a remembered or a broken answer.
            NoAnswer: it gave none.
        """
        wall, cpu = zip(*self._timed(steps), strict=True)
        return wall, cpu

    def _timed(self, steps: int) -> Iterator[tuple[float, float]]:
        walk = self._walk(steps)
        for _ in range(steps):
            self._wait()
            cpu, wall = time.process_time(), time.perf_counter()
            next(walk)
            self._wait()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            self._seen = fresh_answer(self._answer(), self._seen)
            yield wall, cpu

    @abstractmethod
    def _walk(self, steps: int) -> Iterator[object]:
        """Advance by one step at each `next`."""

    @abstractmethod
    def _answer(self) -> Evaluation:
        """What the model said last."""


class EngineLoop(SteppingLoop):
    """Copies of one system in the engine's batch: integrator, forces, parking; no frames, no guards."""

    def __init__(self, field: ForceField, structure: Structure, copies: int, dynamics: Dynamics, seed: int = 0) -> None:
        super().__init__(field.device)
        kelvin = dynamics.middle_temperature_K
        state = initial_state([structure] * copies, [kelvin] * copies)
        dof = degrees_of_freedom(structure, dynamics.integrator.conserves_momentum)
        state.timestep, state.dof = dynamics.timestep_fs, torch.full((copies,), float(dof), dtype=torch.float64)
        offsets, seeds = np.arange(copies + 1) * len(structure), [seed + b for b in range(copies)]
        state.velocities = torch.from_numpy(_velocities(structure, dynamics, seeds))
        self._state, self._integrator = state, dynamics.integrator
        self._streams = random.Streams(seeds, offsets, random.PRODUCTION)
        self._forces = Forces(field, [structure] * copies)
        self._forces.start(state)
        self._integrator.start(state, self._streams)
        self.kernel = field.kernel

    def _walk(self, steps: int) -> Iterator[object]:
        state, forces = self._state, self._forces

        def update() -> None:
            forces.update(state)

        for _ in range(steps):
            self._integrator.step(state, update, self._streams)
            forces.hold(state)
            yield None

    def _answer(self) -> Evaluation:
        return Evaluation(self._state.energy, self._state.forces, self._forces.errors)


class AseLoop(SteppingLoop):
    """One copy in ASE's VelocityVerlet: what a user does without this program.

    The calculator is the model's own where it is one, else a thin one around the model in plain, eager torch and single
    precision. Its pairs are prepared once, so that this side is not made slower than it has to be.
    """

    def __init__(self, field: ForceField, structure: Structure, dynamics: Dynamics, seed: int = 0) -> None:
        super().__init__(field.device)
        plain = field.plain("float32") or field
        self.kernel, self.dtype = "ase" if field.calculator() is not None else plain.kernel, plain.dtype
        self._atoms = to_atoms(structure)
        self._atoms.calc = field.calculator() or ForceFieldCalculator(plain.prepare(Topology.of([structure])))
        self._atoms.set_velocities(_velocities(structure, dynamics, [seed]) / FS_IN_ASE_TIME)
        self._dynamics = VelocityVerlet(self._atoms, timestep=dynamics.timestep_fs * FS_IN_ASE_TIME)
        next(iter(self._dynamics.irun(0)), None)  # the first forces

    def _walk(self, steps: int) -> Iterator[object]:
        walk = self._dynamics.irun(steps)
        next(walk)  # where it stands, before the first step
        yield from walk

    def _answer(self) -> Evaluation:
        results = self._atoms.calc.results
        return Evaluation(torch.tensor([results["energy"]]), torch.as_tensor(np.array(results["forces"])))


class Sgemm:
    """The machine's limit: single-precision matrix products by whichever of NumPy's and torch's libraries is faster."""

    def __init__(self) -> None:
        a = np.random.default_rng(0).standard_normal((SGEMM_SIZE, SGEMM_SIZE)).astype(np.float32)
        t, into, out = torch.from_numpy(a), np.empty_like(a), torch.empty(SGEMM_SIZE, SGEMM_SIZE)
        self._products: tuple[Callable[[], object], ...] = (
            lambda: np.matmul(a, a, out=into),
            lambda: torch.mm(t, t, out=out),
        )

    def rate(self) -> float:
        """Operations a second; the best of a few products, for a limit is what is reached undisturbed."""
        return 2.0 * SGEMM_SIZE**3 / min(_seconds(p) for p in self._products for _ in range(SGEMM_REPEATS))


def _velocities(structure: Structure, dynamics: Dynamics, seeds: Sequence[int]) -> np.ndarray:
    """Maxwell-Boltzmann velocities of one copy a seed, one after the other, Å/fs."""
    offsets = np.arange(len(seeds) + 1) * len(structure)
    noise = random.Streams(seeds, offsets, random.VELOCITIES, block=1).normal_atoms().numpy()
    dof = degrees_of_freedom(structure, dynamics.integrator.conserves_momentum)
    kelvin = dynamics.middle_temperature_K
    return np.concatenate([maxwell_boltzmann(structure, kelvin, own, dof) for own in np.split(noise, len(seeds))])


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
