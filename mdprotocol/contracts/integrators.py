"""Integrators, and the state that they advance."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, ClassVar

from mdprotocol.contracts.base import Component

if TYPE_CHECKING:
    import torch


class RandomStreams(ABC):
    """One random generator per copy, so that a copy's noise never depends on its neighbours in the batch."""

    @abstractmethod
    def normal_atoms(self) -> torch.Tensor:
        """(N, 3) standard normal numbers."""

    @abstractmethod
    def normal(self, count: int) -> torch.Tensor:
        """(B, count) standard normal numbers."""

    @abstractmethod
    def gamma(self, shape: torch.Tensor) -> torch.Tensor:
        """(B,) numbers from Gamma(shape_b, 1)."""


@dataclass
class MDState:
    """The moving part of a batch; integrators change it in place. All tensors are float64, on the model's device.

    Attributes:
        positions (N, 3) Å; velocities (N, 3) Å/fs; forces (N, 3) eV/Å; energy (B,) eV (potential).
        cells: (B, 3, 3) Å, rows are cell vectors; zeros when open. Integrators leave them alone so far: the engine refuses
            one that does not, for its guards, frames and checkpoints do not follow a moving box yet.
        masses: (N, 1) eV fs²/Å².
        owner: (N,) int64, copy of each atom.  copies: B.
        temperature: (B,) K, target.  dof: (B,) degrees of freedom.
        timestep: fs.
        bath_energy: (B,) eV that the thermostat has put into the copy; conserved = K + V - bath_energy.
        extra: an integrator's own variables (thermostat momenta, ...), each (B, ...).
    """

    MOVING: ClassVar[tuple[str, ...]] = ("positions", "velocities", "forces", "energy", "bath_energy")
    """What changes from step to step, with `extra`; all else is the same throughout a stage."""

    positions: torch.Tensor
    velocities: torch.Tensor
    forces: torch.Tensor
    energy: torch.Tensor
    cells: torch.Tensor
    masses: torch.Tensor
    owner: torch.Tensor
    copies: int
    temperature: torch.Tensor
    dof: torch.Tensor
    timestep: float
    bath_energy: torch.Tensor
    extra: dict[str, torch.Tensor] = field(default_factory=dict)

    def copy(self) -> MDState:
        """A copy of all that moves, where it is; what is the same at every step is shared."""
        tensors = {name: getattr(self, name).clone() for name in self.MOVING}
        return replace(self, **tensors, extra={name: value.clone() for name, value in self.extra.items()})

    def on_host(self) -> MDState:
        """This state in the memory of the CPU: itself where it is there already. A GPU is waited for."""
        if self.positions.device.type == "cpu":
            return self
        tensors = {f.name: getattr(self, f.name).cpu() for f in fields(self) if f.type == "torch.Tensor"}
        return replace(self, **tensors, extra={name: value.cpu() for name, value in self.extra.items()})

    def kinetic_energy(self) -> torch.Tensor:
        """(B,) eV: sum over the atoms of a copy of m v²/2."""
        per_atom = 0.5 * (self.masses * self.velocities**2).sum(dim=1)
        return per_atom.new_zeros(self.copies).index_add(0, self.owner, per_atom)


class Integrator(Component):
    """Base of integrators: advances every copy of a batch by one step."""

    thermostatted: ClassVar[bool] = False
    conserves_momentum: ClassVar[bool] = True
    """Whether momentum (and, in an open system, angular momentum) stays; if not, all 3N degrees of freedom are free."""
    conserves: ClassVar[str] = "total energy K + V"
    """The conserved quantity in words; its value is K + V - bath_energy."""

    def start(self, state: MDState, streams: RandomStreams) -> None:
        """Set up `state.extra`; called once, with forces and energy up to date. Nothing by default."""

    @abstractmethod
    def step(self, state: MDState, update_forces: Callable[[], None], streams: RandomStreams) -> None:
        """Advance by `state.timestep`; call `update_forces()` after each change of the positions that needs forces."""
