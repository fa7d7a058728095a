"""GFN2-xTB as the model of its students' protocol: approved, and the comparison with itself noticed. Minutes of physics."""

from __future__ import annotations

from pathlib import Path

import pytest

PROTOCOL = Path(__file__).parents[2] / "protocols" / "teacher_itself.yaml"


@pytest.mark.slow
def test_the_teacher_passes_what_it_teaches(cli, tmp_path: Path) -> None:
    ended = cli("run", PROTOCOL, "-o", "out", "-q")
    assert ended.code == 0, ended.out + ended.err
    text = (tmp_path / "out" / "verdict.md").read_text(encoding="utf-8")
    assert "APPROVED" in text
    assert "the model is the reference" in text
