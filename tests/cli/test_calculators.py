"""Calculators that a protocol names, from the command line: what is refused, and what is noticed when it has changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mdprotocol.cli import main
from mdprotocol.consent import consenting

PROTOCOL = """\
mdprotocol: 1
name: mine
models:
  m: {type: ase, calculator: "CALCULATOR", arguments: ARGUMENTS}
systems:
  cluster: {type: file, path: cluster.xyz}
simulations:
  nve:
    integrator: {type: velocity_verlet}
    timestep_fs: 2
    duration_ps: 0.1
    temperatures_K: [20]
    replicas: 2
criteria:
  no_crash: {level: must, metric: stability.crashed, max: 0}
reports: [{type: markdown}]
executor: {type: serial}
"""
FORCE_FIELD = '''
import subprocess
from pathlib import Path

import numpy as np
from ase.calculators.calculator import Calculator


class FF(Calculator):
    """A spring between two atoms; at the nth evaluation, where asked, it starts a program."""

    implemented_properties = ["energy", "forces"]

    def __init__(self, weights=None, starts=None):
        super().__init__()
        self.k = float(Path(weights).read_text()) if weights else 1.0
        self.starts, self.calls = starts, 0

    def calculate(self, atoms, properties, changes):
        super().calculate(atoms, properties, changes)
        self.calls += 1
        if self.calls == self.starts:
            try:
                subprocess.run(["touch", "MARK"])
            except Exception:
                pass
        bond = atoms.positions[1] - atoms.positions[0]
        length = np.linalg.norm(bond)
        pull = -self.k * (length - 3.8) * bond / length
        self.results = {"energy": 0.5 * self.k * (length - 3.8) ** 2, "forces": np.array([-pull, pull])}
'''
DONE = "every run was finished already"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """A protocol of this calculator, beside a module with a force field of the user's own in the folder `code`."""
    (tmp_path / "cluster.xyz").write_text("2\n\nAr 0 0 0\nAr 3.8 0 0\n")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "myff.py").write_text(FORCE_FIELD)
    (tmp_path / "w.txt").write_text("1.0")

    def made(calculator: str, more: str = "", **arguments: object) -> Path:
        text = PROTOCOL.replace("CALCULATOR", calculator).replace("ARGUMENTS", json.dumps(arguments))
        path = tmp_path / "mine.yaml"
        path.write_text(text + more)
        return path

    return made


@pytest.mark.parametrize(
    ("calculator", "arguments", "advice"),
    [
        ("ase.calculators.cp2k:CP2K", {"command": "touch MARK"}, "--allow-commands"),
        ("ase.calculators.lammpsrun:LAMMPS", {"lammps_command": "touch MARK"}, "--allow-commands"),
        ("ase.calculators.dftb:Dftb", {}, "--allow-commands"),
        ("ase.io:write", {"filename": "MARK", "images": []}, "a calculator class is needed"),
        ("myff:FF", {}, "--allow-local-plugins"),
        ("antigravity:fly", {}, "part of Python"),
        ("numpy:save", {"file": "MARK", "arr": [1]}, "does not build on ASE"),
    ],
)
def test_it_is_refused_before_the_first_step_at_its_place(
    write, tmp_path: Path, monkeypatch, capsys, calculator: str, arguments: dict, advice: str
) -> None:
    path = write(calculator, **arguments)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path / "code"))
    for command in (["check", str(path)], ["run", str(path), "-q", "-o", "out"]):
        with consenting():
            assert main(command) == 2
        told = capsys.readouterr().err
        assert "mine.yaml:4:3: models.m: " in told
        assert advice in told
    assert not (tmp_path / "MARK").exists()
    assert not (tmp_path / "out" / "runs").exists()


def test_so_it_is_for_a_reference(write, capsys) -> None:
    path = write("ase.calculators.lj:LennardJones", 'reference: {type: ase, calculator: "ase.calculators.vasp:Vasp"}\n')
    with consenting():
        assert main(["check", str(path)]) == 2
    assert "reference: calculator 'ase.calculators.vasp:Vasp' may start other programs" in capsys.readouterr().err


