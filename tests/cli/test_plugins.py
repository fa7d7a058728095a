"""Third-party plugins: installed beside the project, by file, and named by a protocol."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

METRIC = '''
from typing import Literal

from mdprotocol.api import Metric, Quantity, hookimpl


class TopSpeed(Metric):
    """Largest speed of any atom."""

    type: Literal["top_speed"] = "top_speed"
    scale: float = 1.0
    quantities = {"max": Quantity("Å/fs", "largest speed of any atom")}
    needs = frozenset({"velocity"})

    def measure(self, run):
        return {"max": self.scale * float(((run.velocity**2).sum("xyz") ** 0.5).max())}


@hookimpl
def mdprotocol_metrics():
    return [TopSpeed]
'''
CRITERION = ("--set", "criteria.speed={level: must, metric: top_speed.max, units: Å/fs, max: 10}")


@pytest.fixture
def installed(tmp_path: Path) -> str:
    """A distribution as an installer lays it out, in a folder of its own: a module and its metadata."""
    site = tmp_path / "site"
    info = site / "speedy-1.2.dist-info"
    info.mkdir(parents=True)
    (site / "speedy.py").write_text(METRIC, encoding="utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: speedy\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[mdprotocol]\nspeedy = speedy\n")
    return str(site)


def test_installed_metric_appears_everywhere(cli, small: Path, installed: str, tmp_path: Path) -> None:
    listed = cli("plugins", path=installed)
    assert "top_speed.max [Å/fs]" in listed.out
    assert "speedy 1.2" in listed.out
    assert "top_speed" in json.dumps(json.loads(cli("schema", path=installed).out))
    ended = cli("run", small, "-q", "-o", "out", *CRITERION, path=installed)
    assert ended.code == 0, ended.err
    assert "top_speed.max" in (tmp_path / "out" / "verdict.md").read_text(encoding="utf-8")


def test_without_it_the_protocol_is_wrong(cli, small: Path) -> None:
    ended = cli("check", small, *CRITERION)
    assert ended.code == 2
    assert "top_speed" in ended.err


def test_by_file(cli, small: Path, tmp_path: Path) -> None:
    (tmp_path / "speedy.py").write_text(METRIC, encoding="utf-8")
    assert cli("check", small, "--plugin", "speedy.py", *CRITERION).code == 0


def test_local_code_named_by_a_protocol_needs_leave(cli, small: Path, tmp_path: Path) -> None:
    (tmp_path / "speedy.py").write_text("open('ran', 'w')\n" + METRIC, encoding="utf-8")
    small.write_text(small.read_text(encoding="utf-8") + "plugins: [./speedy.py]\n", encoding="utf-8")
    refused = cli("check", small, *CRITERION)
    assert refused.code == 2
    assert "--allow-local-plugins" in refused.err
    assert not (tmp_path / "ran").exists()
    assert cli("check", small, "--allow-local-plugins", *CRITERION).code == 0
    assert (tmp_path / "ran").exists()


@pytest.fixture
def everywhere(tmp_path: Path) -> str:
    """A folder on Python's path with modules that no installed plugin names; each leaves a mark where it is imported."""
    site = tmp_path / "elsewhere"
    (site / "pack").mkdir(parents=True)
    for name in ("loose", "pack/__init__", "pack/inner"):
        (site / f"{name}.py").write_text("open('ran', 'w')\n" + METRIC, encoding="utf-8")
    return str(site)


def naming(small: Path, name: str) -> None:
    """The protocol names this plugin."""
    small.write_text(small.read_text(encoding="utf-8") + f"plugins: [{name}]\n", encoding="utf-8")


@pytest.mark.parametrize(
    "name", ["antigravity", "this", "loose", "pack", "pack.inner", "os", "mdprotocol_plugins.models.ase.model"]
)
def test_a_protocol_imports_only_modules_of_installed_plugins(
    cli, small: Path, everywhere: str, tmp_path: Path, name: str
) -> None:
    naming(small, name)
    ended = cli("check", small, path=everywhere)
    assert ended.code == 2
    assert f"small.yaml:25:11: plugins.0: the protocol imports the module '{name}'" in ended.err
    assert "--allow-local-plugins" in ended.err
    assert "Zen of Python" not in ended.out
    assert not (tmp_path / "ran").exists()


def test_nor_does_the_protocol_of_a_results_folder(cli, small: Path, everywhere: str, tmp_path: Path) -> None:
    assert cli("run", small, "-q", "-o", "out").code == 0
    stored = tmp_path / "out" / "protocol.yaml"
    text = stored.read_text(encoding="utf-8")
    assert "plugins: []" in text
    stored.write_text(text.replace("plugins: []", "plugins: [loose]"), encoding="utf-8")
    for command in (["judge"], ["report"], ["compare", "out"], ["judge", "--protocol", stored]):
        cli(*command, "out", path=everywhere)
        assert not (tmp_path / "ran").exists(), command
    assert cli("judge", "out", path=everywhere).code == 2


def test_with_leave_or_typed_by_the_user_it_does(cli, small: Path, everywhere: str, tmp_path: Path) -> None:
    naming(small, "loose")
    assert cli("check", small, "--allow-local-plugins", *CRITERION, path=everywhere).code == 0
    assert cli("check", small, "--plugin", "loose", *CRITERION, path=everywhere).code == 0
    assert (tmp_path / "ran").exists()


def test_the_module_of_an_entry_point_and_its_package_need_no_leave(cli, small: Path, installed: str) -> None:
    naming(small, "speedy, mdprotocol_plugins, mdprotocol_plugins.metrics")
    assert cli("check", small, *CRITERION, path=installed).code == 0


def test_a_taken_name_names_both_origins(cli, tmp_path: Path) -> None:
    source = METRIC.replace("top_speed", "stability")
    (tmp_path / "clash.py").write_text(source, encoding="utf-8")
    ended = cli("plugins", "--plugin", "clash.py")
    assert ended.code == 2
    assert "clash.py" in ended.err
    assert "mdprotocol_plugins.metrics" in ended.err


def test_new_plugin_and_protocol_work(cli, tmp_path: Path) -> None:
    assert cli("new", "plugin", "my_metric").code == 0
    assert cli("new", "protocol", "mine").code == 0
    listed = cli("plugins", "--plugin", "my_metric.py")
    assert "my_metric.max [Å/fs]" in listed.out
    assert cli("check", "mine.yaml").code == 0
    assert cli("new", "plugin", "my_metric").code == 2
