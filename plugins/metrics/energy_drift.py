"""Energy drift: the trend of the quantity that the integrator should conserve."""

from __future__ import annotations

from typing import ClassVar, Literal

import xarray as xr

from mdprotocol.api import (
    MEV_PER_EV,
    Metric,
    NotMeasurable,
    Quantity,
    Role,
    Values,
    properties,
)
from mdprotocol_plugins.metrics._series import MIN_FRAMES, atoms_of, enough, finite, fit_line, time_ps


class EnergyDrift(Metric):
    """Trend of the conserved energy: per atom and time, relative to the kinetic energy, and M6's percentage.

    With E(t) the conserved energy (K + V at constant energy), b the slope of its least-squares line, N atoms, T the
    length of what was recorded:

        slope               b/N, signed, meV/atom/ps
        per_atom            |b|/N, meV/atom/ps
        standard_error      of the slope, from the residuals with their autocorrelation, meV/atom/ps
        percent_of_kinetic  100 |b| T / mean(K), %
        percent_of_total    100 |E(T) - E(0)| / |E(0)|, %: M6's literal criterion

    `percent_of_total` must not stand alone: E(0) counts from an arbitrary zero. Total energies of GFN2-xTB or DFT hold
    the energy of every core or valence electron, so that 1 % of them would boil the molecule; and with atomization
    energies the same trajectory gives another percentage. The slope per atom and the share of the kinetic energy do not
    depend on the zero. Drift in meV/atom/ps as in Eastman et al. (2017), PLoS Comput. Biol. 13, e1005659.
    """

    type: Literal["energy_drift"] = "energy_drift"
    needs: ClassVar = frozenset({"time", "conserved_energy", "kinetic_energy"})
    tests: ClassVar = frozenset({properties.CONSERVATION, properties.MEMORYLESS})
    quantities: ClassVar = {
        "slope": Quantity("meV/atom/ps", "slope of the conserved energy", over_time="slope"),
        "per_atom": Quantity(
            "meV/atom/ps",
            "size of the slope of the conserved energy",
            over_time="slope",
            positive=True,
            role=Role.ENERGY_DRIFT,
        ),
        "standard_error": Quantity("meV/atom/ps", "standard error of the slope within a run", "rms"),
        "percent_of_kinetic": Quantity("%", "drift over the run relative to the mean kinetic energy", positive=True),
        "percent_of_total": Quantity(
            "%",
            "change of the conserved energy relative to its start (M6)",
            positive=True,
            beside=("slope", "per_atom", "percent_of_kinetic"),
        ),
    }

    def measure(self, run: xr.Dataset) -> Values:
        time, energy, kinetic = time_ps(run), finite(run, "conserved_energy"), finite(run, "kinetic_energy")
        enough(len(time), MIN_FRAMES)
        if energy[0] == 0 or kinetic.mean() <= 0:
            raise NotMeasurable(
                "the energy at the start or the kinetic energy is zero, so there is no percentage of it"
            )
        line, scale = fit_line(time, energy), MEV_PER_EV / atoms_of(run)
        return {
            "slope": scale * line.slope,
            "per_atom": scale * abs(line.slope),
            "standard_error": scale * line.standard_error,
            "percent_of_kinetic": 100 * abs(line.slope) * (time[-1] - time[0]) / kinetic.mean(),
            "percent_of_total": 100 * abs(energy[-1] - energy[0]) / abs(energy[0]),
        }
