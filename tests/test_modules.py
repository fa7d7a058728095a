"""Where modules come from, found without importing them."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import pytest

from mdprotocol import modules


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on Python's path; a module that is imported from there would end the test."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def write(folder: Path, **sources: str) -> None:
    for name, source in sources.items():
        file = folder / (name.replace("__in__", "/") + ".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source + "\nraise SystemExit('imported')\n")


def names(module: str) -> set[str]:
    return set(modules.code_of(module).files)


def test_imports_are_followed_in_every_form(code: Path) -> None:
    source = """
import zz_a, zz_b as b
from zz_c import x
def f():
    import zz_d
    __import__('zz_e')
if 0:
    from zz_ns import g
"""
    write(code, mine=source, zz_a="import mine", **dict.fromkeys(("zz_b", "zz_c", "zz_d", "zz_e", "zz_f"), ""))
    write(code, zz_ns__in__g="from . import h", zz_ns__in__h="")
    assert names("mine") == {"mine.py", *(f"zz_{n}.py" for n in "abcde"), "zz_ns/g.py", "zz_ns/h.py"}
    assert modules.code_of("mine").packages == []
    assert "mine" not in sys.modules


def test_a_package_of_one_s_own_counts_as_a_whole_and_so_does_what_its_parts_import(code: Path) -> None:
    write(
        code, zz_pack__in____init__="", zz_pack__in__sub__in____init__="", zz_pack__in__part="import zz_far", zz_far=""
    )
    found = {"zz_pack/__init__.py", "zz_pack/sub/__init__.py", "zz_pack/part.py", "zz_far.py"}
    assert names("zz_pack.sub") == names("zz_pack") == found


@pytest.mark.parametrize(
    "source", ["def f(:", "import numpy\nimport os", "from .... import x", "import zz_nowhere.at_all", "\x00"]
)
def test_code_that_cannot_be_read_or_followed_counts_itself(code: Path, source: str) -> None:
    write(code, zz_odd=source)
    assert names("zz_odd") == {"zz_odd.py"}


def test_installed_packages_are_named_and_not_followed(code: Path) -> None:
    write(code, zz_mine="import numpy.linalg\nfrom ase import Atoms\nimport os.path, json")
    assert modules.code_of("zz_mine").packages == ["ase", "numpy"]
    assert names("zz_mine") == {"zz_mine.py"}


def test_standard_modules_are_python_s_own_unless_hidden(code: Path) -> None:
    assert all(map(modules.is_standard, ("os", "sys", "json", "antigravity", "posix", "builtins")))
    assert not any(map(modules.is_standard, ("numpy", "ase", "zz_mine")))


def test_distributions(code: Path) -> None:
    assert modules.distributions_of("ase") == ("ase",)
    assert modules.distributions_of("yaml") == ("PyYAML",)
    assert modules.distributions_of("zz_mine") == modules.distributions_of("os") == ()
    assert {"numpy", "scipy"} <= set(modules.requirements_of("ase"))
    assert "pytest" not in modules.requirements_of("ase"), "an extra"


def test_submodules_are_found_without_importing_the_package(code: Path) -> None:
    write(code, zz_pack__in____init__="", zz_pack__in__part="")
    found = modules.find("zz_pack.part")
    assert found is not None
    assert found.origin == str(code / "zz_pack" / "part.py")
    assert "zz_pack" not in sys.modules
    assert modules.find("zz_pack.other") is modules.find("zz_pack.part.more") is modules.find("zz_other.part") is None


def test_a_digest_is_that_of_the_content_now(tmp_path: Path) -> None:
    file = tmp_path / "w"
    for content in (b"one", b"two", b"six"):
        file.write_bytes(content)
        assert modules.sha256(file) == hashlib.sha256(content).hexdigest()
    os.utime(file, (1, 1))
    assert modules.sha256(file) == hashlib.sha256(b"six").hexdigest()
    file.write_bytes(b"ten")
    os.utime(file, (1, 1))
    assert modules.sha256(file) == hashlib.sha256(b"ten").hexdigest(), (
        "its times can be set, but not that of its change"
    )
