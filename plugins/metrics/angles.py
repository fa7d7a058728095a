"""Bond angles: the distributions that a model samples against those of the reference's own trajectory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
import xarray as xr
from pydantic import Field

from mdprotocol.api import NotMeasurable, Quantity, Structure, chemistry, properties
from mdprotocol_plugins.metrics._distributions import Distributions
from mdprotocol_plugins.metrics._domain import no_coordinate
from mdprotocol_plugins.metrics._topology import angle_values, angles, bonds
from mdprotocol_plugins.metrics._wasserstein import on_line


class Angles(Distributions):
    """Distance between the bond angle distributions of the model's and the reference's own trajectory.

    An angle is every pair of bonds (as in `bond_lengths`) with a common atom; W is the 1-Wasserstein distance between
    the two samples of it, ∫ |F_model(x) - F_reference(x)| dx (Villani 2009, Optimal Transport, chapter 6), in degrees.

        mean                    mean of W over the angles, model and reference of equal seed, °
        worst                   largest W of any angle, °
        relative, excess        against the reference's other replicas, as in `bond_lengths`; excess in °
        temperature_difference  mean kinetic temperature of the model's run minus that of the reference's, K
    """

    type: Literal["angles"] = "angles"
    bond_factor: Annotated[float, Field(gt=1, le=2)] = chemistry.BOND_FACTOR

    needs: ClassVar = frozenset({"position", "initial_position", "atomic_number", "temperature", "cell", "pbc"})
    tests: ClassVar = frozenset({properties.LANDSCAPE})
    quantities: ClassVar = {
        "mean": Quantity("°", "mean Wasserstein distance of bond angle distributions"),
        "worst": Quantity("°", "largest Wasserstein distance of a bond angle distribution", "max"),
        "relative": Quantity("1", "bond angle distributions' distance over that between the reference's replicas"),
        "excess": Quantity("°", "bond angle distributions' distance beyond that between the reference's replicas"),
        "temperature_difference": Quantity("K", "mean kinetic temperature minus the reference's"),
    }
    distances: ClassVar = staticmethod(on_line)

    def inapplicable(self, quantity: str, structure: Structure) -> str:
        return no_coordinate(structure, "angles", self.bond_factor)

    def samples(self, runs: Sequence[xr.Dataset]) -> list[np.ndarray]:
        triples = angles(bonds(runs[0], self.bond_factor))
        if len(triples) == 0:
            raise NotMeasurable("the initial geometry has no bond angles")
        return [angle_values(run, triples) for run in runs]
