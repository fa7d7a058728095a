"""Bond lengths: the distributions that a model samples against those of the reference's own trajectory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
import xarray as xr
from pydantic import Field

from mdprotocol.api import Quantity, Structure, chemistry, properties
from mdprotocol_plugins.metrics._distributions import Distributions
from mdprotocol_plugins.metrics._domain import no_coordinate
from mdprotocol_plugins.metrics._topology import bonds, length_values
from mdprotocol_plugins.metrics._wasserstein import on_line


class BondLengths(Distributions):
    """Distance between the bond length distributions of the model's and the reference's own trajectory.

    Bonds are the pairs of the initial geometry that are closer than `bond_factor` times the sum of their covalent radii
    (Cordero et al. 2008, Dalton Trans. 2832, as tabulated in ASE). For each bond, the 1-Wasserstein distance between
    the two samples of its length, W = ∫ |F_model(r) - F_reference(r)| dr with F the cumulative distributions
    (Villani 2009, Optimal Transport, chapter 6), in Å: a shift of a distribution by x Å gives x.

        mean                    mean of W over the bonds, model and reference of equal seed, Å
        worst                   largest W of any bond, Å
        relative                mean W of the model to the reference's other replicas, divided by that of the
                                reference's own run to them: 1 where the model differs no more than the replicas do
        excess                  the same as a difference, Å: 0 where the model samples what the reference samples
        temperature_difference  mean kinetic temperature of the model's run minus that of the reference's, K: where it
                                is not small, distributions differ for that reason too

    Runs of equal seed start together, and W between them is small at first for that reason alone; `relative` and
    `excess` compare runs of unequal seed only, so they need two replicas. The values of replicas share the reference's
    runs, so they are not fully independent.
    """

    type: Literal["bond_lengths"] = "bond_lengths"
    bond_factor: Annotated[float, Field(gt=1, le=2)] = chemistry.BOND_FACTOR

    needs: ClassVar = frozenset({"position", "initial_position", "atomic_number", "temperature", "cell", "pbc"})
    tests: ClassVar = frozenset({properties.LANDSCAPE})
    quantities: ClassVar = {
        "mean": Quantity("Å", "mean Wasserstein distance of bond length distributions", positive=True),
        "worst": Quantity("Å", "largest Wasserstein distance of a bond length distribution", "max"),
        "relative": Quantity("1", "bond length distributions' distance over that between the reference's replicas"),
        "excess": Quantity("Å", "bond length distributions' distance beyond that between the reference's replicas"),
        "temperature_difference": Quantity("K", "mean kinetic temperature minus the reference's"),
    }
    distances: ClassVar = staticmethod(on_line)

    def inapplicable(self, quantity: str, structure: Structure) -> str:
        return no_coordinate(structure, "bonds", self.bond_factor)

    def samples(self, runs: Sequence[xr.Dataset]) -> list[np.ndarray]:
        pairs = bonds(runs[0], self.bond_factor)
        return [length_values(run, pairs) for run in runs]
