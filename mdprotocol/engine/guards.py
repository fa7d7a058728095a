"""What ends a run early: NaN or infinity, a runaway temperature, a bond broken or formed, a model that fails.

Stability means chemistry: a structure that has lost a bond is not stable, however smooth its energy. All checks are
numpy over the whole batch, without a copy of anything, so that they cost little beside an evaluation of the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from ase.data import chemical_symbols
from scipy.special import gammainccinv

from mdprotocol.contracts import MDState, Structure, Topology
from mdprotocol.engine.contacts import Pairs, Strangers, bonds
from mdprotocol.protocol.schema import Guards
from mdprotocol.units import KB_EV_PER_K

THERMAL_TAIL = 1e-9

Kind = Literal["nan", "runaway_temperature", "broken_bond", "new_bond", "model_error"]


@dataclass(frozen=True)
class Failure:
    """Why a run ended: its kind and one sentence with the numbers."""

    kind: Kind
    detail: str


def thermal_limit(target_K: np.ndarray, dof: np.ndarray) -> np.ndarray:
    """Kinetic temperature (B,) K that harmonic vibrations in equilibrium pass once in 10^9 draws.

    The energy of `dof` harmonic vibrations drawn at T is kB T times a Gamma(dof) number, and at a turning point all of
    it can be kinetic: 2E/(dof kB). Water has three vibrations, so 2,000 K in a sound run at 300 K is one draw in 400,
    not a runaway; from some thirty degrees of freedom on, this bound is below the protocol's own.
    """
    return np.asarray(target_K * 2.0 * gammainccinv(dof, THERMAL_TAIL) / dof)


class Watch:
    """Looks at a batch and says which copies have failed, and why."""

    def __init__(self, guards: Guards, structures: Sequence[Structure]) -> None:
        topology = Topology.of(structures)
        self._guards, self._offsets = guards, topology.offsets
        self._owner, self._numbers = topology.owner, topology.numbers
        self._bonds = bonds(structures, self._offsets, guards.bond_stretch) if guards.bond_stretch else None
        self._strangers = Strangers(structures, self._offsets, guards.new_bond) if guards.new_bond else None

    def state(self) -> dict[str, np.ndarray]:
        """What its answers depend on besides the batch: where its list of pairs was made."""
        return {} if self._strangers is None else {"found_at": self._strangers.found_at()}

    def restore(self, kept: Mapping[str, np.ndarray]) -> None:
        """Go on from a `state`."""
        if self._strangers is not None:
            self._strangers.restore(kept["found_at"])

    def failures(self, state: MDState, alive: np.ndarray) -> dict[int, Failure]:
        """Failed copies among those alive (B,), each with its first cause in the order above."""
        found: dict[int, Failure] = {}
        with np.errstate(all="ignore"):  # a copy that has failed may hold anything
            self._not_finite(state, alive, found)
            self._runaway(state, alive, found)
            positions = state.positions.numpy()
            if self._bonds is not None:
                self._broken(self._bonds, positions, alive, found)
            if self._strangers is not None:
                self._formed(self._strangers.pairs(positions, alive), positions, alive, found)
        return found

    def _not_finite(self, state: MDState, alive: np.ndarray, found: dict[int, Failure]) -> None:
        # A sum is finite only if all its terms are (one that overflows has failed as well).
        parts = {
            "the energy": state.energy.numpy(),
            "a force": self._sums(state.forces.numpy()),
            "a position": self._sums(state.positions.numpy()),
            "a velocity": self._sums(state.velocities.numpy()),
        }
        for b in np.flatnonzero(alive & ~np.isfinite(sum(parts.values()))).tolist():
            names = [name for name, values in parts.items() if not np.isfinite(values[b])]
            found[b] = Failure("nan", f"{', '.join(names) or 'the sum of all'} is not a finite number")

    def _sums(self, values: np.ndarray) -> np.ndarray:
        return np.asarray(np.add.reduceat(values.sum(axis=1), self._offsets[:-1]))

    def _runaway(self, state: MDState, alive: np.ndarray, found: dict[int, Failure]) -> None:
        target = state.temperature.numpy()
        temperature = 2 * state.kinetic_energy().numpy() / (state.dof.numpy() * KB_EV_PER_K)
        bound = self._guards.max_temperature_factor * target + self._guards.max_temperature_offset_K
        limit = np.maximum(bound, thermal_limit(target, state.dof.numpy()))
        for b in np.flatnonzero(alive & (temperature > limit)).tolist():
            text = f"kinetic temperature {temperature[b]:.0f} K, beyond {limit[b]:.0f} K (target {target[b]:g} K)"
            found.setdefault(b, Failure("runaway_temperature", text))

    def _broken(self, pairs: Pairs, positions: np.ndarray, alive: np.ndarray, found: dict[int, Failure]) -> None:
        distance = pairs.distances(positions)
        for k in self._hits(distance > pairs.limit, pairs, alive):
            text = f"bond {self._name(pairs, k)} is {distance[k]:.2f} Å long, beyond {pairs.limit[k]:.2f} Å"
            text += f" (at the start {pairs.start[k]:.2f} Å)"
            found.setdefault(int(self._owner[pairs.i[k]]), Failure("broken_bond", text))

    def _formed(self, pairs: Pairs, positions: np.ndarray, alive: np.ndarray, found: dict[int, Failure]) -> None:
        distance = pairs.distances(positions)
        for k in self._hits(distance < pairs.limit, pairs, alive):
            text = f"{self._name(pairs, k)}, not bonded at the start, are {distance[k]:.2f} Å apart"
            text += f", below {pairs.limit[k]:.2f} Å"
            found.setdefault(int(self._owner[pairs.i[k]]), Failure("new_bond", text))

    def _hits(self, bad: np.ndarray, pairs: Pairs, alive: np.ndarray) -> list[int]:
        if not bad.any():
            return []
        return list(np.flatnonzero(bad & alive[self._owner[pairs.i]]))

    def _name(self, pairs: Pairs, k: int) -> str:
        """Both atoms with their index in the structure, from 0: C2-H7."""
        start = self._offsets[self._owner[pairs.i[k]]]
        return "-".join(f"{chemical_symbols[self._numbers[a]]}{a - start}" for a in (pairs.i[k], pairs.j[k]))
