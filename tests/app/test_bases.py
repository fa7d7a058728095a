"""The bases that are shipped, extended for a molecule, a noble gas and a metal: no error, and a line for what does not apply."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mdprotocol.app import Source, check, run
from mdprotocol.plan import Plan
from mdprotocol.protocol.schema import Protocol
from mdprotocol.verdicts import Decision, Outcome

BASES = Path(__file__).parents[2] / "protocols"
LJ = "ase.calculators.lj:LennardJones"
ETHANOL = {
    "models": {"gfn1": {"type": "tblite", "method": "GFN1-xTB"}},
    "systems": {"ethanol": {"type": "molecule", "name": "CH3CH2OH"}},
}
ARGON = {
    "models": {"lj": {"type": "ase", "calculator": LJ, "arguments": {"sigma": 3.4, "epsilon": 0.0104, "rc": 5.0}}},
    "systems": {"argon": {"type": "bulk", "name": "Ar", "cubic": True, "a_A": 5.4, "repeat": [2, 2, 2]}},
}
COPPER = {
    "models": {"emt": {"type": "ase", "calculator": "ase.calculators.emt:EMT"}},
    "systems": {"copper": {"type": "bulk", "name": "Cu", "cubic": True}},
}
GFN2 = {"type": "tblite", "method": "GFN2-xTB"}
OTHER_ARGON = {"type": "ase", "calculator": LJ, "arguments": {"sigma": 3.41, "epsilon": 0.011, "rc": 5.0}}
OTHER_COPPER = {"type": "ase", "calculator": LJ, "arguments": {"sigma": 2.3, "epsilon": 0.4, "rc": 3.0}}

BOX = {
    "simulations.periodic", "criteria.periodic_no_crash", "criteria.periodic_drift", "criteria.periodic_temperature",
    "criteria.teacher_dihedrals",
}  # fmt: skip
"""What m6_base says of its own systems by name."""
OF_STUDENTS = {"criteria.kernel_error", "criteria.parameters"}
OF_MOLECULES = {"angular_momentum", "rotation_heat"}
MOLECULES_AGAINST_A_TEACHER = {"bond_lengths_at_rest", "frequencies", "no_imaginary"}
AGAINST_A_TEACHER = {"force_rmse", "energy_rmse", "matched_velocities", *MOLECULES_AGAINST_A_TEACHER}


def planned(folder: Path, base: str, own: dict, **more: object) -> tuple[Protocol, Plan]:
    """The protocol that extends a base with systems and models of its own, checked."""
    child = {"extends": str(Path("..") / base), "mdprotocol": 1, "name": "own", **own, **more}
    protocols = folder / "protocols"
    if not protocols.exists():
        protocols.mkdir()
        for name in ("m6_base.yaml", "physics_base.yaml"):
            (folder / name).write_bytes((BASES / name).read_bytes())
    (protocols / "own.yaml").write_text(yaml.safe_dump(child, sort_keys=False), encoding="utf-8")
    prepared, plan = check(Source(protocols / "own.yaml"))
    return prepared.protocol, plan


@pytest.mark.parametrize(("own", "reference"), [(ETHANOL, GFN2), (ARGON, OTHER_ARGON), (COPPER, OTHER_COPPER)])
def test_m6_base_is_for_any_systems(tmp_path: Path, own: dict, reference: dict) -> None:
    periodic = "ethanol" not in own["systems"]
    with_teacher, plan = planned(tmp_path, "m6_base.yaml", own, replaces=["systems", "reference"], reference=reference)
    assert {*BOX, *OF_STUDENTS} <= with_teacher.left_out.keys()
    assert set(with_teacher.dropped) == (OF_MOLECULES | MOLECULES_AGAINST_A_TEACHER if periodic else set())
    for place in (*with_teacher.left_out, *(f"criteria.{name}" for name in with_teacher.dropped)):
        assert sum(f": {place}: " in line for line in plan.warnings) == 1
    alone, _ = planned(tmp_path, "m6_base.yaml", own, replaces=["systems"], reference=None)
    assert set(alone.dropped) == AGAINST_A_TEACHER | (OF_MOLECULES if periodic else set())
    assert "energy screening" not in [use.use for use in alone.recommendations]
    assert set(alone.criteria) < set(with_teacher.criteria) | OF_MOLECULES
    assert {"no_crash", "energy_drift", "gradient", "rotation", "thermostat_mean"} <= set(alone.criteria)


@pytest.mark.parametrize("own", [ETHANOL, ARGON, COPPER])
def test_physics_base_needs_no_reference(tmp_path: Path, own: dict) -> None:
    protocol, _ = planned(tmp_path, "physics_base.yaml", own)
    assert set(protocol.dropped) == (set() if own is ETHANOL else OF_MOLECULES)
    without_bonds = {"criteria.usable_timestep"} if own is ARGON else set()
    assert set(protocol.left_out) == OF_STUDENTS | without_bonds


def test_molecules_and_crystals_side_by_side_are_each_asked_what_applies(tmp_path: Path) -> None:
    own = {"models": COPPER["models"], "systems": COPPER["systems"] | ETHANOL["systems"]}
    protocol, _ = planned(tmp_path, "physics_base.yaml", own)
    assert protocol.criteria["rotation_heat"].where == {"simulation": "nve", "system": ["ethanol"]}
    assert protocol.criteria["rotation"].where == {}
    assert protocol.dropped == {}


def test_methane_less_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "structures").mkdir()
    systems = {"methane": None, "water_box": None}
    protocol, _ = planned(tmp_path, "m6_base.yaml", {"models": ETHANOL["models"], "systems": systems})
    assert list(protocol.systems) == ["water", "alanine"]
    assert set(protocol.left_out) == (BOX | OF_STUDENTS | {"criteria.kernel_error_elsewhere"}) - {
        "criteria.teacher_dihedrals"
    }
    assert protocol.dropped == {}


@pytest.mark.slow
def test_a_short_run_measures_what_applies_and_names_what_does_not(tmp_path: Path) -> None:
    planned(tmp_path, "physics_base.yaml", COPPER)
    sets = (
        "simulations.nve.duration_ps=0.1", "simulations.nve.temperatures_K=[300]", "simulations.nve.replicas=2",
        "simulations.nve.equilibration.duration_ps=0.05", "simulations.nvt=null",
    )  # fmt: skip
    finished = run(Source(tmp_path / "protocols" / "own.yaml", sets), tmp_path / "R", "", lambda event: None)
    (verdict,) = finished.verdicts
    assert verdict.decision is Decision.APPROVED
    assert [line.partition(":")[0] for line in verdict.dropped] == [
        "no_crash_nvt", "thermostat_mean", "angular_momentum", "rotation_heat",
    ]  # fmt: skip
    assert not [c.name for c in verdict.criteria if c.outcome is Outcome.NOT_MEASURED]
    assert "left out: criteria.parameters" in " ".join(verdict.notes)
