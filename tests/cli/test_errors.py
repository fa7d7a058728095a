"""What is wrong is said at once, with its place, and nothing is written: exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest

BROKEN = {
    "misspelt key": ("    timestep_fs: 0.5", "    timestp_fs: 0.5", 12, "timestep_fs"),
    "wrong unit": ("    duration_ps: 0.1", "    duration_fs: 100", 13, "duration_ps"),
    "unknown metric": ("metric: force_error.rmse", "metric: force_eror.rmse", 21, "force_error"),
    "duplicate key": ("    replicas: 3", "    replicas: 3\n    replicas: 4", 16, "replicas"),
    "missing checkpoint": (
        "{type: tblite, method: GFN1-xTB}",
        "{type: painn, checkpoint: gone.safetensors}",
        5,
        "gone.safe",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_one_clear_message(cli, small: Path, tmp_path: Path, case: str) -> None:
    old, new, line, word = BROKEN[case]
    text = small.read_text(encoding="utf-8")
    assert old in text
    small.write_text(text.replace(old, new), encoding="utf-8")
    ended = cli("run", small, "-o", "out")
    assert ended.code == 2
    assert f"small.yaml:{line}:" in ended.err
    assert word in ended.err
    assert "Traceback" not in ended.err
    assert not (tmp_path / "out").exists()


def test_all_problems_at_once(cli, small: Path) -> None:
    text = small.read_text(encoding="utf-8")
    for case in ("misspelt key", "wrong unit", "unknown metric"):
        old, new, _, _ = BROKEN[case]
        text = text.replace(old, new)
    small.write_text(text, encoding="utf-8")
    error = cli("check", small).err
    assert all(f"small.yaml:{line}:" in error for line in (12, 13, 21))


def test_no_such_file(cli) -> None:
    ended = cli("run", "nothing.yaml")
    assert ended.code == 2
    assert "nothing.yaml" in ended.err


def test_not_a_results_folder(cli, tmp_path: Path) -> None:
    assert cli("judge", tmp_path).code == 2
