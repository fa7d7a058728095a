"""Langevin dynamics in the BAOAB splitting."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from mdprotocol.api import FS_PER_PS, KB_EV_PER_K, Integrator, MDState, RandomStreams


class Langevin(Integrator):
    """Constant temperature by Langevin dynamics (BAOAB).

    Leimkuhler, Matthews, Appl. Math. Res. eXpress 2013, 34-56: the splitting B A O A B of
    dx = v dt, dv = F/m dt - gamma v dt + sqrt(2 gamma kB T/m) dW.

    | equation | variable |
    |---|---|
    | B: v += dt/2 F/m | `velocities`, `timestep`, `forces`, `masses` |
    | A: x += dt/2 v | `positions` |
    | O: v = c v + sqrt((1 - c²) kB T/m) R, c = exp(-gamma dt) | `friction_per_ps`, `extra["kick"]` (N, 1) Å/fs |
    | R, normal | `streams.normal_atoms()` |
    | A, then new forces, then B | `update_forces()` |

    Conserves K + V less the heat of the O steps (`bath_energy`), up to an error that falls as dt². Momentum is not
    conserved: all 3N degrees of freedom are thermostatted.
    """

    thermostatted: ClassVar[bool] = True
    conserves_momentum: ClassVar[bool] = False
    conserves: ClassVar[str] = "K + V less the heat exchanged in the O steps"

    type: Literal["langevin"] = "langevin"
    friction_per_ps: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """Friction coefficient gamma."""

    def start(self, state: MDState, streams: RandomStreams) -> None:
        thermal = (KB_EV_PER_K * state.temperature)[state.owner][:, None]
        state.extra["kick"] = ((1 - self._keep(state) ** 2) * thermal / state.masses).sqrt()

    def step(self, state: MDState, update_forces: Callable[[], None], streams: RandomStreams) -> None:
        half = 0.5 * state.timestep
        state.velocities.addcdiv_(state.forces, state.masses, value=half)
        state.positions.add_(state.velocities, alpha=half)
        self._exchange(state, streams)
        state.positions.add_(state.velocities, alpha=half)
        update_forces()
        state.velocities.addcdiv_(state.forces, state.masses, value=half)

    def _exchange(self, state: MDState, streams: RandomStreams) -> None:
        v, before = state.velocities, state.velocities.clone()
        v.mul_(self._keep(state)).addcmul_(streams.normal_atoms(), state.extra["kick"])
        # m (v'² - v²)/2 as m (v' + v)(v' - v)/2: the heat itself, not a difference of two large sums.
        heat = ((v + before) * (v - before)).mul_(state.masses).sum(dim=1).mul_(0.5)
        state.bath_energy = state.bath_energy.index_add(0, state.owner, heat)

    def _keep(self, state: MDState) -> float:
        return math.exp(-self.friction_per_ps / FS_PER_PS * state.timestep)
