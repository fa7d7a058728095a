"""What a protocol may not choose as a calculator, and what no calculator may do without the user's consent."""

from __future__ import annotations

import importlib
import os
import pkgutil
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import ase.calculators
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.calculator import BaseCalculator, Calculator, FileIOCalculator
from ase.calculators.emt import EMT

from mdprotocol import consent
from mdprotocol.api import Consent, PluginError, Topology, consenting
from mdprotocol.testing import make_structure
from mdprotocol.testing.evaluating import in_own_cells
from mdprotocol_plugins.models.ase.calculators import BASES, IN_PYTHON, starts_programs
from mdprotocol_plugins.models.ase.guard import STARTS
from mdprotocol_plugins.models.ase.model import AseModel

BASE = Path()
ARGON = make_structure([18] * 2, [[0, 0, 0], [3.6, 0.1, 0]])


def objections(calculator: str, *allowed: Consent, arguments: dict | None = None) -> str:
    """What `check` and `run` say before the first step; empty where nothing."""
    with consenting(*allowed):
        try:
            return "; ".join(AseModel(calculator=calculator, arguments=arguments or {}).inspect(BASE, []))
        except PluginError as error:
            return str(error)


@pytest.fixture(autouse=True)
def nothing_allowed():
    with consenting():
        yield


# ------------------------------------------------------------------------------------------------------- of ASE itself


@pytest.mark.parametrize(
    "calculator",
    [
        "ase.io:write",
        "ase.build:molecule",
        "ase.mep.neb:IDPP",
        "ase.calculators.calculator:get_calculator_class",
        "ase.calculators.calculator:compare_atoms",
        "ase.calculators.calculator:Calculator",
        "ase.calculators.calculator:os.system",
        "ase.calculators.emt:EMT.calculate",
        "ase.calculators.emt:log",
        "ase.calculators.emt:np.save",
        "ase.calculators.genericfileio:read_stdout",
        "ase.calculators.abc:GetPropertiesMixin",
        "ase.calculators.mixing:Mixer",
        "ase.__main__:main",
        "ase.cli.main:main",
        "mdprotocol.cli:main",
        "mdprotocol.consent:grant",
        "mdprotocol.store.atomic:os.system",
        "mdprotocol_plugins.models.ase.model:AseModel",
    ],
)
@pytest.mark.parametrize("allowed", [(), tuple(Consent)], ids=["nothing allowed", "all allowed"])
def test_of_ase_only_calculator_classes_are_taken(calculator: str, allowed: tuple[Consent, ...]) -> None:
    assert objections(calculator, *allowed)
    with consenting(*allowed), pytest.raises(PluginError):
        AseModel(calculator=calculator).load(BASE)


@pytest.mark.parametrize(
    ("calculator", "arguments"),
    [
        ("ase.calculators.cp2k:CP2K", {"command": "touch MARK"}),
        ("ase.calculators.lammpsrun:LAMMPS", {"command": "touch MARK"}),
        ("ase.calculators.lammpslib:LAMMPSlib", {"lmpcmds": ["shell touch MARK"]}),
        ("ase.calculators.dftb:Dftb", {}),
        ("ase.calculators.vasp:Vasp", {"command": "touch MARK"}),
        ("ase.calculators.vasp:VaspInteractive", {}),
        ("ase.calculators.espresso:Espresso", {}),
        ("ase.calculators.openmx:OpenMX", {"command": "touch MARK"}),
        ("ase.calculators.turbomole:Turbomole", {}),
        ("ase.calculators.gromacs:Gromacs", {"command": "touch MARK"}),
        ("ase.calculators.acemolecule:ACE", {"command": "touch MARK"}),
        (
            "ase.calculators.qmmm:EIQMMM",
            {"output": "MARK", "selection": [], "qmcalc": 1, "mmcalc": 1, "interaction": 1},
        ),
        ("ase.calculators.loggingcalc:LoggingCalculator", {"calculator": None, "jsonfile": "MARK", "dumpjson": True}),
        ("ase.calculators.checkpoint:CheckpointCalculator", {"calculator": None, "db": "MARK.db"}),
        ("ase.calculators.subprocesscalculator:PythonSubProcessCalculator", {"calc_input": 1}),
    ],
)
def test_what_starts_programs_or_writes_files_needs_leave(tmp_path, monkeypatch, calculator, arguments) -> None:
    monkeypatch.chdir(tmp_path)
    assert "--allow-commands" in objections(calculator, arguments=arguments)
    with pytest.raises(PluginError, match="--allow-commands"):
        AseModel(calculator=calculator, arguments=arguments).load(BASE)
    assert not list(tmp_path.iterdir())
    assert objections(calculator, Consent.COMMANDS, arguments=arguments) == ""


