"""Every folder with Python files is a package that gets installed; the README's promises are there."""

from __future__ import annotations

import tomllib
from pathlib import Path

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
