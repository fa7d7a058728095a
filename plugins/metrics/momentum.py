"""Momentum: how well the dynamics keeps its total momentum and angular momentum."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import xarray as xr

from mdprotocol.api import KB_EV_PER_K, Metric, NotMeasurable, Quantity, Structure, Values, properties
from mdprotocol_plugins.metrics._domain import no_molecule
from mdprotocol_plugins.metrics._rigid import kept, motion, periodic
from mdprotocol_plugins.metrics._series import enough


class Momentum(Metric):
    """Largest change of the total momentum and angular momentum in a run, relative to their thermal sizes.

    With P(t) the total momentum, L(t) the angular momentum about the centre of mass, M the total mass and I the tensor
    of inertia of the first frame:

        linear   max |P(t) - P(0)| / √(3 M kB T0)
        angular  max |L(t) - L(0)| / √(kB T0 tr I); open systems only

    The denominators are the root mean squares in the canonical ensemble. An energy that does not change when all is
    moved keeps P, one that does not change when all is turned keeps L (Noether; Landau and Lifshitz, Mechanics, sections
    7 and 9), and velocity Verlet keeps both exactly. A model whose forces do not sum to zero, or that depends on the
    orientation, does not; nor does a thermostat with noise or an atom that is held. Not measured where the integrator
    does not keep momentum (Langevin), which the degrees of freedom tell.
    """

    type: Literal["momentum"] = "momentum"
    needs: ClassVar = frozenset({"position", "velocity", "mass", "pbc", "initial_position"})
    tests: ClassVar = frozenset({properties.MOMENTUM})
    quantities: ClassVar = {
        "linear": Quantity("1", "largest change of the total momentum, relative to its thermal size", "max"),
        "angular": Quantity("1", "largest change of the angular momentum, relative to its thermal size", "max"),
    }

    def inapplicable(self, quantity: str, structure: Structure) -> str:
        return no_molecule(structure) if quantity == "angular" else ""

    def measure(self, run: xr.Dataset) -> Values:
        if not kept(run).translation:
            raise NotMeasurable("the integrator does not keep momentum (all 3N degrees of freedom are free)")
        moved, thermal = motion(run), KB_EV_PER_K * float(run.attrs["temperature_K"])
        enough(len(moved.x), 2)
        found = {"linear": _change(moved.momentum) / np.sqrt(3 * moved.masses.sum() * thermal)}
        if not periodic(run):
            found["angular"] = _change(moved.angular) / np.sqrt(thermal * np.trace(moved.inertia[0]))
        return {name: float(value) for name, value in found.items()}


def _change(vector: np.ndarray) -> float:
    """Largest length of (frame, 3) minus its first."""
    return float(np.linalg.norm(vector - vector[0], axis=1).max())
