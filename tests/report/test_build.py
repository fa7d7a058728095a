"""The content of all reports, put together once."""

from typing import ClassVar, Literal

import pytest

from mdprotocol.api import Metric, Quantity, Role
from mdprotocol.protocol.schema import Protocol
from mdprotocol.registry import build_registry
from mdprotocol.report import build, build_report, summary
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


def test_quantities_have_the_roles_that_their_metrics_give_them():
    roles = build.roles_of([cls() for cls in build_registry().classes("metrics")])
    assert roles.items() >= reports.ROLES.items()
    assert sorted(roles.values()) == sorted(Role)  # each once


class Strain(Metric):
    """A force error of another plugin."""

    type: Literal["strain"] = "strain"
    quantities: ClassVar = {"size": Quantity("eV/Å", "its size", role=Role.FORCE_RMSE), "other": Quantity("1", "x")}

    def measure(self, run):
        return {}


def test_a_metric_of_another_plugin_is_shown_in_the_role_that_it_gives(protocol):
    assert build.roles_of([Strain()]) == {"strain.size": Role.FORCE_RMSE}
    found = reports.conditions("original", "strain.size", "eV/Å", [0.1] * 9, 0.01)
    report = make(protocol, measurements=found, metrics=[Strain()])
    table = summary.summary(report, "original")
    assert table.columns[-1] == "force RMSE (eV/Å)"
    assert table.rows[0][-1] == "0.100 ± 0.010"
