"""Stochastic velocity rescaling."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from mdprotocol.api import KB_EV_PER_K, Integrator, MDState, RandomStreams
from mdprotocol_plugins.integrators.velocity_verlet import verlet

SMALLEST_KINETIC_EV = 1e-12


class Bussi(Integrator):
    """Constant temperature by stochastic velocity rescaling (Bussi thermostat).

    Bussi, Donadio, Parrinello, J. Chem. Phys. 126, 014101 (2007), appendix, eq. A7, after each velocity Verlet step.

    | equation | variable |
    |---|---|
    | c = exp(-dt/tau) | `relaxation_fs`, `timestep` |
    | f = (1 - c) K0/(Nf K), K0 = Nf kB T/2 | `dof`, `temperature`, `kinetic_energy()` |
    | alpha² = c + f (R1² + S) + 2 R1 sqrt(c f) | R1 normal, S = sum of Nf - 1 squared normals, `streams` |
    | sign(alpha) = sign(R1 + sqrt(c/f)) | |
    | v = alpha v | `velocities` |

    Conserves K + V less the energy that the rescaling has put in (`bath_energy`; eq. 15 there).
    """

    thermostatted: ClassVar[bool] = True
    conserves: ClassVar[str] = "K + V less the energy exchanged by rescaling"

    type: Literal["bussi"] = "bussi"
    relaxation_fs: Annotated[float, Field(gt=0)] = 100.0

    def step(self, state: MDState, update_forces: Callable[[], None], streams: RandomStreams) -> None:
        verlet(state, update_forces)
        kinetic = state.kinetic_energy().clamp(min=SMALLEST_KINETIC_EV)
        keep = math.exp(-state.timestep / self.relaxation_fs)
        factor = (1 - keep) * 0.5 * KB_EV_PER_K * state.temperature / kinetic
        first = streams.normal(1)[:, 0]
        # A sum of n squared normals is twice a Gamma(n/2) number.
        others = 2 * streams.gamma(0.5 * (state.dof - 1))
        square = keep + factor * (first**2 + others) + 2 * first * (keep * factor).sqrt()
        alpha = square.clamp(min=0.0).sqrt() * (first + (keep / factor).sqrt()).sign()
        state.velocities.mul_(alpha[state.owner][:, None])
        state.bath_energy = state.bath_energy + kinetic * (alpha**2 - 1)
