"""A stored protocol is read back as it was written, without the plugins that it was made with."""

from __future__ import annotations

from pathlib import Path

import pytest

from mdprotocol.protocol.stored import stored_data


@pytest.mark.parametrize("name", ["on", "no", "1_000", "2026-11-29", "null", "~x", "0x10"])
def test_names_stay_text_and_numbers_stay_numbers(tmp_path: Path, name: str) -> None:
    file = tmp_path / "protocol.yaml"
    file.write_text(f"name: p\nseed: 7\nsimulations: {{{name}: {{timestep_fs: 1e-1}}}}\n", encoding="utf-8")
    assert stored_data(file) == {"name": "p", "seed": 7, "simulations": {name: {"timestep_fs": 0.1}}}


@pytest.mark.parametrize("text", ["", "- a", "a: [", "a: 1\na: 2\n", "a: !!python/object:os.system {}"])
def test_what_is_no_protocol_is_empty(tmp_path: Path, text: str) -> None:
    file = tmp_path / "protocol.yaml"
    file.write_text(text, encoding="utf-8")
    assert stored_data(file) == {}
    assert stored_data(tmp_path / "absent.yaml") == {}
