"""The content of all reports, put together once."""

import pytest

from mdprotocol.protocol.schema import Protocol
from mdprotocol.report import build, build_report
from mdprotocol.testing import reports


@pytest.fixture
def protocol():
    return Protocol.model_construct(
        mdprotocol=1, name="p", description="what for", models={}, systems={}, criteria={}, simulations={}
    )


def make(protocol, **changes):
    verdict, found = reports.sound_verdict()
    given = {
        "verdicts": [verdict],
        "measurements": found,
        "runs": reports.rows("original"),
        "provenance": {"command": "mdprotocol run /home/x/p.yaml", "seed": 1},
        "open_run": lambda run: reports.dataset(reports.rows("original")[0]),
    }
    return build_report(protocol, **(given | changes))


def test_the_command_comes_from_the_provenance_without_folders(protocol):
    assert make(protocol).command == "mdprotocol run p.yaml"
    assert make(protocol, command="other").command == "other"


def test_name_and_description_come_from_the_protocol(protocol):
    report = make(protocol)
    assert (report.name, report.description) == ("p", "what for")
    assert report.protocol["simulations"] == {}


def test_figures_are_drawn_once_and_only_when_asked_for(protocol, monkeypatch):
    drawn = []
    monkeypatch.setattr(build, "draw", lambda report, spread: drawn.append(report) or ("figure",))
    report = make(protocol)
    assert drawn == []
    assert report.figures() == report.figures() == ("figure",)
    assert len(drawn) == 1