def test_what_computes_in_python_needs_none() -> None:
    for calculator in (
        "emt:EMT",
        "lj:LennardJones",
        "morse:MorsePotential",
        "tip3p:TIP3P",
        "eam:EAM",
        "tersoff:Tersoff",
    ):
        assert objections(f"ase.calculators.{calculator}") == ""


def test_every_other_calculator_of_this_ase_needs_leave() -> None:
    """New ones of a later version do too: what is allowed is listed, not what is forbidden."""
    seen = set()
    for found in pkgutil.walk_packages(ase.calculators.__path__, "ase.calculators."):
        try:
            module = importlib.import_module(found.name)
        except ImportError:
            continue
        for name, cls in vars(module).items():
            if isinstance(cls, type) and issubclass(cls, BaseCalculator) and cls not in BASES:
                assert starts_programs(cls) is (cls.__module__ not in IN_PYTHON), name
                seen.add(cls)
    assert len(seen) > 40


# ------------------------------------------------------------------------------------------------ of other packages


def test_a_module_of_the_user_s_own_needs_leave(tmp_path, monkeypatch) -> None:
    (tmp_path / "my_own_ff.py").write_text("open('ran', 'w')\nclass FF: ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert "--allow-local-plugins" in objections("my_own_ff:FF")
    assert objections("my_own_ff:FF", Consent.LOCAL_PLUGINS) == ""
    assert not (tmp_path / "ran").exists()


def test_a_module_that_hides_an_installed_package_is_the_user_s_own(tmp_path, monkeypatch) -> None:
    folder = tmp_path / "tblite"
    folder.mkdir()
    (folder / "__init__.py").write_text("open('ran', 'w')\n")
    for name in [name for name in sys.modules if name.partition(".")[0] == "tblite"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "--allow-local-plugins" in objections("tblite.ase:TBLite")


@pytest.mark.parametrize("calculator", ["pip.__main__:main", "yaml:safe_load", "numpy:save", "setuptools:setup"])
def test_packages_without_calculators_are_not_even_imported(calculator: str) -> None:
    assert objections(calculator)


def test_a_package_with_calculators_is_fine_and_is_not_imported_to_say_so() -> None:
    code = (
        "import sys; from mdprotocol_plugins.models.ase.model import AseModel; from pathlib import Path\n"
        "assert not list(AseModel(calculator='tblite.ase:TBLite').inspect(Path(), [])); print('tblite' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.fixture
def local(monkeypatch) -> Callable[..., AseModel]:
    """A model whose calculator is what this module of the user's own has under a name."""

    def model(found: object, **arguments: object) -> AseModel:
        module = types.ModuleType("my_calculators")
        module.found = found
        if isinstance(found, types.FunctionType) and found.__module__ == __name__:  # not one of another package
            found.__module__ = "my_calculators"
        monkeypatch.setitem(sys.modules, "my_calculators", module)
        return AseModel(calculator="my_calculators:found", arguments=arguments)

    return model


class ByFiles(FileIOCalculator):
    implemented_properties = ["energy", "forces"]


def test_a_class_that_derives_from_one_that_starts_programs_does(local) -> None:
    for found in (ByFiles, type("Further", (ByFiles,), {}), lambda: ByFiles(command="touch MARK")):
        with pytest.raises(PluginError, match="--allow-commands"):
            local(found).load(BASE)
    with consenting(Consent.COMMANDS):
        local(ByFiles, command="touch MARK").load(BASE)


def test_so_says_its_source_before_it_is_imported(tmp_path, monkeypatch) -> None:
    source = "import ase.calculators.calculator as c\nopen('ran', 'w')\nclass FF(c.FileIOCalculator): ...\nclass G(FF): ...\n"
    (tmp_path / "my_files_ff.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert "--allow-commands" in objections("my_files_ff:FF", Consent.LOCAL_PLUGINS)
    assert objections("my_files_ff:G", Consent.LOCAL_PLUGINS) == "", "that takes an import, and comes when it is loaded"
    assert objections("my_files_ff:FF", *Consent) == ""
    assert not (tmp_path / "ran").exists()


def test_functions_of_other_packages_by_the_name_of_this_one_are_refused(local) -> None:
    from ase.io import write

    for found in (write, os.system, subprocess.run, np.save, Calculator.read, torch.save, consent.grant):
        with pytest.raises(PluginError):
            local(found).load(BASE)


# ---------------------------------------------------------------------------------- programs that are started after all


def started(how: str, mark: str) -> None:
    """Make a file by another program."""
    if how == "run":
        subprocess.run(["touch", mark], check=True)
    elif how == "shell":
        subprocess.run(f"touch {mark}", shell=True, check=True)
    elif how == "system":
        os.system(f"touch {mark}")
    elif how == "popen":
        os.popen(f"touch {mark}").read()
    elif how == "posix_spawn":
        os.waitpid(os.posix_spawn("/usr/bin/touch", ["touch", mark], {}), 0)
    elif os.fork() == 0:
        os.execv("/usr/bin/touch", ["touch", mark])


HOW = ["run", "shell", "system", "popen", "posix_spawn", "fork"]


class Starting(Calculator):
    """Starts a program when it is made, or at every evaluation."""

    implemented_properties = ["energy", "forces"]

    def __init__(self, how: str, mark: str, when: str = "evaluated", swallows: bool = False) -> None:
        super().__init__()
        self.how, self.mark, self.when, self.swallows = how, mark, when, swallows
        self.start("made")

    def start(self, now: str) -> None:
        try:
            if now == self.when:
                started(self.how, self.mark)
        except BaseException:
            if not self.swallows:
                raise

    def calculate(self, atoms, properties, changes) -> None:
        super().calculate(atoms, properties, changes)
        self.start("evaluated")
        self.results = {"energy": 0.0, "forces": np.zeros((len(atoms), 3))}


@pytest.mark.parametrize("swallows", [False, True])
@pytest.mark.parametrize("how", HOW)
def test_no_program_starts_while_a_calculator_is_made(local, tmp_path, how: str, swallows: bool) -> None:
    model = local(Starting, how=how, mark=str(tmp_path / "mark"), when="made", swallows=swallows)
    with pytest.raises(PluginError, match=r"tried to start a program \(.*--allow-commands"):
        model.load(BASE)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("swallows", [False, True])
@pytest.mark.parametrize("how", HOW)
def test_no_program_starts_at_an_evaluation_and_every_later_one_fails(local, tmp_path, how, swallows) -> None:
    field = local(Starting, how=how, mark=str(tmp_path / "mark"), swallows=swallows).load(BASE)
    evaluate = in_own_cells(field, Topology.of([ARGON] * 2))
    for _ in range(2):
        with pytest.raises(PluginError, match=r"tried to start a program \(.*--allow-commands"):
            evaluate(torch.from_numpy(np.tile(ARGON.positions, (2, 1))))
    with pytest.raises(PluginError, match="--allow-commands"):
        field.evaluate(ARGON)
    assert not list(tmp_path.iterdir())


def test_nor_does_one_start_in_a_loop_of_ase_s_own(local, tmp_path) -> None:
    bare = local(Starting, how="run", mark=str(tmp_path / "mark"), swallows=True).load(BASE).calculator()
    atoms = Atoms("Ar2", [[0, 0, 0], [3.6, 0.1, 0]], calculator=bare)
    for _ in range(2):
        with pytest.raises(PluginError, match="--allow-commands"):
            atoms.get_forces()
    assert not list(tmp_path.iterdir())


def test_the_message_names_the_program(local, tmp_path) -> None:
    field = local(Starting, how="run", mark="/nowhere/mark").load(BASE)
    with pytest.raises(PluginError, match="start a program \\(touch /nowhere/mark\\)"):
        field.evaluate(ARGON)


def test_with_leave_they_start(local, tmp_path) -> None:
    with consenting(Consent.COMMANDS):
        local(Starting, how="run", mark=str(tmp_path / "mark")).load(BASE).evaluate(ARGON)
    assert (tmp_path / "mark").exists()


def test_programs_of_others_start_between_evaluations_and_beside_it(local, tmp_path) -> None:
    field = local(EMT).load(BASE)
    copper = make_structure([29] * 2, [[0, 0, 0], [2.6, 0.1, 0]])
    field.evaluate(copper)
    subprocess.run(["touch", str(tmp_path / "mark")], check=True)
    field.evaluate(copper)


def test_a_python_that_has_further_ways_is_noticed() -> None:
    """The events that Python documents for starting a program are those that the guard knows."""
    assert {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "pty.spawn"} <= STARTS
