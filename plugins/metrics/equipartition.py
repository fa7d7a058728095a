"""Equipartition: whether the kinetic energy is shared between elements, and between the molecule's kinds of motion."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import xarray as xr
from ase.data import chemical_symbols

from mdprotocol.api import Metric, NotMeasurable, Quantity, Structure, Values, properties
from mdprotocol_plugins.metrics._domain import no_molecule
from mdprotocol_plugins.metrics._rigid import Kept, Motion, inverse, kept, motion
from mdprotocol_plugins.metrics._series import MIN_FRAMES, enough, finite


class Equipartition(Metric):
    """Kinetic temperature of each element relative to the whole, and of translation, rotation and vibration.

    With T the mean kinetic temperature of the run, ⟨⟩ the mean over its frames, and f_i the degrees of freedom of atom i:

        element_ratio  2⟨K_e⟩/(f_e kB T) for the atoms of each element e (dim `element`); 1 expected
        coldest_atom   the least 2⟨K_i⟩/(f_i kB T) of any atom; 0 for an atom that is held
        translation    (⟨K_trans⟩ - expected)/(3/2 kB T), K_trans = P²/2M; 0 expected
        rotation       (⟨K_rot⟩ - expected)/(f_rot/2 kB T), K_rot = L·I⁻¹·L/2; 0 expected; open systems only
        vibration      ⟨K_vib⟩/(f_vib/2 kB T) - 1, K_vib the rest; 0 expected

    Where the dynamics keeps P and L at zero, translation and rotation are expected to have nothing, else 3/2 kB T
    (rotation of a linear molecule kB T). The constraint then takes from each atom the share that it has in the rigid
    motions: f_i = 3 - 3 m_i/M - m_i tr(I⁻¹(x_i² - x_i x_iᵀ)), the trace of the projector on all other motions; without
    that, hydrogen looks hot. A flying ice cube (Harvey, Tan, Cheatham 1998, J. Comput. Chem. 19, 726) has a large
    `translation`. Within a run modes may keep what they started with; replicas, not frames, are the samples.
    Equipartition: Tolman (1938), The Principles of Statistical Mechanics, section 34.
    """

    type: Literal["equipartition"] = "equipartition"
    needs: ClassVar = frozenset({"position", "velocity", "mass", "atomic_number", "pbc", "initial_position"})
    tests: ClassVar = frozenset({properties.EQUIPARTITION})
    quantities: ClassVar = {
        "element_ratio": Quantity("1", "kinetic temperature of an element relative to the whole"),
        "coldest_atom": Quantity("1", "least kinetic temperature of an atom relative to the whole"),
        "translation": Quantity("1", "kinetic energy of translation less what is expected, in units of 3/2 kB T"),
        "rotation": Quantity("1", "kinetic energy of rotation less what is expected, in units of its share"),
        "vibration": Quantity("1", "kinetic energy of vibration relative to what is expected, minus 1"),
    }

    def inapplicable(self, quantity: str, structure: Structure) -> str:
        return no_molecule(structure) if quantity == "rotation" else ""

    def measure(self, run: xr.Dataset) -> Values:
        moved, free = motion(run), kept(run)
        enough(len(moved.x), MIN_FRAMES)
        thermal = 2 * float(moved.kinetic.mean()) / free.degrees
        if thermal <= 0:
            raise NotMeasurable("nothing moves")
        return self._by_atom(run, moved, free, thermal) | _by_motion(moved, free, thermal)

    def _by_atom(self, run: xr.Dataset, moved: Motion, free: Kept, thermal: float) -> dict[str, xr.DataArray | float]:
        velocity, numbers = finite(run, "velocity"), finite(run, "atomic_number").astype(int)
        energy = 0.5 * moved.masses * (velocity**2).sum(axis=2).mean(axis=0)
        degrees = _degrees_of_atoms(moved, free)
        elements = np.unique(numbers)
        of = [numbers == z for z in elements]
        ratios = [2 * energy[e].sum() / (degrees[e].sum() * thermal) for e in of]
        free_enough = degrees > 0.05  # an atom at the centre of a symmetric molecule hardly moves by itself
        return {
            "element_ratio": xr.DataArray(ratios, {"element": [chemical_symbols[z] for z in elements]}, dims="element"),
            "coldest_atom": float((2 * energy / (degrees * thermal))[free_enough].min()),
        }


def _degrees_of_atoms(moved: Motion, free: Kept) -> np.ndarray:
    """(n,) degrees of freedom of each atom, averaged over the frames; they sum to those of the run."""
    degrees = np.full(len(moved.masses), 3.0)
    if free.translation:
        degrees -= 3 * moved.masses / moved.masses.sum()
    if free.rotation:
        inverted = inverse(moved.inertia, free.rotations)
        trace = np.trace(inverted, axis1=1, axis2=2)[:, None] * (moved.x**2).sum(axis=2)
        along = np.einsum("fia,fab,fib->fi", moved.x, inverted, moved.x)
        degrees -= moved.masses * (trace - along).mean(axis=0)
    return degrees


def _by_motion(moved: Motion, free: Kept, thermal: float) -> dict[str, float]:
    """Kinetic energies of translation, rotation and vibration against what is expected; `thermal` is kB T in eV."""
    translation = float((moved.momentum**2).sum(axis=1).mean() / (2 * moved.masses.sum()))
    found = {"translation": translation / (1.5 * thermal) - (0.0 if free.translation else 1.0)}
    rotation, share = 0.0, 0.5 * free.rotations * thermal
    if free.rotations:
        inverted = inverse(moved.inertia, free.rotations)
        rotation = 0.5 * float(np.einsum("fa,fab,fb->f", moved.angular, inverted, moved.angular).mean())
        found["rotation"] = rotation / share - (0.0 if free.rotation else 1.0)
    degrees = 3 * len(moved.masses) - 3 - free.rotations
    vibration = float(moved.kinetic.mean()) - translation - rotation
    return found | {"vibration": vibration / (0.5 * degrees * thermal) - 1}
