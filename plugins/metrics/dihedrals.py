"""Dihedral angles: the distributions that a model samples against those of the reference's own trajectory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
import xarray as xr
from pydantic import Field

from mdprotocol.api import NotMeasurable, Quantity, Structure, chemistry, properties
from mdprotocol_plugins.metrics._distributions import Distributions
from mdprotocol_plugins.metrics._domain import no_coordinate
from mdprotocol_plugins.metrics._topology import bonds, dihedral_values, dihedrals
from mdprotocol_plugins.metrics._wasserstein import on_circle


class Dihedrals(Distributions):
    """Distance between the dihedral angle distributions of the model's and the reference's own trajectory.

    A dihedral is every chain of three bonds (as in `bond_lengths`) whose two bond angles are below 175° at the start. W is
    the 1-Wasserstein distance on the circle, min over c of ∫ |F_model(x) - F_reference(x) - c| dx (Rabin, Delon and
    Gousseau 2011, J. Math. Imaging Vis. 41, 147), in degrees: it knows that 179° and -179° are neighbours, and is at
    most 180°.

        mean                    mean of W over the dihedrals, model and reference of equal seed, °
        worst                   largest W of any dihedral, °
        relative, excess        against the reference's other replicas, as in `bond_lengths`; excess in °
        temperature_difference  mean kinetic temperature of the model's run minus that of the reference's, K

    Rotors that turn over slowly are sampled badly by short runs: `relative` takes that into account, `mean` does not.
    A molecule without dihedrals (water, methane) is NOT MEASURED; leave it out with `where`.
    """

    type: Literal["dihedrals"] = "dihedrals"
    bond_factor: Annotated[float, Field(gt=1, le=2)] = chemistry.BOND_FACTOR

    needs: ClassVar = frozenset({"position", "initial_position", "atomic_number", "temperature", "cell", "pbc"})
    tests: ClassVar = frozenset({properties.LANDSCAPE})
    quantities: ClassVar = {
        "mean": Quantity("°", "mean circular Wasserstein distance of dihedral distributions"),
        "worst": Quantity("°", "largest circular Wasserstein distance of a dihedral distribution", "max"),
        "relative": Quantity("1", "dihedral distributions' distance over that between the reference's replicas"),
        "excess": Quantity("°", "dihedral distributions' distance beyond that between the reference's replicas"),
        "temperature_difference": Quantity("K", "mean kinetic temperature minus the reference's"),
    }
    distances: ClassVar = staticmethod(on_circle)

    def inapplicable(self, quantity: str, structure: Structure) -> str:
        return no_coordinate(structure, "dihedrals", self.bond_factor)

    def samples(self, runs: Sequence[xr.Dataset]) -> list[np.ndarray]:
        chains = dihedrals(runs[0], bonds(runs[0], self.bond_factor))
        if len(chains) == 0:
            raise NotMeasurable("the initial geometry has no dihedral angles")
        return [dihedral_values(run, chains) for run in runs]
