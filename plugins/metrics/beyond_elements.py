"""Beyond the elements: an element that a model does not know must be refused, and each that it takes must matter."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal

import numpy as np
import xarray as xr
from ase.data import atomic_masses, chemical_symbols
from pydantic import Field

from mdprotocol.api import (
    ForceField,
    MDProtocolError,
    NotMeasurable,
    ProbeMetric,
    Quantity,
    Structure,
    Subject,
    Values,
    properties,
)
from mdprotocol_plugins.metrics._geometries import evaluated, moved, rattles
from mdprotocol_plugins.metrics._series import finite

RATTLE_A = 0.08
ORGANIC = (1, 6, 7, 8)
FOREIGN = (3, 9, 11, 14, 16, 17, 26, 35, 54)
"""Li, F, Na, Si, S, Cl, Fe, Br, Xe: alkali metals, halogens, a noble gas, a transition metal, and carbon's neighbours."""
SAME_eV, SAME_eV_A = 1e-3, 1e-3
"""Energies (eV) and forces (eV/Å) nearer than this are the same."""


class BeyondElements(ProbeMetric):
    """Whether other elements than the system's are refused, or at least change the answer as they should.

    In the rattled system, one atom of each element is replaced: by H, C, N and O, and by foreign elements (Li, F, Na, Si,
    S, Cl, Fe, Br, Xe unless the system has them). A model may refuse (an error, or no finite number: then nobody is
    misled) or answer. An answer is indistinct where energy and forces are those of another element at the same place
    (within 1 meV and 1 meV/Å): the element was ignored, clipped or exchanged. A foreign element is silently accepted
    where the model answers without knowing: its answer is indistinct, or, where the protocol has a teacher that
    answers too, its forces are farther from the teacher's than no forces at all would be,

        sum |F - F_teacher|² > sum |F_teacher|².

    A model of many elements (a tight-binding method) answers with its own, and nothing is held against it.

        silently_accepted   foreign elements answered without knowledge
        indistinct          replacements whose answer is that of another element
        answered            foreign elements answered at all
    """

    type: Literal["beyond_elements"] = "beyond_elements"
    foreign: tuple[Annotated[int, Field(ge=1, le=118)], ...] = FOREIGN
    """Atomic numbers."""

    needs: ClassVar = frozenset({"answered", "foreign", "twins", "force_error", "force_size"})
    needs_reference: ClassVar = True
    tests: ClassVar = frozenset({properties.APPLICABILITY})
    quantities: ClassVar = {
        "silently_accepted": Quantity("1", "foreign elements answered without knowledge of them", "max"),
        "indistinct": Quantity("1", "replaced elements whose answer is that of another element", "max"),
        "answered": Quantity("1", "foreign elements that were answered", "max"),
    }

    def probe(self, subject: Subject) -> xr.Dataset:
        random = np.random.default_rng([subject.seed, 5])
        base = moved(subject.structure, rattles(subject.structure, 1, random, (RATTLE_A,))[0])
        _, forces = evaluated(subject.force_field, [base])  # the system itself must be answered
        if not np.abs(forces[0]).max() > SAME_eV_A:
            raise NotMeasurable("the system has no forces that an element could change")
        own = set(base.numbers.tolist())
        rows = []
        for site in (int(np.flatnonzero(base.numbers == z)[0]) for z in sorted(own)):
            elements = sorted({int(base.numbers[site]), *ORGANIC, *self.foreign})
            swapped = {z: _replaced(base, site, z) for z in elements}
            answers = {z: _asked(subject.force_field, s) for z, s in swapped.items()}
            for z in elements:
                if z == base.numbers[site]:
                    continue
                foreign = z in self.foreign and z not in own
                error, size = _judged(answers[z], subject.reference if foreign else None, swapped[z])
                rows.append((site, z, foreign, answers[z] is not None, _twins(answers, z), error, size))
        return _dataset(rows)

    def measure(self, run: xr.Dataset) -> Values:
        answered, foreign = finite(run, "answered").astype(bool), finite(run, "foreign").astype(bool)
        indistinct = finite(run, "twins") > 0
        wrong = finite(run, "force_error") > finite(run, "force_size")
        element = run["element"].values
        if not foreign.any():
            raise NotMeasurable("every foreign element asked for is one of the system's own")
        return {
            "silently_accepted": float(len(np.unique(element[foreign & answered & (indistinct | wrong)]))),
            "indistinct": float(indistinct.sum()),
            "answered": float(len(np.unique(element[foreign & answered]))),
        }


Answer = tuple[float, np.ndarray]


def _replaced(structure: Structure, site: int, z: int) -> Structure:
    numbers, masses = structure.numbers.copy(), structure.masses.copy()
    numbers[site], masses[site] = z, atomic_masses[z]
    return dataclasses.replace(structure, numbers=numbers, masses=masses)


def _asked(model: ForceField, structure: Structure) -> Answer | None:
    """Energy and forces; None where the model refuses, in whatever way: a crash misleads nobody either."""
    try:
        energy, forces = evaluated(model, [structure])
    except MDProtocolError:
        return None
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError, NotImplementedError):
        return None
    return float(energy[0]), forces[0]


def _twins(answers: dict[int, Answer | None], z: int) -> int:
    """Number of other elements that give the same answer at this place."""
    mine = answers[z]
    if mine is None:
        return 0
    others = [found for other, found in answers.items() if other != z and found is not None]
    return sum(abs(e - mine[0]) < SAME_eV and np.abs(f - mine[1]).max() < SAME_eV_A for e, f in others)


def _judged(mine: Answer | None, teacher: ForceField | None, structure: Structure) -> tuple[float, float]:
    """Sum of the squared force error against the teacher, and of the teacher's squared forces; zeros without a teacher."""
    due = None if mine is None or teacher is None else _asked(teacher, structure)
    if mine is None or due is None:
        return 0.0, 0.0
    return float(((mine[1] - due[1]) ** 2).sum()), float((due[1] ** 2).sum())


def _dataset(rows: Iterable[tuple[int, int, bool, bool, int, float, float]]) -> xr.Dataset:
    site, element, foreign, answered, twins, error, size = (np.array(column) for column in zip(*rows, strict=True))
    variables = {
        "foreign": ("swap", foreign, {"units": "1"}),
        "answered": ("swap", answered, {"units": "1"}),
        "twins": ("swap", twins, {"units": "1", "long_name": "other elements that give the same answer here"}),
        "force_error": ("swap", error, {"units": "eV²/Å²", "long_name": "squared error against the teacher"}),
        "force_size": ("swap", size, {"units": "eV²/Å²", "long_name": "squared forces of the teacher"}),
    }
    coordinates = {"site": ("swap", site, {"units": "1"}), "element": ("swap", element, {"units": "1"})}
    symbols = ("swap", [chemical_symbols[z] for z in element])
    return xr.Dataset(variables, {**coordinates, "symbol": symbols})
