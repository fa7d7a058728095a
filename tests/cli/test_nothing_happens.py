"""A force field that does nothing, and one that is never moved: no criterion passes, whatever it is on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from mdprotocol.cli import main

PLUGIN = str(Path(__file__).with_name("toy_fields.py"))
CRITERIA = {
    "crash": {"level": "must", "metric": "stability.crashed", "max": 0},
    "drift": {"level": "must", "metric": "energy_drift.per_atom", "max": 100},
    "momentum": {"level": "must", "metric": "momentum.linear", "max": 1},
    "symmetry": {"level": "must", "metric": "symmetry.rotation_force", "max": 100},
    "smoothness": {"level": "must", "metric": "smoothness.energy_jump", "max": 100},
    "gradient": {"level": "must", "metric": "force_consistency.rmse", "max": 0.01},
    "timestep": {"level": "must", "metric": "usable_timestep.largest_fs", "min": 0.5},
    "size": {"level": "must", "metric": "resources.parameters", "max": 1e9},
}
ONLY_SIZE = {name: "PASS" if name == "size" else "NOT MEASURED" for name in CRITERIA}
ATOMS = {
    "argon pair": "2\n\nAr 0 0 0\nAr 3.8 0 0\n",
    "far argon": "2\n\nAr 0 0 0\nAr 40 0 0\n",
    "argon": "1\n\nAr 0 0 0\n",
    "copper": '4\nLattice="3.6 0 0 0 3.6 0 0 0 3.6" Properties=species:S:1:pos:R:3 pbc="T T T"\n'
    "Cu 0 0 0\nCu 0 1.8 1.8\nCu 1.8 0 1.8\nCu 1.8 1.8 0\n",
}
LJ = {
    "type": "ase", "calculator": "ase.calculators.lj:LennardJones",
    "arguments": {"sigma": 3.4, "epsilon": 0.0104, "rc": 12.0, "smooth": True},
}  # fmt: skip
EMT = {"type": "ase", "calculator": "ase.calculators.emt:EMT"}


def judged(
    folder: Path, model: dict[str, Any], kelvin: float, system: str = "", criteria: Any = CRITERIA, **nve: Any
) -> tuple[int, dict[str, str], dict[str, str]]:
    """Exit code, and outcome and reason of each criterion, of one model on one system (water by default)."""
    source: dict[str, Any] = {"type": "builtin", "name": "water"}
    if system:
        (folder / "atoms.xyz").write_text(ATOMS[system], encoding="utf-8")
        source = {"type": "file", "path": "atoms.xyz", "format": "extxyz"}
    simulation = {
        "integrator": {"type": "velocity_verlet"}, "timestep_fs": 0.5, "duration_ps": 0.05, "temperatures_K": [kelvin],
        "replicas": 2, "record_every_fs": 1, "reference_every_fs": None,
    }  # fmt: skip
    content = {
        "mdprotocol": 1, "name": "nothing", "models": {"m": model}, "systems": {"s": source},
        "metrics": {"usable_timestep": {"type": "usable_timestep", "timesteps_fs": [0.25, 0.5], "length_fs": 50}},
        "simulations": {"nve": simulation | nve}, "criteria": criteria, "executor": {"type": "serial"},
        "reports": [{"type": "json"}],
    }  # fmt: skip
    if "timestep" not in criteria:
        del content["metrics"]
    path = folder / "p.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    code = main(["run", str(path), "-o", str(folder / "out"), "-q", "--plugin", PLUGIN, "--no-diagnosis"])
    (found,) = json.loads((folder / "out/verdict.json").read_text(encoding="utf-8"))["models"]
    reasons = {c["name"]: c["reason"] or c["conditions"][0]["reason"] for c in found["criteria"]}
    return code, {c["name"]: c["outcome"] for c in found["criteria"]}, reasons


@pytest.mark.parametrize(("how", "kelvin"), [("zero", 0.001), ("zero", 300), ("tiny", 300)])
def test_what_cannot_be_told_from_no_force_field_is_not_measured(tmp_path: Path, how: str, kelvin: float) -> None:
    code, outcomes, reasons = judged(tmp_path, {"type": "toy", "how": how}, kelvin, duration_ps=0.02)
    assert (code, outcomes) == (3, ONLY_SIZE)
    assert "so that nothing tells this force field from none" in reasons["crash"]
    assert "on every frame" in reasons["drift"]
    assert "on geometries displaced by 0.05 Å" in reasons["smoothness"]


def test_a_sound_force_field_at_rest_has_no_trajectory_to_speak_of(tmp_path: Path) -> None:
    """Its probes, which displace the atoms themselves, are measured as ever."""
    criteria = {name: CRITERIA[name] for name in ("crash", "drift", "momentum", "symmetry")}
    code, outcomes, reasons = judged(tmp_path, {"type": "tblite", "method": "GFN2-xTB"}, 0.001, criteria=criteria)
    assert code == 3
    assert outcomes == {name: "PASS" if name == "symmetry" else "NOT MEASURED" for name in criteria}
    assert "its mean kinetic temperature is 0.00" in reasons["crash"]
    assert "below 1 K" in reasons["crash"]


def test_check_warns_of_it(tmp_path: Path, capsys: Any) -> None:
    judged(tmp_path, {"type": "toy"}, 0.5, criteria={"crash": CRITERIA["crash"]})
    capsys.readouterr()
    assert main(["check", str(tmp_path / "p.yaml"), "--plugin", PLUGIN]) == 0
    said = capsys.readouterr()
    assert "simulations.nve.temperatures_K.0: at 0.5 K nothing moves" in said.out + said.err


@pytest.mark.parametrize(
    ("system", "said"), [("far argon", "its forces are zero"), ("argon", "a lone atom feels no force")]
)
def test_atoms_that_do_not_meet_tell_nothing(tmp_path: Path, system: str, said: str) -> None:
    """A pair beyond the cutoff; an atom alone, which feels nothing by nature."""
    criteria = {name: CRITERIA[name] for name in ("crash", "symmetry", "smoothness", "gradient", "size")}
    nve = {"integrator": {"type": "langevin", "friction_per_ps": 1}}
    code, outcomes, reasons = judged(tmp_path, LJ, 300, system, criteria, **nve)
    assert code == 3
    assert outcomes == {name: ONLY_SIZE[name] for name in criteria}
    assert said in reasons["crash"]
    assert said in reasons["smoothness"]


@pytest.mark.parametrize(
    ("model", "kelvin", "system"),
    [(EMT, 10, "copper"), (LJ, 10, "argon pair"), ({"type": "tblite", "method": "GFN2-xTB"}, 100, "")],
    ids=["copper", "argon", "water"],
)
def test_real_force_fields_in_the_cold_are_measured(
    tmp_path: Path, model: dict[str, Any], kelvin: float, system: str
) -> None:
    criteria = {name: CRITERIA[name] for name in ("crash", "momentum", "symmetry", "gradient")}
    _, outcomes, _ = judged(tmp_path, model, kelvin, system, criteria)
    assert "NOT MEASURED" not in outcomes.values()
    assert outcomes["crash"] == "PASS"


@pytest.mark.parametrize("how", ["no forces", "constant energy"])
def test_half_a_force_field_fails_where_its_halves_are_compared(tmp_path: Path, how: str) -> None:
    """Forces of zero under an energy that changes, and forces under an energy that does not, are wrong and seen to be."""
    criteria = {name: CRITERIA[name] for name in ("gradient", "symmetry")}
    code, outcomes, _ = judged(tmp_path, {"type": "toy", "how": how}, 300, criteria=criteria)
    assert (code, outcomes["gradient"]) == (1, "FAIL")
