"""Langevin dynamics in the BAOAB splitting."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from mdprotocol.api import FS_PER_PS, KB_EV_PER_K, Integrator, MDState, RandomStreams


class Langevin(Integrator):
    """Constant temperature by Langevin dynamics (BAOAB).

    Leimkuhler, Matthews, Appl. Math. Res. eXpress 2013, 34, eq. 10; J. Chem. Phys. 138, 174102 (2013).

    | equation | variable |
    |---|---|
    | B: v += dt/2 F/m | `velocities`, `forces`, `masses` |
    | A: x += dt/2 v | `positions`, `timestep` |
    | O: v = c v + sqrt((1 - c²) kB T/m) R, c = exp(-gamma dt) | `friction_per_ps`, `temperature`, `streams` |
    | A, then new forces, then B | `update_forces()` |

    Conserves K + V less the energy that the O steps have put in (`bath_energy`). Momentum is not conserved: all 3N
    degrees of freedom are thermostatted.
    """

    thermostatted: ClassVar[bool] = True
    conserves_momentum: ClassVar[bool] = False
    conserves: ClassVar[str] = "K + V less the energy exchanged in the O steps"

    type: Literal["langevin"] = "langevin"
    friction_per_ps: Annotated[float, Field(gt=0, le=1000)] = 1.0

    def start(self, state: MDState, streams: RandomStreams) -> None:
        keep = math.exp(-self.friction_per_ps / FS_PER_PS * state.timestep)
        state.extra["keep"] = state.temperature.new_full((state.copies,), keep)
        state.extra["width"] = ((1 - keep**2) * KB_EV_PER_K * state.temperature).sqrt()

    def step(self, state: MDState, update_forces: Callable[[], None], streams: RandomStreams) -> None:
        half = 0.5 * state.timestep
        state.velocities.addcdiv_(state.forces, state.masses, value=half)
        state.positions.add_(state.velocities, alpha=half)
        self._exchange(state, streams)
        state.positions.add_(state.velocities, alpha=half)
        update_forces()
        state.velocities.addcdiv_(state.forces, state.masses, value=half)

    @staticmethod
    def _exchange(state: MDState, streams: RandomStreams) -> None:
        before = state.kinetic_energy()
        keep, width = state.extra["keep"][state.owner], state.extra["width"][state.owner]
        noise = streams.normal_atoms() * width[:, None] / state.masses.sqrt()
        state.velocities.mul_(keep[:, None]).add_(noise)
        state.bath_energy = state.bath_energy + state.kinetic_energy() - before
