"""Finding a calculator by its import path, and refusing what is none: a protocol is data and chooses no other code.

`objections` looks without importing anything but modules of ASE, before a run; `find_calculator` imports, and looks again.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.metadata
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ase.calculators.calculator import BaseCalculator, Calculator

from mdprotocol.api import Consent, PluginError, asked_to_stop, granted, modules
from mdprotocol_plugins.models.ase.guard import refusal

IN_PYTHON = frozenset(
    f"ase.calculators.{name}"
    for name in (
        "acn", "combine_mm", "counterions", "eam", "emt", "fd", "ff", "h2morse", "harmonic", "idealgas", "lj", "mixing",
        "morse", "singlepoint", "tersoff", "test", "tip3p", "tip4p",
    )
)  # fmt: skip
"""Modules of ASE whose calculators compute in Python alone: they start nothing and write nothing."""
BASES = (BaseCalculator, Calculator)
BY_FILES = "FileIOCalculator"
"""How the names of ASE's classes end that write input, start a program and read its output."""
OURS = ("mdprotocol", "mdprotocol_plugins")
"""They build on ASE, have no calculators, and what else they have is not for a protocol to call."""


def objections(path: str) -> Iterator[str]:
    """Why a protocol may not use this calculator, as far as can be said without importing its package.

    Raises:
        PluginError: it is not there.
    """
    check_installed(path)
    _check_module(path)
    package, module = _package(path), _module(path)
    if package == "ase":
        found = find_calculator(path)
        if starts_programs(found) and not granted(Consent.COMMANDS):
            yield refusal(path)
    elif not modules.distributions_of(package):
        if not granted(Consent.LOCAL_PLUGINS):
            yield (
                f"calculator '{path}': no installed package brings the module '{package}', so it is code of your own; "
                f"look at it, then add {Consent.LOCAL_PLUGINS.flag}"
            )
    elif not (_builds_on_ase(package) or _imports_ase(module)):
        yield f"calculator '{path}': '{package}' is a package that does not build on ASE and has no calculators"
    if package != "ase" and _derives_from_file_io(path) and not granted(Consent.COMMANDS):
        yield refusal(path)


def check_installed(path: str) -> None:
    """The package is there; nothing of it is imported yet, for checking a protocol must stay quick.

    Raises:
        PluginError: it is not.
    """
    package = _package(path)
    if modules.is_standard(package):
        raise PluginError(f"calculator '{path}': '{package}' is part of Python and has no calculators")
    if package in OURS:
        raise PluginError(f"calculator '{path}': '{package}' has no calculators")
    if package not in sys.modules and modules.find(package) is None:
        raise PluginError(f"calculator '{path}': the package '{package}' is not installed")


