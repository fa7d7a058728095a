"""What nobody may miss is at the head of every report: failed runs, what was dropped, a check of the installation."""

from __future__ import annotations

import dataclasses
import json
from xml.etree import ElementTree as ET

import pytest

from mdprotocol.testing.reports import report, rows, sound_verdict
from mdprotocol.verdicts import Decision, Recommendation
from mdprotocol_plugins.reporters.html import HtmlReporter
from mdprotocol_plugins.reporters.json_file import JsonReporter
from mdprotocol_plugins.reporters.junit import JunitReporter
from mdprotocol_plugins.reporters.markdown import MarkdownReporter


def made_of(**changes):
    verdict = dataclasses.replace(sound_verdict()[0], **changes)
    return report([verdict], rows("original"))


def text_of(reporter, content) -> str:
    (data,) = reporter.render(content).values()
    return data.decode()


CHECKED = {
    "installation_check": "its runs are too short",
    "dropped": ("forces: null in child.yaml",),
    "recommendations": (
        Recommendation("production MD", False, reason="check of the installation: its runs are too short"),
    ),
}


@pytest.mark.parametrize("reporter", [MarkdownReporter(), HtmlReporter()])
def test_the_pages_say_it_before_any_table(reporter) -> None:
    text = text_of(reporter, made_of(**CHECKED))
    top = text[: text.index("Criteria")]
    assert "original (check of the installation)" in top
    for line in ("0 of 18 runs failed", "its runs are too short", "forces: null in child.yaml"):
        assert line in top
    assert "not recommended: check of the installation: its runs are too short." in top


def test_a_plain_verdict_counts_its_failed_runs_in_the_line_below_its_sentence() -> None:
    lines = [line for line in text_of(MarkdownReporter(), made_of()).splitlines() if line]
    assert lines[1:4] == [
        "## APPROVED: original",
        "**All 3 must criteria passed.**",
        "- **runs:** 0 of 18 runs failed.",
    ]


def test_junit_has_every_line_as_a_property() -> None:
    root = ET.fromstring(text_of(JunitReporter(), made_of(**CHECKED)))
    found = {p.get("name"): p.get("value") for p in root.iter("property")}
    assert found["decision"] == "APPROVED"
    assert found["reason"] == "all 3 must criteria passed"
    assert found["runs"] == "0 of 18 runs failed"
    assert found["check_of_the_installation"] == "its runs are too short"
    assert found["must_criterion_dropped"] == "forces: null in child.yaml"


@pytest.mark.parametrize("decision", [Decision.REJECTED, Decision.UNDECIDED])
def test_a_decision_that_no_criterion_shows_fails_a_build(decision: Decision) -> None:
    """Failed runs reject a model of which every criterion passed."""
    content = made_of(decision=decision, reasons=("4 of 18 runs that must criteria draw on failed",), runs_failed=4)
    root = ET.fromstring(text_of(JunitReporter(), content))
    case = next(case for case in root.iter("testcase") if case.get("name") == "decision")
    assert case.find("failure").get("type") == decision
    assert "4 of 18 runs" in case.find("failure").get("message")
    assert (root.get("failures"), root.get("tests")) == ("1", "4")


def test_json_has_fields_of_their_own() -> None:
    (model,) = json.loads(text_of(JsonReporter(), made_of(**CHECKED)))["models"]
    assert model["installation_check"] == "its runs are too short"
    assert model["dropped"] == ["forces: null in child.yaml"]
    assert model["recommendations"][0]["reason"].endswith("its runs are too short")
    assert model["runs"]["failed"] == 0
