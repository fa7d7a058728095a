"""A short run of the fuzzer over every reader, the same each time; `fuzz.py` runs for as long as you like."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from campaign import Campaign, outcome
from readers import READERS, Reader

from mdprotocol.errors import StoreError

FEW = {"run_facts": 25, "run_file": 30, "measurements": 40, "protocol": 15, "verdict": 30, "cif": 60}
"""Inputs of readers that take longer."""


@pytest.mark.parametrize("name", READERS)
def test_no_reader_fails_but_with_our_own_errors(name: str, tmp_path: Path) -> None:
    campaign = Campaign(READERS[name](tmp_path), seed=1, folder=tmp_path)
    campaign.run(0, FEW.get(name, 120))
    assert campaign.iterations == FEW.get(name, 120)
    found = [f"{text}\ninput: {data[:300]!r}" for data, text in campaign.findings.values()]
    assert not found, "\n\n".join(found)


def _own(path: Path) -> None:
    raise StoreError("damaged")


def _foreign(path: Path) -> None:
    raise KeyError("sessions")


def _endless(path: Path) -> None:
    while True:
        pass


def _greedy(path: Path) -> None:
    bytearray(8 << 30)


def _greedy_in_secret(path: Path) -> None:
    try:
        _greedy(path)
    except Exception as error:
        raise StoreError("damaged") from error


def _filling(path: Path) -> None:
    len(b"x" * (1100 << 20))


@pytest.mark.parametrize(
    ("read", "says"),
    [
        (_own, ""),
        (_foreign, "KeyError"),
        (_endless, "processor time"),
        (_greedy, "MemoryError"),
        (_greedy_in_secret, "MemoryError"),
        (_filling, "1100 MiB"),
    ],
)
def test_the_fuzzer_tells_findings_from_refusals(read, says: str, tmp_path: Path, monkeypatch) -> None:
    if read is _endless:
        monkeypatch.setattr("campaign.MOST_SECONDS", 0.2)
    (tmp_path / "a").write_bytes(b"x")
    for _ in range(2):  # what one input has cost hides nothing of the next
        end = outcome(Reader("a", lambda: [b"x"], [b"y"], read), tmp_path / "a")
        assert end.bad == bool(says)
        assert says in end.text


def test_a_reader_that_fails_on_something_is_found_out(tmp_path: Path) -> None:
    """A planted mistake: a number without digits is not expected."""
    reader = Reader("a", lambda: [b"count: 12\n"], [b":"], lambda path: int(path.read_bytes().split(b":")[1][:4]))
    campaign = Campaign(reader, seed=1, folder=tmp_path)
    campaign.run(0, 200)
    assert any("ValueError" in text for _, text in campaign.findings.values())
    assert any("IndexError" in text for _, text in campaign.findings.values())
