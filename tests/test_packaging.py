"""Every folder with Python files is installed, versions agree, and the contracts on imports are complete."""

from __future__ import annotations

import tomllib
from pathlib import Path

import yaml

import mdprotocol

ROOT = Path(__file__).parents[1]


def test_every_package_is_listed() -> None:
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"])
    found = {str(f.parent.relative_to(ROOT)).replace("/", ".") for f in (ROOT / "mdprotocol").rglob("__init__.py")}
    for file in (ROOT / "plugins").rglob("__init__.py"):
        found.add(".".join(["mdprotocol_plugins", *file.parent.relative_to(ROOT / "plugins").parts]))
    assert listed == found


def test_readme_names_both_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "<!-- run -->" in readme
    assert "<!-- tests -->" in readme


def test_every_place_names_the_same_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changelog = (ROOT / "mdprotocol" / "docs" / "changelog.md").read_text(encoding="utf-8")
    assert project["version"] == mdprotocol.__version__ == citation["version"]
    assert changelog.split("\n## ")[2].startswith(mdprotocol.__version__), "the newest entry is the first one"
    assert project["license"] == citation["license"] == "MIT"
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")


def test_ci_calls_what_contributors_run() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    job = workflow["jobs"]["test"]
    assert job["steps"][-1]["run"] == ".ci/run"
    assert {f"Programming Language :: Python :: {version}" for version in job["strategy"]["matrix"]["python"]} <= set(
        tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["classifiers"]
    )


def test_every_module_but_the_public_door_is_closed_to_plugins() -> None:
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (door,) = (c for c in linter["contracts"] if c["name"] == "plugins enter by the public door only")
    modules = {
        f"mdprotocol.{path.stem}"
        for path in (ROOT / "mdprotocol").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert set(door["forbidden_modules"]) == modules - {"mdprotocol.__init__", "mdprotocol.api"}
