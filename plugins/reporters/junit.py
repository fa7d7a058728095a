"""junit.xml: the verdict as CI systems read it; a suite a model, a test case a criterion.

The head of the verdict is in the properties of a suite, those of one name on a line each. Where nothing else of a
REJECTED or UNDECIDED model is not a success, its decision is a test case of its own: failed runs, a criterion that was
dropped.

PASS, nice or not          the test case succeeds
FAIL, INCONCLUSIVE         <failure type="FAIL"> or type="INCONCLUSIVE"
NOT MEASURED               <error type="NOT MEASURED">
nice, but not PASS         <skipped>: it informs, it fails no build
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal
from xml.etree import ElementTree as ET

from mdprotocol.api import CriterionResult, Decision, Level, ModelVerdict, Outcome, Report, Reporter
from mdprotocol.api.reporting import escape, head, numbers, tables


class JunitReporter(Reporter):
    """junit.xml: a test suite a model, a test case a criterion, for CI systems."""

    type: Literal["junit"] = "junit"

    def render(self, report: Report) -> Mapping[str, bytes]:
        suites = [suite(report, verdict) for verdict in report.verdicts]
        root = ET.Element("testsuites", {"name": escape.xml(report.name), **_totals(suites)})
        root.extend(suites)
        ET.indent(root)
        return {"junit.xml": ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"}


def suite(report: Report, verdict: ModelVerdict) -> ET.Element:
    """The suite of one model."""
    cases = [case(report, verdict, criterion) for criterion in verdict.criteria]
    cases += _decision(report, verdict, cases)
    counts = {
        "tests": len(cases),
        "failures": sum(c.find("failure") is not None for c in cases),
        "errors": sum(c.find("error") is not None for c in cases),
        "skipped": sum(c.find("skipped") is not None for c in cases),
    }
    attributes = {"name": escape.xml(verdict.model), **{name: str(count) for name, count in counts.items()}}
    element = ET.Element("testsuite", attributes)
    properties = ET.SubElement(element, "properties")
    for name, value in _properties(report, verdict).items():
        ET.SubElement(properties, "property", {"name": name, "value": escape.xml(value)})
    element.extend(cases)
    return element


def _properties(report: Report, verdict: ModelVerdict) -> dict[str, str]:
    """The decision, the seed, and every line of the verdict's head by its name (`reason` for the reasons)."""
    found = {"decision": str(verdict.decision), "seed": str(report.provenance.get("seed", ""))}
    for line in head.head(verdict):
        name = line.name.replace(" ", "_") or "reason"
        found[name] = f"{found[name]}\n{line.text}" if name in found else line.text
    return found


def _decision(report: Report, verdict: ModelVerdict, cases: list[ET.Element]) -> list[ET.Element]:
    """A test case for a decision that no criterion's shows, or a CI would see a model that is not APPROVED as sound."""
    unsound = any(c.find(kind) is not None for c in cases for kind in ("failure", "error"))
    if verdict.decision is Decision.APPROVED or unsound or not verdict.reasons:
        return []
    classname = escape.xml(f"{report.name}.{verdict.model}")
    element = ET.Element("testcase", {"classname": classname, "name": "decision"})
    message = escape.xml(f"{verdict.decision}: {head.sentence(verdict)}")
    ET.SubElement(element, "failure", {"type": str(verdict.decision), "message": message})
    return [element]


def case(report: Report, verdict: ModelVerdict, criterion: CriterionResult) -> ET.Element:
    """The test case of one criterion."""
    classname = escape.xml(f"{report.name}.{verdict.model}")
    element = ET.Element("testcase", {"classname": classname, "name": escape.xml(criterion.name)})
    message = escape.xml(f"{criterion.outcome}: {_told(criterion)}")
    if criterion.outcome is Outcome.PASS:
        ET.SubElement(element, "system-out").text = message
    elif criterion.level is Level.NICE:
        ET.SubElement(element, "skipped", {"message": f"nice to have, {message}"})
    else:
        kind = "error" if criterion.outcome is Outcome.NOT_MEASURED else "failure"
        found = ET.SubElement(element, kind, {"type": str(criterion.outcome), "message": message})
        found.text = escape.xml("\n".join(_cells(criterion)) or criterion.reason)
    return element


def _told(criterion: CriterionResult) -> str:
    if criterion.worst is None:
        return criterion.reason
    found = criterion.worst.measurement
    allowed = numbers.bound(criterion.minimum, criterion.maximum, criterion.units)
    return f"{tables.value_of(found)} against {allowed} ({tables.where(found.where)}) {found.reason}".strip()


def _cells(criterion: CriterionResult) -> list[str]:
    return [
        f"{condition.outcome}: {tables.where(condition.measurement.where)}: {tables.value_of(condition.measurement)} "
        f"{condition.measurement.reason} {condition.advice}".rstrip()
        for condition in criterion.conditions
        if condition.outcome is not Outcome.PASS
    ]


def _totals(suites: list[ET.Element]) -> dict[str, str]:
    names = ("tests", "failures", "errors", "skipped")
    return {name: str(sum(int(element.get(name, "0")) for element in suites)) for name in names}
