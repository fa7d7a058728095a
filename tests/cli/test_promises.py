"""What a protocol cannot keep is refused by check and run with its place and exit code 2, and judge shows what was dropped."""

from __future__ import annotations

from pathlib import Path

import pytest

from mdprotocol.cli import main

METHANE = "  methane: {type: builtin, name: methane}\nsimulations:\n"


def edited(small: Path, *replacements: tuple[str, str]) -> Path:
    text = small.read_text(encoding="utf-8")
    for old, new in replacements:
        assert text.count(old) == 1
        text = text.replace(old, new)
    small.write_text(text, encoding="utf-8")
    return small


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize(
    ("replacements", "parts"),
    [
        (
            [("simulations:\n", METHANE), ("    timestep_fs", "    systems: [water]\n    timestep_fs"),
             ("max: 5", "max: 5, where: {system: [water, methane], temperature: 300}")],
            ["small.yaml:23:96: criteria.forces.where.system.1: `where` names methane", "there is water"],
        ),
        (
            [("criteria:\n", "metrics:\n  stability: {type: momentum}\ncriteria:\n")],
            ["small.yaml:20:3: metrics.stability: this name would hide the metric 'stability'"],
        ),
        (
            [("simulations:\n", "  again: {type: builtin, name: water}\nsimulations:\n"),
             ("replicas: 3", "replicas: 3\n    seeds: [1, 2, 3]")],
            ["small.yaml:9:3: systems.again: systems 'water' and 'again' are the same structure", "counted twice"],
        ),
    ],
)  # fmt: skip
def test_it_is_refused_at_its_place(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys, command: str, replacements, parts: list[str]
) -> None:
    edited(small, *replacements)
    monkeypatch.chdir(small.parent)
    assert main([command, "small.yaml", *(["-o", "out", "-q"] if command == "run" else [])]) == 2
    text = capsys.readouterr().err
    assert all(part in text for part in parts), text
    assert not (small.parent / "out" / "verdict.json").exists()


def test_what_was_dropped_stays_with_the_results(cli, small: Path, tmp_path: Path) -> None:
    child = tmp_path / "child.yaml"
    child.write_text("extends: small.yaml\nname: child\ncriteria: {forces: null}\n", encoding="utf-8")
    checked = cli("check", child)
    assert "child.yaml" in checked.out
    assert "criteria.forces: this must criterion was dropped or lowered: null in child.yaml" in checked.out
    cli("run", child, "-o", "out", "-q")
    stored = tmp_path / "out" / "protocol.yaml"
    assert "dropped:\n  forces: null in child.yaml\n" in stored.read_text(encoding="utf-8")
    cli("judge", "out", "--set", "criteria.no_crash.level=should")
    text = stored.read_text(encoding="utf-8")
    assert "  forces: null in child.yaml\n  no_crash: should instead of must by --set\n" in text
