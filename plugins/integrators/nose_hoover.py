"""Nosé-Hoover chains."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from mdprotocol.api import KB_EV_PER_K, Integrator, MDState, RandomStreams
from mdprotocol_plugins.integrators.velocity_verlet import verlet

if TYPE_CHECKING:
    import torch

_OUTER = 1.0 / (2.0 - 2.0 ** (1.0 / 3.0))
SUZUKI_YOSHIDA = (_OUTER, 1.0 - 2.0 * _OUTER, _OUTER)
"""Weights of the fourth-order splitting (Yoshida, Phys. Lett. A 150, 262 (1990))."""


class NoseHoover(Integrator):
    """Constant temperature by Nosé-Hoover chains.

    Martyna, Tuckerman, Tobias, Klein, Mol. Phys. 87, 1117 (1996): half a step of the chain before and after a velocity
    Verlet step, each in three parts with Suzuki and Yoshida's weights w. With masses Q1 = Nf kB T tau² and
    Qj = kB T tau² the forces on the chain need neither mass nor temperature; d = w dt/2, M is the chain's length.

    | equation | variable |
    |---|---|
    | tau, M, Nf, T | `relaxation_fs`, `chain_length`, `dof`, `temperature` |
    | u_j = dxi_j/dt | `extra["chain_velocity"]` (B, M) 1/fs |
    | xi_j | `extra["chain_position"]` (B, M) |
    | G1 = (2K/(Nf kB T) - 1)/tau², G2 = Nf u1² - 1/tau², Gj = u(j-1)² - 1/tau² | `_push` |
    | uM += d/2 GM; uj = (uj e + d/2 Gj) e with e = exp(-d/4 u(j+1)), downwards, later upwards | `_kick` |
    | v *= exp(-d u1), xi_j += d uj, in between | `velocities` |

    Conserves K + V + sum Qj uj²/2 + Nf kB T xi1 + kB T (xi2 + ... + xiM), up to an error that falls as dt²;
    `bath_energy` is what the chain has lost since the start. The chain's velocities start from their thermal
    distribution. A small or stiff system is sampled well only with tau near its own periods, and a harmonic oscillator
    never with a chain of one.
    """

    thermostatted: ClassVar[bool] = True
    conserves: ClassVar[str] = "K + V plus the energy of the chain"

    type: Literal["nose_hoover"] = "nose_hoover"
    relaxation_fs: Annotated[float, Field(gt=0)] = 50.0
    """Time tau in the chain's masses; the thermostat oscillates with a period of about 4 tau."""
    chain_length: Annotated[int, Field(ge=1, le=10)] = 3

    def start(self, state: MDState, streams: RandomStreams) -> None:
        velocity = streams.normal(self.chain_length) / self.relaxation_fs
        velocity[:, 0] /= state.dof.sqrt()
        state.extra["chain_velocity"] = velocity
        state.extra["chain_position"] = velocity.new_zeros(velocity.shape)
        state.extra["chain_start"] = self._chain_energy(state)

    def step(self, state: MDState, update_forces: Callable[[], None], streams: RandomStreams) -> None:
        self._half_step(state)
        verlet(state, update_forces)
        self._half_step(state)
        state.bath_energy = state.extra["chain_start"] - self._chain_energy(state)

    def _half_step(self, state: MDState) -> None:
        velocity, position = state.extra["chain_velocity"], state.extra["chain_position"]
        u = velocity.unbind(dim=1)
        ratio = 2 * state.kinetic_energy() / (state.dof * state.temperature * KB_EV_PER_K)
        scale = ratio.new_ones(state.copies)
        for weight in SUZUKI_YOSHIDA:
            d = 0.5 * weight * state.timestep
            self._kick(u, ratio, state.dof, d, reversed(range(len(u))))
            factor = (u[0] * -d).exp_()
            scale *= factor
            ratio *= factor * factor
            position.add_(velocity, alpha=d)
            self._kick(u, ratio, state.dof, d, range(len(u)))
        state.velocities.mul_(scale[state.owner][:, None])

    def _kick(
        self, u: Sequence[torch.Tensor], ratio: torch.Tensor, dof: torch.Tensor, d: float, order: Iterable[int]
    ) -> None:
        """Half a part's kick of the chain's velocities, in place."""
        for j in order:
            push = self._push(u, ratio, dof, j)
            if j == len(u) - 1:
                u[j].add_(push, alpha=0.5 * d)
            else:
                damp = (u[j + 1] * (-0.25 * d)).exp_()
                u[j].mul_(damp).add_(push, alpha=0.5 * d).mul_(damp)

    def _push(self, u: Sequence[torch.Tensor], ratio: torch.Tensor, dof: torch.Tensor, j: int) -> torch.Tensor:
        rate = 1.0 / self.relaxation_fs**2
        if j == 0:
            return (ratio - 1.0).mul_(rate)
        square = u[j - 1].square()
        return (square.mul_(dof) if j == 1 else square).sub_(rate)

    def _chain_energy(self, state: MDState) -> torch.Tensor:
        u, xi = state.extra["chain_velocity"], state.extra["chain_position"]
        weighted = 0.5 * self.relaxation_fs**2 * u.square() + xi
        return KB_EV_PER_K * state.temperature * (state.dof * weighted[:, 0] + weighted[:, 1:].sum(dim=1))
