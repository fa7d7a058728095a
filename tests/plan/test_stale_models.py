"""What computes a model is part of a run's identity: edited code, replaced files and upgraded packages are noticed."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mdprotocol.app.running import plan_of
from mdprotocol.app.sources import Source, prepare
from mdprotocol.consent import Consent, consenting
from mdprotocol.errors import UsageError
from mdprotocol.plan import identity
from mdprotocol.protocol import dump, moved
from mdprotocol_plugins.models.ase.model import AseModel

PROTOCOL = """\
mdprotocol: 1
name: small
models:
  m: {model}
systems:
  cluster: {{type: file, path: cluster.xyz}}
simulations:
  nve:
    integrator: {{type: velocity_verlet}}
    timestep_fs: 2
    duration_ps: 0.02
    temperatures_K: [20]
    replicas: 1
criteria:
  no_crash: {{level: must, metric: stability.crashed, max: 0}}
"""
MODULE = """\
import json
from ase.calculators.lj import LennardJones
from helper import SCALE
import pack.deep.scaling as scaling
with_weights = json.dumps


def forces(**arguments):
    import importlib
    importlib.import_module("plugged")
    return LennardJones(sigma=SCALE, weights="table.npz")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The protocol's folder; `code` beside it is on Python's path, `here` is the working folder."""
    for name in ("code/pack/deep", "here", "protocols/weights/parts"):
        (tmp_path / name).mkdir(parents=True)
    code, protocols = tmp_path / "code", tmp_path / "protocols"
    (code / "my_stale_ff.py").write_text(MODULE)
    (code / "helper.py").write_text("from other import VALUE as SCALE\n")
    for name in (
        "other",
        "plugged",
        "unused",
        "pack/__init__",
        "pack/sibling",
        "pack/deep/__init__",
        "pack/deep/scaling",
    ):
        (code / f"{name}.py").write_text("VALUE = 1\n")
    (code / "table.npz").write_bytes(b"one")
    (protocols / "cluster.xyz").write_text("2\n\nAr 0 0 0\nAr 3.8 0 0\n")
    for name in ("w.bin", "weights/a.pt", "weights/parts/b.pt", "settings.json"):
        (protocols / name).write_text("one")
    (tmp_path / "here" / "local.bin").write_text("one")
    monkeypatch.syspath_prepend(str(code))
    monkeypatch.chdir(tmp_path / "here")
    with consenting(Consent.LOCAL_PLUGINS):
        yield protocols
    assert "my_stale_ff" not in sys.modules, "planning imports no calculator"


@pytest.fixture
def identified(folder: Path) -> Callable[..., str]:
    """Identity of the run with this calculator and these arguments, in a protocol of this folder."""

    def of(arguments: dict | None = None, calculator: str = "my_stale_ff:forces", base: Path = folder, **more) -> str:
        model = {"type": "ase", "calculator": calculator, "arguments": arguments or {}, **more}
        path = base / "p.yaml"
        path.write_text(PROTOCOL.format(model=json.dumps(model)))
        (run,) = plan_of(prepare(Source(path), files=True)).runs
        return run.identity

    return of


# ------------------------------------------------------------------------------------------------------------- code


@pytest.mark.parametrize(
    "edited",
    ["my_stale_ff.py", "helper.py", "other.py", "plugged.py", "pack/__init__.py", "pack/sibling.py",
     "pack/deep/scaling.py", "table.npz"],
)  # fmt: skip
def test_edited_code_of_one_s_own_is_noticed_wherever_it_is_imported_from(identified, folder, edited: str) -> None:
    before = identified()
    file = folder.parent / "code" / edited
    content = file.read_bytes()
    file.write_bytes(content + b"\n# edited")
    assert identified() != before
    file.write_bytes(content)
    assert identified() == before


def test_what_is_not_imported_does_not_count_nor_do_caches_or_where_it_lies(identified, folder, monkeypatch) -> None:
    before, code = identified(), folder.parent / "code"
    (code / "unused.py").write_text("VALUE = 2\n")
    (code / "pack" / "__pycache__").mkdir()
    (code / "pack" / "__pycache__" / "sibling.cpython-311.pyc").write_bytes(b"x")
    assert identified() == before
    shutil.move(code, folder.parent / "elsewhere")
    monkeypatch.syspath_prepend(str(folder.parent / "elsewhere"))
    assert identified() == before


def test_modules_that_change_places_are_noticed(identified, folder) -> None:
    before, pack = identified(), folder.parent / "code" / "pack"
    (pack / "sibling.py").write_text("VALUE = 2\n")
    between = identified()
    (pack / "sibling.py").write_text("VALUE = 1\n")
    (pack / "deep" / "scaling.py").write_text("VALUE = 2\n")
    assert len({before, between, identified()}) == 3


def test_an_upgraded_package_is_noticed_below_the_calculator_s_too(identified, monkeypatch) -> None:
    version = identity.package_version
    for upgraded in ("ase", "numpy"):
        before = [identified(calculator="ase.calculators.lj:LennardJones"), identified()]
        with monkeypatch.context() as patch:
            patch.setattr(identity, "package_version", lambda name, new=upgraded: version(name) + "+" * (name == new))
            after = [identified(calculator="ase.calculators.lj:LennardJones"), identified()]
        assert before[0] != after[0]
        assert (before[1] != after[1]) == (upgraded == "ase"), "a module of one's own counts what it imports"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Lay out a distribution as an installer does, and give the folder of its package."""

    def install(name: str, source: str, requires: str = "ase", editable: bool = False) -> Path:
        site = tmp_path / "sites" / name
        info, package = site / f"{name}-1.0.dist-info", (tmp_path if editable else site) / name
        info.mkdir(parents=True)
        package.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: {requires}\n"
        )
        (info / "top_level.txt").write_text(name)
        if editable:
            (info / "direct_url.json").write_text('{"url": "file:///x", "dir_info": {"editable": true}}')
            monkeypatch.syspath_prepend(str(tmp_path))
        (package / "__init__.py").write_text(source)
        monkeypatch.syspath_prepend(str(site))
        return package

    yield install
    identity.package_version.cache_clear()


