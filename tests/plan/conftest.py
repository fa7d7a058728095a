"""Makes `protocol_kit` importable, and its fixtures available to tests."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mdprotocol.plan import Plan, make_plan
from mdprotocol.protocol import read_document, validate
from mdprotocol.registry import Registry

sys.path.insert(0, str(Path(__file__).parents[1] / "protocol"))

from protocol_kit import registry, write

__all__ = ["registry", "write"]


@pytest.fixture
def plan(write: Callable[..., Path], registry: Registry) -> Callable[..., Plan]:
    def make(*replacements: tuple[str, str]) -> Plan:
        document = read_document(write(*replacements))
        return make_plan(validate(document, registry), document.base, registry, document)

    return make
