"""Velocity Verlet: constant energy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from mdprotocol.api import Integrator, MDState, RandomStreams


class VelocityVerlet(Integrator):
    """Constant energy (NVE) by velocity Verlet.

    Swope, Andersen, Berens, Wilson, J. Chem. Phys. 76, 637 (1982), eqs. 4-7.

    | equation | variable |
    |---|---|
    | v(t + dt/2) = v(t) + dt/2 F(t)/m | `velocities`, `timestep`, `forces`, `masses` |
    | x(t + dt) = x(t) + dt v(t + dt/2) | `positions` |
    | v(t + dt) = v(t + dt/2) + dt/2 F(t + dt)/m | after `update_forces()` |

    Conserves K + V up to an error that oscillates and falls as dt².
    """

    type: Literal["velocity_verlet"] = "velocity_verlet"

    def step(self, state: MDState, update_forces: Callable[[], None], streams: RandomStreams) -> None:
        verlet(state, update_forces)


def verlet(state: MDState, update_forces: Callable[[], None]) -> None:
    """One velocity Verlet step; the thermostats that scale velocities are built around it."""
    half = 0.5 * state.timestep
    state.velocities.addcdiv_(state.forces, state.masses, value=half)
    state.positions.add_(state.velocities, alpha=state.timestep)
    update_forces()
    state.velocities.addcdiv_(state.forces, state.masses, value=half)
