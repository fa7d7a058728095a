"""Some two hundred malformed protocols, checkpoints and structures: each is refused, with its place, in no time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import checkpoint_cases
import protocol_cases
import pytest
import structure_cases
from corpus_kit import Case, Opened, open_all, write

MOST_SECONDS = 5.0
"""Processor time of a case."""
MOST_MB = 1024.0
"""Growth of the peak of memory in a case."""
GROUPS: dict[str, Sequence[Case]] = {
    "protocols": protocol_cases.CASES,
    "structures": structure_cases.CASES,
    "checkpoints": checkpoint_cases.CASES,
}


def test_the_corpus_is_large_and_its_names_are_its_own() -> None:
    names = [case.name for cases in GROUPS.values() for case in cases]
    assert len(names) >= 150
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("group", GROUPS)
def test_every_case_is_refused_with_its_place(group: str, tmp_path: Path) -> None:
    cases = GROUPS[group]
    paths = [write(case, tmp_path / str(number)) for number, case in enumerate(cases)]
    wrong = [
        f"{case.name}: {problem}\n{opened.text[:1500]}"
        for case, opened in zip(cases, open_all(paths), strict=True)
        for problem in _problems(case, opened)
    ]
    assert not wrong, f"{len(wrong)} of {len(cases)}:\n" + "\n".join(wrong)


def _problems(case: Case, opened: Opened) -> list[str]:
    absent = [word for word in case.says if word not in opened.text]
    found = {
        f"exit code {opened.code}": opened.code != 2,
        f"its message lacks {absent}": bool(absent),
        "a traceback": "Traceback" in opened.text,
        "a message longer than a screen": len(opened.text) > 20_000,
        f"{opened.seconds:.1f} s": opened.seconds > MOST_SECONDS,
        f"{opened.grown_mb:.0f} MB": opened.grown_mb > MOST_MB,
    }
    return [text for text, bad in found.items() if bad]
