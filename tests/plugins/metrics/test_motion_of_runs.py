"""Momentum, equipartition and masses of runs: sound dynamics pass, planted flaws do not."""

from __future__ import annotations

import numpy as np
import pytest
from moving_kit import faulty, moving

from mdprotocol.errors import NotMeasurable
from mdprotocol.testing import check_metric, make_run, make_structure, molecule_structure
from mdprotocol.testing.analytic import HarmonicTrap
from mdprotocol.units import AMU_EV_FS2_PER_A2, KB_EV_PER_K
from mdprotocol_plugins.faults.landscapes import Oriented
from mdprotocol_plugins.faults.motion import FrozenAtom, HeavierHydrogen, ThermostatLeftOn
from mdprotocol_plugins.integrators.langevin import Langevin
from mdprotocol_plugins.integrators.velocity_verlet import VelocityVerlet
from mdprotocol_plugins.metrics.equipartition import Equipartition
from mdprotocol_plugins.metrics.masses import Masses
from mdprotocol_plugins.metrics.momentum import Momentum

VERLET = VelocityVerlet()


def run_of(integrator=VERLET, flaw=None, steps=400, **options):  # type: ignore[no-untyped-def]
    subject = moving(integrator, flaw, **options)
    return subject.propagate(integrator, 0.5, steps, temperature_K=300.0, seed=5, record_every=2)


def canonical(structure, frames=4000, kelvin=300.0, free=True):  # type: ignore[no-untyped-def]
    """A run whose velocities are drawn from the canonical distribution, frame by frame, without momentum unless free."""
    random = np.random.default_rng(1)
    x = np.tile(structure.positions, (frames, 1, 1))
    mass = structure.masses[:, None] * AMU_EV_FS2_PER_A2
    v = random.standard_normal(x.shape) * np.sqrt(KB_EV_PER_K * kelvin / mass)
    if not free:
        v -= (mass * v).sum(axis=1, keepdims=True) / mass.sum()
    degrees = 3 * len(mass) - (0 if free else 3)
    made = {"position": x, "velocity": v, "kinetic_energy": 0.5 * (mass * v**2).sum(axis=(1, 2))}
    return make_run(
        structure, frames=frames, temperature_K=kelvin, reference_every=0, variables=made, degrees_of_freedom=degrees
    )


# ----------------------------------------------------------------------------------------------------------- momentum


def test_verlet_keeps_momentum() -> None:
    found = check_metric(Momentum(), run_of())
    assert found["linear"] < 1e-10
    assert found["angular"] < 1e-10


def test_a_known_push_is_measured() -> None:
    run = make_run(frames=20)
    mass, kick = run["mass"].values * AMU_EV_FS2_PER_A2, 1e-3
    run["velocity"].values[10:, :, 0] += kick
    expected = kick * mass.sum() / np.sqrt(3 * mass.sum() * KB_EV_PER_K * 300)
    assert check_metric(Momentum(), run)["linear"] == pytest.approx(expected, rel=1e-6)


def test_orientation_a_pull_and_a_held_atom_show() -> None:
    tumbling = run_of(flaw=Oriented(), structure=molecule_structure("CH3CH2OH"))
    assert check_metric(Momentum(), tumbling)["angular"] > 5e-4
    assert check_metric(Momentum(), run_of(faulty(FrozenAtom())))["linear"] > 0.05
    assert check_metric(Momentum(), run_of(faulty(ThermostatLeftOn(friction_per_ps=1.0))))["linear"] > 0.05
    aside = run_of(force_field=HarmonicTrap(0.1, (1.0, 0.0, 0.0)), structure=molecule_structure("H2O"))
    assert check_metric(Momentum(), aside)["linear"] > 0.05


def test_langevin_keeps_none_and_a_box_has_no_angular() -> None:
    with pytest.raises(NotMeasurable, match="does not keep"):
        check_metric(Momentum(), run_of(Langevin()))
    box = make_structure([10, 10], [[0, 0, 0], [2, 0, 0]], cell=[5, 5, 5])
    assert set(check_metric(Momentum(), canonical(box, frames=12, free=False))) == {"linear"}


# ------------------------------------------------------------------------------------------------------ equipartition


@pytest.mark.parametrize("formula", ["H2O", "CH3CH2OH", "CO2"])
def test_canonical_velocities_are_shared_equally(formula: str) -> None:
    found = check_metric(Equipartition(), canonical(molecule_structure(formula)))
    np.testing.assert_allclose(found["element_ratio"], 1, atol=0.05)
    for kind in ("translation", "rotation", "vibration"):
        assert found[kind] == pytest.approx(0, abs=0.06)


def test_what_a_kept_momentum_takes_from_each_atom() -> None:
    """Drawn by the engine without momentum and spin: the shares of the elements are those of the projector."""
    water, mean = molecule_structure("H2O"), []
    subject = moving(structure=water)
    for seed in range(150):
        run = subject.propagate(VERLET, 0.5, 10, temperature_K=300.0, seed=seed)
        still = run.assign(position=run["position"].isel(frame=[0] * 11), velocity=run["velocity"].isel(frame=[0] * 11))
        found = Equipartition().measure(still)
        assert abs(found["translation"]) < 1e-12
        assert abs(found["rotation"]) < 1e-12
        assert abs(found["vibration"]) < 1e-9
        mean.append(found["element_ratio"].values)
    np.testing.assert_allclose(np.mean(mean, axis=0), 1, atol=0.15)


def test_a_flying_ice_cube_shows() -> None:
    run = make_run(frames=50)
    run["velocity"].values[:] = run["velocity"].values * 0.3 + [0.01, 0, 0]
    found = check_metric(Equipartition(), run)
    assert found["translation"] > 0.3
    assert found["vibration"] < -0.2


def test_a_held_atom_and_a_wrong_mass_show() -> None:
    found = check_metric(Equipartition(), run_of(faulty(FrozenAtom()), structure=molecule_structure("CH3CH2OH")))
    assert found["coldest_atom"] == 0
    light = canonical(molecule_structure("CH3CH2OH"))
    light = light.assign_coords(mass=("atom", np.where(light["atomic_number"] == 1, 2.0, 1.0) * light["mass"].values))
    assert float(check_metric(Equipartition(), light)["element_ratio"].sel(element="H")) > 1.2


def test_a_box_has_no_rotation_and_a_lone_atom_nothing() -> None:
    box = make_structure([10, 18, 10], [[0, 0, 0], [2, 0, 0], [0, 2, 0]], cell=[5, 5, 5])
    found = check_metric(Equipartition(), canonical(box, free=False))
    assert "rotation" not in found
    np.testing.assert_allclose(found["element_ratio"], 1, atol=0.05)
    with pytest.raises(NotMeasurable, match="lone atom"):
        check_metric(Equipartition(), make_run(make_structure([18], np.zeros((1, 3)))))


# ------------------------------------------------------------------------------------------------------------- masses


def test_masses_are_those_of_the_elements() -> None:
    found = check_metric(Masses(), run_of())
    assert found["deviation"] == 0
    assert found["kinetic"] < 1e-10


def test_wrong_masses_show() -> None:
    heavy = HeavierHydrogen().altered(molecule_structure("H2O"))
    assert check_metric(Masses(), run_of(structure=heavy))["deviation"] == pytest.approx(1.0)
    run = run_of()
    doubled = run.assign(kinetic_energy=2 * run["kinetic_energy"])
    assert check_metric(Masses(), doubled)["kinetic"] > 0.5
