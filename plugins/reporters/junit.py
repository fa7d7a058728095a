"""junit.xml: the verdict as CI systems read it; a suite a model, a test case a criterion.

PASS, nice or not          the test case succeeds
FAIL, INCONCLUSIVE         <failure type="FAIL"> or type="INCONCLUSIVE"
NOT MEASURED               <error type="NOT MEASURED">
nice, but not PASS         <skipped>: it informs, it fails no build
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal
from xml.etree import ElementTree as ET

from mdprotocol.api import CriterionResult, Level, ModelVerdict, Outcome, Report, Reporter, escape, numbers, tables


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
    counts = {
        "tests": len(cases),
        "failures": sum(c.find("failure") is not None for c in cases),
        "errors": sum(c.find("error") is not None for c in cases),
        "skipped": sum(c.find("skipped") is not None for c in cases),
    }
    attributes = {"name": escape.xml(verdict.model), **{name: str(count) for name, count in counts.items()}}
    element = ET.Element("testsuite", attributes)
    properties = ET.SubElement(element, "properties")
    for name, value in (("decision", str(verdict.decision)), ("seed", str(report.provenance.get("seed", "")))):
        ET.SubElement(properties, "property", {"name": name, "value": escape.xml(value)})
    element.extend(cases)
    return element


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
        f"{cell.outcome}: {tables.where(cell.measurement.where)}: {tables.value_of(cell.measurement)} "
        f"{cell.measurement.reason} {cell.advice}".rstrip()
        for cell in criterion.cells
        if cell.outcome is not Outcome.PASS
    ]


def _totals(suites: list[ET.Element]) -> dict[str, str]:
    names = ("tests", "failures", "errors", "skipped")
    return {name: str(sum(int(element.get(name, "0")) for element in suites)) for name in names}
