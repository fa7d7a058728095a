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