def test_edited_files_of_an_installed_package_are_noticed_though_its_version_stays(identified, installed) -> None:
    package = installed("stale_calculators", "from ase.calculators.lj import LennardJones as FF")
    before = identified(calculator="stale_calculators:FF")
    (package / "part.py").write_text("VALUE = 1\n")
    from mdprotocol import modules

    modules._files_of_distribution.cache_clear()  # a command of its own, as a user's is, has looked at nothing yet
    assert identified(calculator="stale_calculators:FF") != before


def test_so_are_those_of_an_editable_package_that_it_requires(identified, installed) -> None:
    base = installed("stale_base", "VALUE = 1\n", editable=True)
    installed(
        "stale_layer", "from stale_base import VALUE\nfrom ase.calculators.lj import LennardJones as FF\n", "stale-base"
    )
    before = identified(calculator="stale_layer:FF")
    (base / "__init__.py").write_text("VALUE = 2\n")
    assert identified(calculator="stale_layer:FF") != before


# ------------------------------------------------------------------------------------------------------------ files


@pytest.mark.parametrize(
    ("arguments", "replaced"),
    [
        ({"weights": "w.bin"}, "w.bin"),
        ({"model": {"paths": ["w.bin", {"more": "settings.json"}]}}, "settings.json"),
        ({"weights": "weights"}, "weights/parts/b.pt"),
        ({"weights": "./weights/"}, "weights/new.pt"),
        ({"weights": "../here/local.bin"}, "../here/local.bin"),
        ({"weights": "local.bin"}, "../here/local.bin"),
        ({"commands": ["pair_coeff * * local.bin Ar"]}, "../here/local.bin"),
        ({"settings": {"local.bin": 1}}, "../here/local.bin"),
    ],
)
def test_replaced_files_that_arguments_name_are_noticed(identified, folder, arguments: dict, replaced: str) -> None:
    before = identified(arguments)
    (folder / replaced).write_text("two")
    after = identified(arguments)
    assert after != before
    assert identified(arguments) == after


def test_content_decides_and_not_the_path(identified, folder) -> None:
    shutil.copy(folder / "w.bin", folder / "same.bin")
    shutil.copytree(folder / "weights", folder / "others")
    absolute = str(folder / "w.bin")
    ways = ("w.bin", "same.bin", absolute, "../here/local.bin", "local.bin", "../protocols/w.bin")
    assert len({identified({"weights": text}) for text in ways}) == 1
    assert identified({"weights": "weights"}) == identified({"weights": "others"})
    assert identified({"weights": "weights"}) != identified({"weights": "w.bin"})


def test_two_files_that_change_places_are_noticed(identified, folder) -> None:
    (folder / "settings.json").write_text("two")
    arguments = {"one": "w.bin", "other": "settings.json"}
    assert identified(arguments) != identified(dict(zip(arguments, reversed(arguments.values()), strict=True)))
    (folder / "weights" / "a.pt").write_text("two")
    before = identified({"weights": "weights"})
    (folder / "weights" / "a.pt").write_text("one")
    (folder / "weights" / "parts" / "b.pt").write_text("two")
    assert identified({"weights": "weights"}) != before


