"""The usable time step of an oscillator is the one that theory gives; flawed dynamics has none."""

from __future__ import annotations

import numpy as np
import pytest
from moving_kit import faulty, moving

from mdprotocol.testing import check_metric, make_structure
from mdprotocol.testing.analytic import HarmonicBonds
from mdprotocol.units import AMU_EV_FS2_PER_A2, FS_PER_NS, SECONDS_PER_DAY
from mdprotocol_plugins.faults.motion import Euler, ThermostatLeftOn
from mdprotocol_plugins.metrics.usable_timestep import UsableTimestep

STIFFNESS = 100.0
CO = make_structure([6, 8], [[0, 0, 0], [1.13, 0, 0]])


def subject(integrator=None):  # type: ignore[no-untyped-def]
    return moving(integrator, structure=CO, force_field=HarmonicBonds(CO, STIFFNESS))


def test_an_oscillator_holds_up_to_where_its_energy_scatters() -> None:
    """The scatter is q/(1 - q) of that of the kinetic energy, q = (w dt)²/4: 20 % at q = 1/6; at q = 1 all is lost.

    Verlet keeps K + (1 - q) V of an oscillator exactly.
    """
    reduced = CO.masses.prod() / CO.masses.sum() * AMU_EV_FS2_PER_A2
    limit = np.sqrt(4 / 6 * reduced / STIFFNESS)
    metric = UsableTimestep(timesteps_fs=(0.3 * limit, 0.6 * limit, 0.9 * limit, 1.15 * limit, 2.6 * limit))
    probed = metric.probe(subject())
    found = check_metric(metric, probed)
    assert found["largest_fs"] == pytest.approx(0.9 * limit)
    q = np.array([0.3, 0.6, 0.9]) ** 2 / 6
    np.testing.assert_allclose(probed["scatter"].values[:3], 100 * q / (1 - q), rtol=0.05)
    a_step = float(np.median(probed["step_time"].values))
    assert found["ns_per_day"] == pytest.approx(found["largest_fs"] * SECONDS_PER_DAY / a_step / FS_PER_NS)


@pytest.mark.parametrize("flaw", [faulty(Euler()), faulty(ThermostatLeftOn(friction_per_ps=20.0))])
def test_no_time_step_is_usable_with_a_flawed_integrator(flaw) -> None:  # type: ignore[no-untyped-def]
    metric = UsableTimestep(timesteps_fs=(0.5, 1.0))
    assert check_metric(metric, metric.probe(subject(flaw))) == {"largest_fs": 0.0, "ns_per_day": 0.0}