def test_a_program_that_is_started_in_a_run_loses_its_task_with_the_reason(cli, write, tmp_path: Path) -> None:
    path = write("myff:FF", starts=3)
    ended = cli("run", path, "-o", "out", "--allow-local-plugins", path=str(tmp_path / "code"))
    assert ended.code == 3
    assert "PluginError: calculator 'myff:FF' tried to start a program (touch MARK)" in ended.err
    assert "--allow-commands" in ended.err
    assert not (tmp_path / "MARK").exists()
    assert not list((tmp_path / "out").rglob("runs/**/*.nc")), "no run that failed: none at all"
    report = (tmp_path / "out" / "verdict.md").read_text(encoding="utf-8")
    assert "UNDECIDED" in report
    assert "--allow-commands" in report
    allowed = ("--allow-local-plugins", "--allow-commands")
    assert cli("run", path, "-q", "-o", "out", *allowed, path=str(tmp_path / "code")).code in (0, 3)
    assert (tmp_path / "MARK").exists()


def test_a_reference_that_starts_one_loses_it_too_and_no_label_is_left_out(cli, write, tmp_path: Path) -> None:
    more = 'reference: {type: ase, calculator: "myff:FF", arguments: {starts: 2}}\n'
    path = write("myff:FF", more)
    path.write_text(path.read_text().replace("    replicas: 2\n", "    replicas: 2\n    reference_every_fs: 20\n"))
    ended = cli("run", path, "-o", "out", "--allow-local-plugins", path=str(tmp_path / "code"))
    assert ended.code == 3
    assert "tried to start a program (touch MARK)" in ended.err
    assert not list((tmp_path / "out").rglob("runs/**/*.nc"))


def test_workers_inherit_what_the_user_allows(cli, write, tmp_path: Path) -> None:
    path = write("myff:FF", starts=3)
    path.write_text(path.read_text().replace("type: serial", "type: processes, workers: 2"))
    allowed = ("--allow-local-plugins", "--allow-commands")
    assert cli("run", path, "-q", "-o", "out", *allowed, path=str(tmp_path / "code")).code in (0, 3)
    assert (tmp_path / "MARK").exists()


def test_what_has_changed_is_simulated_again_and_what_has_not_is_not(cli, write, tmp_path: Path) -> None:
    path = write("myff:FF", weights="w.txt")

    def simulates() -> bool:
        ended = cli("run", path, "-q", "-o", "out", "--allow-local-plugins", path=str(tmp_path / "code"))
        assert ended.code in (0, 3), ended.err
        return DONE not in ended.err

    def edit(name: str, old: str, new: str) -> None:
        text = (tmp_path / name).read_text()
        assert text.count(old) == 1
        (tmp_path / name).write_text(text.replace(old, new))

    assert simulates()
    first = computed(tmp_path)
    edit("code/myff.py", "[-pull, pull]", "[-3 * pull, 3 * pull]")
    assert simulates()
    second = computed(tmp_path)
    edit("w.txt", "1", "2")
    assert simulates()
    third = computed(tmp_path)
    assert not simulates()
    assert computed(tmp_path) == third
    assert len({first["digest"], second["digest"], third["digest"]}) == 3
    assert first["files"] == second["files"] != third["files"]
    assert first["sources"] != second["sources"] == third["sources"]


def computed(folder: Path) -> dict:
    """What provenance says of the model; the report has a row for each part of it, and no path of this machine."""
    facts = json.loads((folder / "out" / "provenance.json").read_text(encoding="utf-8"))
    model = facts["models"]["m"]
    assert list(model["sources"]) == ["myff.py"]
    assert list(model["files"]) == ["w.txt"]
    assert set(model["packages"]) == {"ase", "numpy"}
    report = (folder / "out" / "verdict.md").read_text(encoding="utf-8")
    for text in (model["sources"]["myff.py"], model["files"]["w.txt"], f"ase {model['packages']['ase']}"):
        assert text in report
    assert str(folder) not in report
    return model