def test_the_calculator_gets_files_of_the_protocol_s_folder_and_others_as_they_were(folder, monkeypatch) -> None:
    module = type(sys)("my_stale_ff")
    made: list[dict] = []

    class Kept:
        def __init__(self, **arguments: object) -> None:
            made.append(arguments)

        def get_property(self) -> None: ...

    module.forces = Kept
    monkeypatch.setitem(sys.modules, "my_stale_ff", module)
    arguments = {"a": "w.bin", "b": ["local.bin", {"c": "weights"}], "d": "small", "e": ".", "f": ""}
    AseModel(calculator="my_stale_ff:forces", arguments=arguments).load(folder)
    w, weights = str(folder / "w.bin"), str(folder / "weights")
    assert made == [{"a": w, "b": ["local.bin", {"c": weights}], "d": "small", "e": ".", "f": ""}]
    monkeypatch.delitem(sys.modules, "my_stale_ff")


def test_a_protocol_that_moves_keeps_its_files_and_its_identities(identified, folder) -> None:
    arguments = {"a": "w.bin", "b": "local.bin", "c": ["weights", {"d": "settings.json"}], "e": "small"}
    before = identified(arguments, data_files=["w.bin"])
    prepared = prepare(Source(folder / "p.yaml"), files=True)
    results = folder.parent / "results" / "small"
    results.mkdir(parents=True)
    (results / "protocol.yaml").write_text(dump(moved(prepared.protocol, folder, results)))
    again = prepare(Source(results / "protocol.yaml"), files=True)
    there = "../../protocols"
    assert again.protocol.models["m"].arguments == {
        "a": f"{there}/w.bin", "b": "local.bin", "c": [f"{there}/weights", {"d": f"{there}/settings.json"}], "e": "small",
    }  # fmt: skip
    (run,) = plan_of(again).runs
    assert run.identity == before


def test_a_folder_that_is_too_large_asks_for_data_files(identified, folder) -> None:
    for number in range(1001):
        (folder / "weights" / f"{number}.pt").touch()
    with pytest.raises(UsageError, match=r"p\.yaml:4:3: models\.m: the argument 'weights' .* in data_files"):
        identified({"weights": "weights"})
    before = identified({"weights": "weights"}, data_files=["weights/a.pt"])
    (folder / "weights" / "a.pt").write_text("two")
    assert identified({"weights": "weights"}, data_files=["weights/a.pt"]) != before


def test_links_that_lead_round_in_circles_end(identified, folder) -> None:
    for name in ("one", "two", "three"):
        (folder / "weights" / name).symlink_to(folder / "weights", target_is_directory=True)
    assert identified({"weights": "weights"})


def test_results_in_a_folder_that_is_named_are_no_part_of_the_model(identified, folder) -> None:
    before = identified({"weights": "weights"})
    (folder / "weights" / "results").mkdir()
    for name in ("protocol.yaml", "provenance.json", "plan.json", "measurements.nc"):
        (folder / "weights" / "results" / name).touch()
    assert identified({"weights": "weights"}) == before


def test_where_a_calculator_keeps_its_own_files_is_no_part_of_the_model(identified, folder) -> None:
    os.makedirs("scratch")
    with consenting(Consent.COMMANDS):
        calculator = "ase.calculators.dftb:Dftb"
        before = identified({"directory": "scratch", "label": "dftb"}, calculator)
        Path("scratch", "detailed.out").touch()
        assert identified({"directory": "scratch", "label": "dftb"}, calculator) == before
    assert identified({"directory": "scratch"}) != identified({"directory": "."}), "other calculators may read one"


# ------------------------------------------------------------------------------------------------- plugins by file

PLUGIN = '''
from typing import Literal
from mdprotocol.api import Model, hookimpl
from beside_it import EPSILON
from mdprotocol.testing.analytic import LennardJones


class Mine(Model):
    """A model of somebody else."""

    type: Literal["mine"] = "mine"

    def load(self, base):
        return LennardJones(EPSILON)


@hookimpl
def mdprotocol_models():
    return [Mine]
'''


def test_so_it_is_for_modules_that_a_plugin_imports(folder: Path) -> None:
    """A plugin's code is that of its module and of what this imports of the user's own."""
    helper = folder.parent / "code" / "beside_it.py"
    (folder / "p.yaml").write_text(PROTOCOL.format(model="{type: mine}"))
    found = []
    for epsilon in ("0.01", "0.02", "0.01"):
        helper.write_text(f"EPSILON = {epsilon}\n")
        identity.code_version.cache_clear()
        (folder / "mine.py").write_text(PLUGIN)
        prepared = prepare(Source(folder / "p.yaml", plugins=(str(folder / "mine.py"),)), files=True)
        found.append(plan_of(prepared).runs[0].identity)
    assert found[0] == found[2] != found[1]
