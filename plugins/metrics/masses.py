"""Masses: whether the atoms of a run weigh what their elements weigh, and whether its kinetic energy used that."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import xarray as xr
from ase.data import atomic_masses

from mdprotocol.api import Metric, NotMeasurable, Quantity, Values, properties
from mdprotocol_plugins.metrics._rigid import motion
from mdprotocol_plugins.metrics._series import finite


class Masses(Metric):
    """Deviation of a run's masses from standard atomic weights, and of its kinetic energy from ½ Σ m v².

        deviation  largest |m_i/m(Z_i) - 1| over the atoms, m(Z) the standard atomic weight (IUPAC, as in ASE)
        kinetic    largest |K(t) - ½ Σ m_i v_i(t)²| relative to the mean of K

    Equilibrium averages of positions do not depend on masses at all, and neither temperature nor drift does: a wrong
    mass changes only rates and spectra, so it is looked for where it stands. A protocol for isotopes leaves it out.
    """

    type: Literal["masses"] = "masses"
    needs: ClassVar = frozenset({"mass", "atomic_number", "position", "velocity", "kinetic_energy"})
    tests: ClassVar = frozenset({properties.BOOKKEEPING})
    quantities: ClassVar = {
        "deviation": Quantity("1", "largest relative deviation of a mass from the standard atomic weight", "max"),
        "kinetic": Quantity("1", "largest deviation of the kinetic energy from half the sum of m v²", "max"),
    }

    def measure(self, run: xr.Dataset) -> Values:
        masses, kinetic = finite(run, "mass"), finite(run, "kinetic_energy")
        standard = atomic_masses[finite(run, "atomic_number").astype(int)]
        if not (np.isfinite(standard).all() and kinetic.mean() > 0):
            raise NotMeasurable("an element without standard atomic weight, or nothing moves")
        return {
            "deviation": float(np.abs(masses / standard - 1).max()),
            "kinetic": float(np.abs(motion(run).kinetic - kinetic).max() / kinetic.mean()),
        }
