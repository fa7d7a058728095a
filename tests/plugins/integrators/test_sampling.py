"""Thermostats sample the canonical ensemble: K/(kB T) follows Gamma(Nf/2), and a spring's energy is kB T/2.

Many independent copies at two temperatures, looked at so rarely that the looks are nearly independent.
"""

from __future__ import annotations

import numpy as np
import pytest
from engine_kit import argon_cluster, lennard_jones, springs
from sampling_kit import Series, simulate, thermal
from scipy import stats

from mdprotocol.contracts import Integrator
from mdprotocol.testing.structures import make_structure
from mdprotocol.units import KB_EV_PER_K
from mdprotocol_plugins.integrators.bussi import Bussi
from mdprotocol_plugins.integrators.langevin import Langevin
from mdprotocol_plugins.integrators.nose_hoover import NoseHoover

COPIES = 120
COLD_AND_WARM = [10.0, 15.0] * (COPIES // 2)
THERMOSTATS = [Langevin(friction_per_ps=2.0), Bussi(relaxation_fs=300.0), NoseHoover(relaxation_fs=150.0)]
thermostats = pytest.mark.parametrize("thermostat", THERMOSTATS, ids=lambda t: t.type)


def argon(thermostat: Integrator, steps: int = 3000) -> Series:
    found = simulate(thermostat, steps, 10.0, COLD_AND_WARM, every=150, structure=argon_cluster())
    equilibrated = slice(len(found.kinetic) // 4, None)
    return Series(found.kinetic[equilibrated], found.total[equilibrated], found.conserved[equilibrated], found.state)


@thermostats
def test_mean_variance_and_distribution_of_the_kinetic_energy(thermostat: Integrator) -> None:
    series = argon(thermostat)
    dof = float(series.state.dof[0])
    assert dof == (18.0 if thermostat.type == "langevin" else 12.0)
    reduced = thermal(series.kinetic, COLD_AND_WARM)
    # Copies are independent, so their means give the standard error without a model of the correlation in time.
    means = reduced.mean(axis=0)
    assert means.mean() == pytest.approx(dof / 2, abs=4 * means.std(ddof=1) / COPIES**0.5)
    squares = ((reduced - dof / 2) ** 2).mean(axis=0)
    assert squares.mean() == pytest.approx(dof / 2, abs=4 * squares.std(ddof=1) / COPIES**0.5)
    assert stats.kstest(reduced[-1], "gamma", args=(dof / 2,)).pvalue > 1e-3


@thermostats
def test_each_copy_goes_to_its_own_temperature(thermostat: Integrator) -> None:
    series = argon(thermostat)
    temperature = 2 * series.kinetic / (series.state.dof.numpy() * KB_EV_PER_K)
    for target in (10.0, 15.0):
        mine = temperature[:, np.array(COLD_AND_WARM) == target].mean(axis=0)
        assert mine.mean() == pytest.approx(target, abs=4 * mine.std(ddof=1) / (COPIES / 2) ** 0.5)


@thermostats
def test_potential_energy_of_a_stiff_spring_is_half_kt(thermostat: Integrator) -> None:
    """Configurations, not only velocities: <V> = kB T/2 for one spring, up to the anharmonicity of its rotation."""
    pair = make_structure([6, 6], [[0, 0, 0], [1.5, 0, 0]])
    quick = {"langevin": Langevin(friction_per_ps=20.0), "bussi": Bussi(relaxation_fs=50.0)}
    integrator = quick.get(thermostat.type, NoseHoover(relaxation_fs=10.0, chain_length=4))
    temperatures = [300.0] * COPIES
    found = simulate(integrator, 4000, 1.0, temperatures, 40, pair, springs(30.0, 1.5))
    potential = thermal(found.total - found.kinetic, temperatures)[25:].mean(axis=0)
    assert potential.mean() == pytest.approx(0.5, abs=0.006 + 4 * potential.std(ddof=1) / COPIES**0.5)


@pytest.mark.slow
@thermostats
def test_ensemble_at_two_temperatures_with_physical_validation(thermostat: Integrator) -> None:
    """physical_validation's test of the kinetic energy distribution, and its ratio of two ensembles of V."""
    physical_validation = pytest.importorskip("physical_validation")
    temperatures = [10.0] * 60 + [12.0] * 60
    found = simulate(thermostat, 20_000, 10.0, temperatures, 100, argon_cluster(), lennard_jones())
    kept = slice(len(found.kinetic) // 5, None)
    dof = float(found.state.dof[0])
    data = []
    for copies, target in ((slice(0, 60), 10.0), (slice(60, 120), 12.0)):
        kinetic, total = found.kinetic[kept, copies].T.ravel(), found.total[kept, copies].T.ravel()
        data.append(_simulation_data(physical_validation, kinetic, total, dof, target))
        deviation = physical_validation.kinetic_energy.distribution(
            data[-1], strict=False, bs_repetitions=200, bootstrap_seed=1, verbosity=0
        )
        assert max(abs(d) for d in deviation) < 4
    quantiles = physical_validation.ensemble.check(*data, verbosity=0)
    assert abs(quantiles[0]) < 4


def _simulation_data(pv, kinetic: np.ndarray, total: np.ndarray, dof: float, target: float):
    units = pv.data.UnitData(
        kb=KB_EV_PER_K, energy_str="eV", energy_conversion=96.485, length_str="A", length_conversion=0.1,
        volume_str="A^3", volume_conversion=1e-3, temperature_str="K", temperature_conversion=1.0,
        pressure_str="bar", pressure_conversion=1.0, time_str="fs", time_conversion=1e-3,
    )  # fmt: skip
    system = pv.data.SystemData(natoms=6, nconstraints=0, ndof_reduction_tra=18 - dof, ndof_reduction_rot=0)
    return pv.data.SimulationData(
        units=units,
        ensemble=pv.data.EnsembleData("NVT", natoms=6, volume=1.0, temperature=target),
        system=system,
        observables=pv.data.ObservableData(
            kinetic_energy=kinetic, potential_energy=total - kinetic, total_energy=total
        ),
    )