def find_calculator(path: str) -> Callable[..., Any]:
    """The class or function that makes the calculator.

    Raises:
        PluginError: there is none, or a protocol may not call it.
    """
    check_installed(path)
    _check_module(path)
    found: Any = _imported(path)
    for part in path.partition(":")[2].split("."):
        if not hasattr(found, part):
            near = difflib.get_close_matches(part, [n for n in dir(found) if not n.startswith("_")], 1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise PluginError(f"calculator '{path}': '{_module(path)}' has no '{part}'{hint}")
        found = getattr(found, part)
    _check_call(path, found)
    return found


def check_made(path: str, made: Any) -> None:
    """What a class or function gave is a calculator, and one that the user allows.

    Raises:
        PluginError: it is not.
    """
    if not (isinstance(made, BaseCalculator) or callable(getattr(made, "get_property", None))):
        raise PluginError(f"'{path}' gave a {type(made).__name__}, which is no ASE calculator")
    check_programs(path, type(made))


def check_programs(path: str, made: Any) -> None:
    """A calculator that starts programs needs the user's consent.

    Raises:
        PluginError: the user has not given it.
    """
    if starts_programs(made) and not granted(Consent.COMMANDS):
        raise PluginError(refusal(path))


def starts_programs(made: Any) -> bool:
    """Whether a class is, or derives from, a calculator of ASE that is not known to compute in Python alone."""
    return isinstance(made, type) and any(
        issubclass(cls, BaseCalculator) and cls not in BASES and cls.__module__ not in IN_PYTHON
        for cls in made.__mro__
        if cls.__module__.partition(".")[0] == "ase"
    )


def keeps_files(path: str) -> bool:
    """Whether a calculator works with files in a folder of its own (`directory`, `label`): its source says so."""
    if _package(path) == "ase":
        return _module(path) not in IN_PYTHON
    return BY_FILES.encode() in _source(path)


# ------------------------------------------------------------------------------------------------------------ pieces


def _package(path: str) -> str:
    return path.partition(".")[0].partition(":")[0]


def _module(path: str) -> str:
    return path.partition(":")[0]


def _source(path: str) -> bytes:
    """Source of the module that is named; empty where it has none."""
    spec = modules.find(_module(path))
    origin = Path(spec.origin) if spec is not None and spec.has_location and spec.origin else None
    return origin.read_bytes() if origin is not None and origin.suffix == ".py" and origin.is_file() else b""


def _derives_from_file_io(path: str) -> bool:
    """Whether the source defines the calculator as a class that derives from ASE's calculators that start programs."""
    try:
        tree = ast.parse(_source(path))
    except (SyntaxError, ValueError):  # which will be said where it is imported
        return False
    return any(
        isinstance(node, ast.ClassDef)
        and node.name == path.partition(":")[2]
        and any(ast.unparse(base).endswith(BY_FILES) for base in node.bases)
        for node in ast.walk(tree)
    )


def _imported(path: str) -> Any:
    module = _module(path)
    try:
        return importlib.import_module(module)
    except BaseException as error:  # importing a package can fail in any way
        if asked_to_stop(error):
            raise
        text = f"{type(error).__name__}: {short(error)}"
        raise PluginError(f"calculator '{path}': module '{module}' cannot be imported: {text}") from error


def _check_module(path: str) -> None:
    module, name = path.split(":")
    if "__main__" in module.split("."):
        raise PluginError(f"calculator '{path}': '{module}' is a program")
    if _package(path) == "ase" and (not module.startswith("ase.calculators.") or "." in name):
        raise PluginError(f"calculator '{path}': of ASE, a calculator class is needed, such as ase.calculators.emt:EMT")


def _check_call(path: str, make: Any) -> None:
    """A protocol may choose a calculator, but not call any function there is."""
    if not callable(make):
        raise PluginError(f"calculator '{path}' is a {type(make).__name__}; a class or function is needed")
    package = str(getattr(make, "__module__", "") or "").partition(".")[0]
    if isinstance(make, type):
        known = issubclass(make, BaseCalculator) and make not in BASES
        if not (known or (package != "ase" and callable(getattr(make, "get_property", None)))):
            raise PluginError(f"'{path}' is a class, but no ASE calculator")
        return
    if modules.is_standard(package):
        raise PluginError(f"calculator '{path}': '{package}' is part of Python and has no calculators")
    if package == "ase":
        raise PluginError(f"calculator '{path}' is a function of ASE; of ASE, a calculator class is needed")
    if package in OURS or not _builds_on_ase(package):
        raise PluginError(f"'{path}' is a function of '{package}', a package that does not build on ASE")


def _builds_on_ase(package: str) -> bool:
    """Whether a distribution that brings this package requires ASE; a module that none brings is the user's own."""
    brought_by = modules.distributions_of(package)
    if not brought_by:
        return bool(package)
    needed = [line for name in brought_by for line in importlib.metadata.requires(name) or []]
    return any(re.match(r"ase\b(?![-.])", line, flags=re.IGNORECASE) for line in needed)


def _imports_ase(module: str) -> bool:
    """Whether a file of this installed package imports ASE, which its metadata does not mention."""
    importing = re.compile(rb"^\s*(from|import)\s+ase\b", re.MULTILINE)
    return any(
        importing.search(file.read_bytes()) for file in modules.code_of(module).files.values() if file.suffix == ".py"
    )


def short(error: BaseException) -> str:
    """An error's text on one line."""
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else text[:300] + "..."
