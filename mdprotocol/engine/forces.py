"""Energies and forces for the loop: the model's evaluator, kept away from copies that have failed.

A failed copy is parked: it stays in the arrays at its initial geometry, without force or velocity, and is never looked
at again. The shapes that the model works on do not change, so the other copies go on bitwise as they would have.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from mdprotocol.contracts import Evaluation, ForceField, MDState, Structure, Topology
from mdprotocol.errors import PluginError, asked_to_stop, in_words


class Forces:
    """The model on one batch.

    Args:
        force_field: the loaded model.
        structures: structure of each copy.

    Attributes:
        errors: what the model said about copies that it gave no answer for, since they were last taken.
    """

    def __init__(self, force_field: ForceField, structures: Sequence[Structure]) -> None:
        self._force_field, self._structures = force_field, structures
        self._topology = Topology.of(structures)
        self._evaluator = force_field.prepare(self._topology)
        home = torch.from_numpy(np.concatenate([s.positions for s in structures]).astype(np.float64))
        self._home = home.to(force_field.device)
        self._parked: set[int] = set()
        self._atoms: torch.Tensor | None = None
        self.errors: dict[int, str] = {}

    # ------------------------------------------------------------------------------------------------------ parking

    def park(self, copy: int) -> None:
        """Take a copy out for good; `hold` is to follow."""
        self._parked.add(copy)
        ranges = [torch.arange(*self._topology.offsets[b : b + 2].tolist()) for b in sorted(self._parked)]
        self._atoms = torch.cat(ranges).to(self._home.device)

    def hold(self, state: MDState) -> None:
        """Put parked copies back to rest at their initial geometry; called after every step."""
        if self._atoms is not None:
            state.positions.index_copy_(0, self._atoms, self._home[self._atoms])
            state.velocities.index_fill_(0, self._atoms, 0.0)

    def renew(self) -> None:
        """Start with a new evaluator: for one that remembers earlier calls, what follows is then as after a restart."""
        self._evaluator = self._force_field.prepare(self._topology)

    # --------------------------------------------------------------------------------------------------- evaluation

    def start(self, state: MDState) -> None:
        """The first evaluation: also checks that the model returns what the contract says.

        Raises:
            PluginError: it does not.
        """
        self.update(state)
        shapes = tuple(state.energy.shape), tuple(state.forces.shape)
        wanted = (state.copies,), tuple(state.positions.shape)
        if shapes != wanted:
            raise PluginError(f"the model returned energy and forces of shape {shapes}; it must return {wanted}")

    def update(self, state: MDState) -> None:
        """Energy and forces at the state's positions and cells, beside them, in float64."""
        if self._atoms is not None:
            # An integrator may have moved a parked copy, even to NaN; the model never sees that.
            state.positions.index_copy_(0, self._atoms, self._home[self._atoms])
        found = self._evaluate(state.positions, state.cells)
        state.energy = found.energy.detach().to(self._home)  # its device and float64
        forces = found.forces.detach().to(self._home)
        state.forces = forces if self._atoms is None else forces.index_fill(0, self._atoms, 0.0)
        if found.errors:
            self.errors.update({b: text for b, text in found.errors.items() if b not in self._parked})

    def _evaluate(self, positions: torch.Tensor, cells: torch.Tensor) -> Evaluation:
        try:
            return self._ask(positions, cells)
        except (PluginError, MemoryError, torch.OutOfMemoryError):  # ends the task, or halves it; no run has failed
            raise
        except BaseException as error:
            culprits = {} if asked_to_stop(error) else self._culprits(positions, cells)
            if not culprits:
                raise error
        for copy, text in culprits.items():
            self.errors[copy] = text
            self.park(copy)
        assert self._atoms is not None
        positions.index_copy_(0, self._atoms, self._home[self._atoms])
        return self._ask(positions, cells)

    def _ask(self, positions: torch.Tensor, cells: torch.Tensor) -> Evaluation:
        before = positions._version, cells._version
        found = self._evaluator(positions, cells)
        if (
            positions._version,
            cells._version,
        ) != before:  # wrapped into a cell, say: the dynamics would go on from there
            raise PluginError(
                "the model changed the positions or cells that it was given; it has to work on a copy of them"
            )
        return found

    def _culprits(self, positions: torch.Tensor, cells: torch.Tensor) -> dict[int, str]:
        """Copies at whose positions the model raises on its own: one that explodes must not end its neighbours."""
        found: dict[int, str] = {}
        for b, structure in enumerate(self._structures):
            first, last = self._topology.offsets[b : b + 2].tolist()
            try:
                alone = self._force_field.prepare(Topology.of([structure]))
                alone(positions[first:last].clone(), cells[b : b + 1].clone())
            except BaseException as error:
                if asked_to_stop(error):
                    raise
                found[b] = in_words(error)
        return {b: text for b, text in found.items() if b not in self._parked}
