"""No first-party metric is named by string where faults are planted, causes are found and reports are made."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import mdprotocol
from mdprotocol.contracts import Metric
from mdprotocol.protocol.schema import DIMS
from mdprotocol.registry import build_registry
from mdprotocol.variables import RUN_VARIABLES

PROGRAM = Path(mdprotocol.__file__).parent


def first_party() -> set[str]:
    """Types of the metrics, and `type.quantity`; without those that name a variable or a dim of every dataset too."""
    classes = [cls for cls in build_registry().classes("metrics") if issubclass(cls, Metric)]
    names = {cls.type_name() for cls in classes} - {*RUN_VARIABLES, *DIMS}
    return names | {f"{cls.type_name()}.{quantity}" for cls in classes for quantity in cls.quantities}


def literals(file: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


@pytest.mark.parametrize("package", ["faults", "assess", "report"])
def test_no_metric_is_named(package: str) -> None:
    names = first_party()
    assert len(names) > 100
    found = [
        f"{file.relative_to(PROGRAM)}:{line}: {text}"
        for file in sorted((PROGRAM / package).rglob("*.py"))
        for line, text in literals(file)
        if text in names
    ]
    assert not found
