"""Nosé-Hoover chains."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from mdprotocol.api import KB_EV_PER_K, Integrator, MDState, RandomStreams
from mdprotocol_plugins.integrators.velocity_verlet import verlet

if TYPE_CHECKING:
    import torch

_W1 = 1.0 / (2.0 - 2.0 ** (1.0 / 3.0))
SUZUKI_YOSHIDA = (_W1, 1.0 - 2.0 * _W1, _W1)


class NoseHoover(Integrator):
    """Constant temperature by Nosé-Hoover chains.

    Martyna, Tuckerman, Tobias, Klein, Mol. Phys. 87, 1117 (1996), eqs. 29-35: half a step of the chain before and after a
    velocity Verlet step, split by Suzuki and Yoshida's three weights.

    | equation | variable |
    |---|---|
    | Q1 = Nf kB T tau², Qj = kB T tau² | `relaxation_fs`, `dof`, `temperature` |
    | G1 = (2K - Nf kB T)/Q1, Gj = (Q(j-1) vxi(j-1)² - kB T)/Qj | `extra["vxi"]` (B, M) 1/fs |
    | v *= exp(-dt/2 vxi1) | `velocities` |
    | xi += dt/2 vxi | `extra["xi"]` (B, M) |

    Conserves K + V + sum Qj vxij²/2 + Nf kB T xi1 + kB T (xi2 + ... + xiM); `bath_energy` is minus the chain's part.
    """

    thermostatted: ClassVar[bool] = True
    conserves: ClassVar[str] = "K + V plus the energy of the chain"

    type: Literal["nose_hoover"] = "nose_hoover"
    relaxation_fs: Annotated[float, Field(gt=0)] = 50.0
    chain_length: Annotated[int, Field(ge=1, le=10)] = 3

    def start(self, state: MDState, streams: RandomStreams) -> None:
        shape = (state.copies, self.chain_length)
        state.extra["xi"] = state.positions.new_zeros(shape)
        state.extra["vxi"] = state.positions.new_zeros(shape)

    def step(self, state: MDState, update_forces: Callable[[], None], streams: RandomStreams) -> None:
        self._half_chain(state)
        verlet(state, update_forces)
        self._half_chain(state)
        state.bath_energy = -self._chain_energy(state)

    def _half_chain(self, state: MDState) -> None:
        thermal = KB_EV_PER_K * state.temperature
        mass = thermal * self.relaxation_fs**2
        xi, vxi = state.extra["xi"].clone(), state.extra["vxi"].clone()
        twice_kinetic = 2 * state.kinetic_energy()
        scale = twice_kinetic.new_ones(state.copies)
        last = self.chain_length - 1

        def push(j: int) -> torch.Tensor:
            if j == 0:
                return (twice_kinetic * scale**2 - state.dof * thermal) / (state.dof * mass)
            heavy = state.dof * mass if j == 1 else mass
            return (heavy * vxi[:, j - 1] ** 2 - thermal) / mass

        for weight in SUZUKI_YOSHIDA:
            dt = 0.5 * state.timestep * weight
            vxi[:, last] += 0.5 * dt * push(last)
            for j in range(last - 1, -1, -1):
                damp = (-0.25 * dt * vxi[:, j + 1]).exp()
                vxi[:, j] = (vxi[:, j] * damp + 0.5 * dt * push(j)) * damp
            scale = scale * (-dt * vxi[:, 0]).exp()
            xi += dt * vxi
            for j in range(last):
                damp = (-0.25 * dt * vxi[:, j + 1]).exp()
                vxi[:, j] = (vxi[:, j] * damp + 0.5 * dt * push(j)) * damp
            vxi[:, last] += 0.5 * dt * push(last)
        state.extra["xi"], state.extra["vxi"] = xi, vxi
        state.velocities.mul_(scale[state.owner][:, None])

    def _chain_energy(self, state: MDState) -> torch.Tensor:
        thermal = KB_EV_PER_K * state.temperature
        mass = thermal * self.relaxation_fs**2
        xi, vxi = state.extra["xi"], state.extra["vxi"]
        kinetic = 0.5 * mass * (state.dof * vxi[:, 0] ** 2 + (vxi[:, 1:] ** 2).sum(dim=1))
        return kinetic + state.dof * thermal * xi[:, 0] + thermal * xi[:, 1:].sum(dim=1)
