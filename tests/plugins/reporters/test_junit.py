"""junit.xml: what CI systems count."""

from xml.etree import ElementTree as ET

from mdprotocol_plugins.reporters.junit import JunitReporter


def root_of(report):
    (data,) = JunitReporter().render(report).values()
    return ET.fromstring(data)


def test_a_suite_a_model_and_a_case_a_criterion(report):
    suites = root_of(report).findall("testsuite")
    assert len(suites) == len(report.verdicts)
    for element, verdict in zip(suites, report.verdicts, strict=True):
        assert len(element.findall("testcase")) == int(element.get("tests")) == len(verdict.criteria)


def test_outcomes_become_failure_error_and_skipped(made):
    cases = {case.get("name"): case for case in root_of(made("troubled")).iter("testcase")}
    assert cases["force_rmse"].find("failure").get("type") == "FAIL"
    assert cases["energy_drift"].find("failure").get("type") == "INCONCLUSIVE"
    assert cases["angle"].find("error").get("type") == "NOT MEASURED"
    assert "NOT MEASURED: no probe was run" in cases["speed"].find("skipped").get("message")


def test_totals_are_the_sum_of_the_suites(made):
    root = root_of(made("several"))
    assert {name: root.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "8",
        "failures": "3",
        "errors": "1",
        "skipped": "1",
    }


def test_a_sound_model_fails_nothing(made):
    root = root_of(made("sound"))
    assert (root.get("failures"), root.get("errors"), root.get("skipped")) == ("0", "0", "0")
    assert all(case.find("system-out").text.startswith("PASS: ") for case in root.iter("testcase"))


def test_failing_cells_are_listed(made):
    failure = next(case for case in root_of(made("troubled")).iter("testcase") if case.get("name") == "force_rmse")
    assert failure.find("failure").text == "FAIL: alanine, nve_10ps, 500 K: 0.450 ± 0.010 eV/Å"
