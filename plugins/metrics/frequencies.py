"""Frequencies: the harmonic vibrations of a molecule at the model's own minimum, against the reference's at its own."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
import xarray as xr
from pydantic import Field

from mdprotocol.api import NotMeasurable, ProbeMetric, Quantity, Structure, Subject, Values, properties
from mdprotocol_plugins.metrics._domain import no_molecule
from mdprotocol_plugins.metrics._reference import differing
from mdprotocol_plugins.metrics._series import finite
from mdprotocol_plugins.metrics._topology import angle_values, angles, bonds, length_values
from mdprotocol_plugins.metrics._vibrations import Vibrations, fitted, vibrations, wavenumbers_at

SIDES = ("model", "reference")
FINER = 3
"""How many times smaller the step is from which `kink` takes the model's frequencies again."""
IMAGINARY_CM = -10.0
"""Above this, a negative wavenumber is the rounding of a mode that is almost free."""


class Frequencies(ProbeMetric):
    """Harmonic frequencies and geometry of the model's own minimum, against the reference's at its own.

    Both relax the system's structure (BFGS to `fmax_eV_A`), take the Hessian by central differences of forces with
    `step_A` (0.01 Å as in ASE), and its mass-weighted eigenvalues without translation and rotation (Wilson, Decius
    and Cross 1955, Molecular Vibrations, chapter 2). The model's minimum is laid onto the reference's (Kabsch 1976,
    Acta Crystallogr. A 32, 922), and modes are matched one to one so that the sum of their squared overlaps is
    largest.

        mae            mean |ν - ν_ref| over the matched modes, cm⁻¹
        worst          largest |ν - ν_ref|, cm⁻¹
        shift_percent  100 (Σν/Σν_ref - 1), signed, %: forces too strong by x % raise every frequency by about x/2 %
        kink           largest change of one of the model's frequencies with a third of the step, cm⁻¹: of smooth
                       forces 8/9 of the differences' own error, which goes with the square of the step. Where forces
                       have a kink at the minimum (a network's norms of vectors that vanish there by symmetry), every
                       step gives other frequencies, and `worst` is of none of them
        imaginary      number of the model's modes below -10 cm⁻¹, where the reference's minimum has none
        geometry_rmsd  root mean square distance of the atoms between the two minima, Å
        bond           largest difference of a bond length between the two minima, Å
        angle          largest difference of a bond angle, °; 0 where there is none

    Molecules only. It is done once a model and system and has no statistical error.
    """

    type: Literal["frequencies"] = "frequencies"
    fmax_eV_A: Annotated[float, Field(gt=0, le=0.1)] = 1e-3
    steps: Annotated[int, Field(ge=1, le=10_000)] = 500
    """Of a relaxation, at most."""
    step_A: Annotated[float, Field(gt=0, le=0.1)] = 0.01

    needs_reference: ClassVar[bool] = True
    needs: ClassVar = frozenset(
        {"wavenumber", "finer_wavenumber", "mode_vector", "minimum", "atomic_number", "initial_position"}
    )
    tests: ClassVar = frozenset({properties.LANDSCAPE})
    quantities: ClassVar = {
        "mae": Quantity("cm⁻¹", "mean error of the harmonic frequencies", "max"),
        "worst": Quantity("cm⁻¹", "largest error of a harmonic frequency", "max"),
        "shift_percent": Quantity("%", "sum of the harmonic frequencies relative to the reference's", "max"),
        "kink": Quantity(
            "cm⁻¹", "largest change of a harmonic frequency with a third of the step of its differences", "max"
        ),
        "imaginary": Quantity("1", "imaginary frequencies at the model's minimum", "max"),
        "geometry_rmsd": Quantity("Å", "distance between the model's and the reference's minimum", "max"),
        "bond": Quantity("Å", "largest difference of a bond length between the minima", "max"),
        "angle": Quantity("°", "largest difference of a bond angle between the minima", "max"),
    }

    def inapplicable(self, quantity: str, structure: Structure) -> str:
        return no_molecule(structure)

    def probe(self, subject: Subject) -> xr.Dataset:
        structure = subject.structure
        if structure.periodic or len(structure) < 2:
            raise NotMeasurable("harmonic frequencies are those of a molecule of at least two atoms")
        if subject.reference is None:
            raise NotMeasurable("there is no reference")
        options = (structure, self.fmax_eV_A, self.steps, self.step_A)
        found = [vibrations(force_field, *options) for force_field in (subject.force_field, subject.reference)]
        counts = [len(side.wavenumbers) for side in found]
        if counts[0] != counts[1]:
            raise NotMeasurable(f"the model's minimum has {counts[0]} vibrations and the reference's {counts[1]}")
        finer = wavenumbers_at(subject.force_field, structure, found[0].positions, self.step_A / FINER)
        return _dataset(structure, found, finer)

    def measure(self, run: xr.Dataset) -> Values:
        wavenumber, minimum = finite(run, "wavenumber"), finite(run, "minimum")
        differing(wavenumber[0], wavenumber[1], "frequencies")
        turn, placed = fitted(*minimum)
        ours, theirs = self._matched(run, turn)
        error = np.abs(ours - theirs)
        return {
            "mae": float(error.mean()),
            "worst": float(error.max()),
            "shift_percent": 100 * float(ours.sum() / theirs.sum() - 1),
            "kink": float(np.abs(finite(run, "finer_wavenumber") - wavenumber[0]).max()),
            "imaginary": float((ours < IMAGINARY_CM).sum()),
            "geometry_rmsd": float(np.sqrt(((placed - minimum[1]) ** 2).sum(axis=-1).mean())),
            **self._geometry(run, minimum),
        }

    def _matched(self, run: xr.Dataset, turn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The model's wavenumbers in the order of the reference's modes, and the reference's."""
        from scipy.optimize import linear_sum_assignment

        ours, theirs = finite(run, "wavenumber")
        if (theirs < IMAGINARY_CM).any():
            raise NotMeasurable("the reference's stationary point is no minimum")
        modes = finite(run, "mode_vector")
        overlap = np.einsum("max,nax->mn", modes[0] @ turn, modes[1]) ** 2
        rows, columns = linear_sum_assignment(overlap, maximize=True)
        return ours[rows[np.argsort(columns)]], theirs

    def _geometry(self, run: xr.Dataset, minimum: np.ndarray) -> dict[str, float]:
        """Largest differences of bonds and angles, as bonded in the system's structure; `minimum` plays two frames."""
        pairs = bonds(run)
        lengths, triples = length_values(run, pairs, minimum), angles(pairs)
        bent = angle_values(run, triples, minimum)
        return {
            "bond": float(np.abs(lengths[0] - lengths[1]).max()),
            "angle": float(np.abs(bent[0] - bent[1]).max(initial=0.0)),
        }


def _dataset(structure: Structure, found: list[Vibrations], finer: np.ndarray) -> xr.Dataset:
    def both(name: str) -> np.ndarray:
        return np.stack([getattr(side, name) for side in found])

    space = ("atom", "xyz")
    variables = {
        "wavenumber": (("side", "mode"), both("wavenumbers"), {"units": "cm-1", "long_name": "harmonic wavenumber"}),
        "finer_wavenumber": ("mode", finer, {"units": "cm-1", "long_name": "the model's from a third of the step"}),
        "mode_vector": (("side", "mode", *space), both("modes"), {"units": "1", "long_name": "mass-weighted mode"}),
        "minimum": (("side", *space), both("positions"), {"units": "Å", "long_name": "positions of the minimum"}),
        "force_left": ("side", both("largest_force"), {"units": "eV/Å", "long_name": "largest force at the minimum"}),
        "initial_position": (space, structure.positions, {"units": "Å", "long_name": "geometry of the system"}),
        "atomic_number": ("atom", structure.numbers, {"units": "1", "long_name": "atomic number"}),
        "pbc": ("vector", structure.pbc.astype(np.int8), {"units": "1", "long_name": "1 where periodic"}),
    }
    return xr.Dataset(variables, coords={"side": list(SIDES)})
