"""Stochastic velocity rescaling."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from mdprotocol.api import KB_EV_PER_K, Integrator, MDState, RandomStreams
from mdprotocol_plugins.integrators.velocity_verlet import verlet

SMALLEST_KINETIC_EV = 1e-12
"""A copy at rest cannot be rescaled; it is left at rest."""


class Bussi(Integrator):
    """Constant temperature by stochastic velocity rescaling (Bussi, Donadio, Parrinello).

    Bussi, Donadio, Parrinello, J. Chem. Phys. 126, 014101 (2007), eqs. A7 and A8, after each velocity Verlet step.

    | equation | variable |
    |---|---|
    | tau, T, Nf, K | `relaxation_fs`, `temperature`, `dof`, `kinetic_energy()` |
    | c = exp(-dt/tau) | `keep` |
    | f = (1 - c) K0/(Nf K), K0 = Nf kB T/2 | `factor` |
    | R1, normal | `first` |
    | S = R2² + ... + RNf², which is 2 Gamma((Nf - 1)/2) | `others`, `extra["gamma_shape"]` (B,) |
    | alpha² = c + f (R1² + S) + 2 R1 sqrt(c f) | `square` |
    | sign(alpha) = sign(R1 + sqrt(c/f)) | |
    | v *= alpha | `velocities` |

    Conserves K + V less the energy that the rescaling has put in (`bath_energy`), up to an error that falls as dt².
    """

    thermostatted: ClassVar[bool] = True
    conserves: ClassVar[str] = "K + V less the energy exchanged by rescaling"

    type: Literal["bussi"] = "bussi"
    relaxation_fs: Annotated[float, Field(gt=0)] = 100.0
    """Relaxation time tau of the kinetic energy."""

    def start(self, state: MDState, streams: RandomStreams) -> None:
        state.extra["gamma_shape"] = 0.5 * (state.dof - 1)

    def step(self, state: MDState, update_forces: Callable[[], None], streams: RandomStreams) -> None:
        verlet(state, update_forces)
        kinetic = state.kinetic_energy().clamp_(min=SMALLEST_KINETIC_EV)
        keep = math.exp(-state.timestep / self.relaxation_fs)
        factor = (0.5 * (1 - keep) * KB_EV_PER_K) * state.temperature / kinetic
        first = streams.normal(1)[:, 0]
        others = 2 * streams.gamma(state.extra["gamma_shape"])
        square = keep + factor * (first**2 + others) + 2 * first * (keep * factor).sqrt()
        alpha = square.clamp(min=0.0).sqrt().copysign(first + (keep / factor).sqrt())
        state.velocities.mul_(alpha[state.owner][:, None])
        state.bath_energy = state.bath_energy + kinetic * (alpha**2 - 1)
