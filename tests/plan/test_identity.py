"""Equal identity, equal data: what changes a run's identity, and what does not."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from mdprotocol.app.running import plan_of
from mdprotocol.app.sources import Source, prepare
from mdprotocol.plan import identity

PROTOCOL = """\
mdprotocol: 1
name: small
seed: 3
models:
  a: {type: lennard_jones}
  w: {type: ase, calculator: "ase.calculators.lj:LennardJones", data_files: [weights.bin]}
systems:
  cluster: {type: file, path: cluster.xyz}
simulations:
  nve:
    integrator: {type: velocity_verlet}
    timestep_fs: 2
    duration_ps: 0.02
    temperatures_K: [20, 40]
    replicas: 2
  nvt:
    integrator: {type: langevin, friction_per_ps: 5}
    timestep_fs: 2
    duration_ps: 0.02
    temperatures_K: [20]
    replicas: 1
criteria:
  no_crash: {level: must, metric: stability.crashed, max: 0}
"""


@pytest.fixture
def plan(tmp_path: Path):
    """Identities by run id of a protocol with this text."""
    (tmp_path / "cluster.xyz").write_text("2\n\nAr 0 0 0\nAr 3.8 0 0\n")
    (tmp_path / "weights.bin").write_bytes(b"one")

    def make(text: str = PROTOCOL, plugins: tuple[str, ...] = ()) -> dict[str, str]:
        path = tmp_path / "p.yaml"
        path.write_text(text)
        prepared = prepare(Source(path, plugins=("mdprotocol.testing.plugins", *plugins)), files=True)
        return {run.id: run.identity for run in plan_of(prepared).runs}

    return make


def changed(one: dict[str, str], other: dict[str, str]) -> set[str]:
    """Ids of runs in both that are not the same, without the temperature and replica."""
    assert one.keys() & other.keys()
    return {run.rpartition("/")[0] for run in one.keys() & other.keys() if one[run] != other[run]}


ALL = {"runs/a/cluster/nve", "runs/w/cluster/nve", "runs/a/cluster/nvt", "runs/w/cluster/nvt"}


def test_a_comment_or_another_order_or_a_threshold_changes_nothing(plan) -> None:
    before = plan()
    assert len(set(before.values())) == len(before) == 10
    assert plan("# a remark\n" + PROTOCOL.replace("seed: 3\n", "seed: 3  # luck\n")) == before
    head, _, rest = PROTOCOL.partition("models:\n")
    assert plan(head.replace("name: small\nseed: 3\n", "seed: 3\nname: small\n") + "models:\n" + rest) == before
    swapped = PROTOCOL.replace("friction_per_ps: 5}", "friction_per_ps: 5.0}").replace("max: 0", "max: 1")
    assert plan(swapped.replace("{type: file, path: cluster.xyz}", "{path: cluster.xyz, type: file}")) == before


@pytest.mark.parametrize(
    ("old", "new", "runs"),
    [
        ("seed: 3", "seed: 4", ALL),
        ("friction_per_ps: 5", "friction_per_ps: 6", {run for run in ALL if run.endswith("nvt")}),
        ("{type: lennard_jones}", "{type: lennard_jones, sigma_A: 3.5}", {run for run in ALL if run[5] == "a"}),
        ("[20, 40]\n    replicas: 2", "[20, 60]\n    replicas: 3", set()),
        ("timestep_fs: 2\n    duration_ps: 0.02\n    temperatures_K: [20, 40]",
         "timestep_fs: 1\n    duration_ps: 0.02\n    temperatures_K: [20, 40]", {r for r in ALL if r.endswith("nve")}),
    ],
    ids=["seed", "integrator", "model", "more runs", "time step"],
)  # fmt: skip
def test_only_what_changed_runs_again(plan, old: str, new: str, runs: set[str]) -> None:
    assert PROTOCOL.count(old) == 1
    assert changed(plan(), plan(PROTOCOL.replace(old, new))) == runs


def test_a_changed_geometry_is_noticed(plan, tmp_path: Path) -> None:
    before = plan()
    (tmp_path / "cluster.xyz").write_text("2\nmoved\nAr 0 0 0\nAr 3.9 0 0\n")
    assert changed(before, plan()) == ALL


def test_a_changed_checkpoint_under_the_same_name_is_noticed_and_a_moved_one_is_not(plan, tmp_path: Path) -> None:
    before = plan()
    (tmp_path / "weights.bin").write_bytes(b"two")
    assert changed(before, plan()) == {run for run in ALL if run[5] == "w"}
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "weights.bin").write_bytes(b"one")
    moved = PROTOCOL.replace("[weights.bin]", "[elsewhere/weights.bin]")
    assert plan(moved) == before
    (tmp_path / "weights.bin").write_bytes(b"one")
    assert plan() == before


def test_another_version_of_the_program_or_of_a_calculator_s_package(plan, monkeypatch: pytest.MonkeyPatch) -> None:
    before = plan()
    version = identity.package_version
    monkeypatch.setattr(
        identity, "package_version", lambda package: version(package) + ("+new" if package == "ase" else "")
    )
    assert changed(before, plan()) == {run for run in ALL if run[5] == "w"}
    monkeypatch.setattr(identity, "DATA_FORMAT", identity.DATA_FORMAT + 1)
    identity.code_version.cache_clear()
    try:
        assert changed(before, plan()) == ALL
    finally:
        monkeypatch.undo()
        identity.code_version.cache_clear()


PLUGIN = '''
from typing import Literal
from mdprotocol.api import Model, hookimpl
from mdprotocol.testing.analytic import LennardJones


class Mine(Model):
    """A model of somebody else."""

    type: Literal["mine"] = "mine"

    def load(self, base):
        return LennardJones({epsilon})


@hookimpl
def mdprotocol_models():
    return [Mine]
'''


def test_the_code_of_a_third_party_s_component_counts_and_where_it_lies_does_not(plan, tmp_path: Path) -> None:
    text = PROTOCOL.replace("{type: lennard_jones}", "{type: mine}")
    found = []
    for number, epsilon in enumerate((0.01, 0.01, 0.02)):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "mine.py").write_text(PLUGIN.replace("{epsilon}", str(epsilon)))
        found.append(plan(text, (str(folder / "mine.py"),)))
    assert found[0] == found[1]
    assert changed(found[0], found[2]) == {run for run in ALL if run[5] == "a"}


def test_a_structure_s_name_does_not_count() -> None:
    from mdprotocol.testing.structures import molecule_structure

    water = molecule_structure("H2O")
    assert identity.structure_facts(water) == identity.structure_facts(dataclasses.replace(water, name="other"))
