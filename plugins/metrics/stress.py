"""Stress: the model's own stress against what finite strains of the cell do to its energy."""

from __future__ import annotations

import dataclasses
from typing import Annotated, ClassVar, Literal

import numpy as np
import xarray as xr
from pydantic import Field

from mdprotocol.api import NotMeasurable, ProbeMetric, Quantity, Structure, Subject, Topology, Values, properties
from mdprotocol_plugins.metrics._geometries import evaluated
from mdprotocol_plugins.metrics._series import finite

GPA_PER_EV_A3 = 160.2176634
"""1 eV/Å³ in GPa."""
VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
WEIGHTS = ((-2, 1 / 12), (-1, -8 / 12), (1, 8 / 12), (2, -1 / 12))
"""First derivative of fourth order: multiples of the step and their weights over it."""


class Stress(ProbeMetric):
    """Largest deviation of the model's stress from the derivative of its energy with respect to strain.

    The structure is shaken by normal numbers of standard deviation `rattle_A`, so that no component is zero by symmetry.
    With e a symmetric strain of cell and positions, x -> (1 + e) x, and V the volume:

        error     largest |σ_ab - (1/V) dE/de_ab| of the six components, by differences of fourth order, GPa
        pressure  -tr σ/3 of the model's stress, GPa

    Where e is off the diagonal, both e_ab and e_ba are strained by half, as in σ. Nielsen and Martin (1985), Phys. Rev. B
    32, 3780; Knuth et al. (2015), Comput. Phys. Commun. 190, 33. Not measured where the system is not periodic in all
    directions, or the model gives no stress.
    """

    type: Literal["stress"] = "stress"
    strain: Annotated[float, Field(gt=0, le=0.05)] = 2e-3
    rattle_A: Annotated[float, Field(ge=0, le=0.5)] = 0.03

    needs: ClassVar = frozenset({"stress", "finite_strain"})
    tests: ClassVar = frozenset({properties.STRESS})
    quantities: ClassVar = {
        "error": Quantity("GPa", "largest deviation of a component of the stress from finite strain", "max"),
        "pressure": Quantity("GPa", "pressure of the shaken structure by the model's stress", "max"),
    }

    def probe(self, subject: Subject) -> xr.Dataset:
        structure = subject.structure
        if not structure.pbc.all():
            raise NotMeasurable("the system is not periodic in all directions, so it has no stress")
        noise = np.random.default_rng(subject.seed).standard_normal(structure.positions.shape)
        shaken = dataclasses.replace(structure, positions=structure.positions + self.rattle_A * noise)
        both = [_stress(subject, shaken), self._by_finite_strain(subject, shaken)]
        names = ("stress", "finite_strain")
        return xr.Dataset({n: ("component", s, {"units": "eV/Å³"}) for n, s in zip(names, both, strict=True)})

    def _by_finite_strain(self, subject: Subject, structure: Structure) -> np.ndarray:
        """(6,) eV/Å³ from the energies of 24 strained cells."""
        steps, weights = np.array(WEIGHTS).T
        strained = [_strained(structure, a, b, k * self.strain) for a, b in VOIGT for k in steps]
        energies, _ = evaluated(subject.force_field, strained)
        volume = abs(float(np.linalg.det(structure.cell)))
        return energies.reshape(len(VOIGT), -1) @ weights / (self.strain * volume)

    def measure(self, run: xr.Dataset) -> Values:
        stress, by_energy = GPA_PER_EV_A3 * finite(run, "stress"), GPA_PER_EV_A3 * finite(run, "finite_strain")
        return {
            "error": float(np.abs(stress - by_energy).max()),
            "pressure": -float(stress[:3].mean()),
        }


def _stress(subject: Subject, structure: Structure) -> np.ndarray:
    """(6,) the model's stress, eV/Å³."""
    import torch

    topology = Topology.of([structure])
    evaluate = subject.force_field.prepare(topology)
    found = evaluate(torch.tensor(structure.positions), torch.from_numpy(topology.cells)).answered()
    if found.stress is None:
        raise NotMeasurable("the model gives no stress")
    tensor = found.stress().detach().cpu().numpy()[0]
    return np.array([tensor[a, b] for a, b in VOIGT])


def _strained(structure: Structure, a: int, b: int, size: float) -> Structure:
    """The structure after a symmetric strain of components ab and ba."""
    deform = np.eye(3)
    deform[a, b] += size / 2
    deform[b, a] += size / 2
    return dataclasses.replace(structure, positions=structure.positions @ deform, cell=structure.cell @ deform)
