"""Makes `protocol_kit` importable, and its registry and a folder with a sound protocol available to tests."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "protocol"))

import protocol_kit

from mdprotocol.registry import Registry


@pytest.fixture(scope="session")
def registry() -> Registry:
    return protocol_kit.registry_of(protocol_kit.COMPONENTS)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a protocol (the sound one, with replacements) beside the checkpoint that it names."""
    (tmp_path / "good.json").write_text("{}")

    def write_protocol(*replacements: tuple[str, str], text: str = protocol_kit.VALID, name: str = "p.yaml") -> Path:
        for old, new in replacements:
            assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
            text = text.replace(old, new)
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write_protocol
