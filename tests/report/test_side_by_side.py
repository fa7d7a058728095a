"""Models side by side: facts, expectations, criteria across models, failure modes."""

import dataclasses

import pytest

from mdprotocol.report import side_by_side
from mdprotocol.testing import reports
from mdprotocol.verdicts import Level


def column(table, name):
    """A column of a table as first condition -> condition."""
    place = table.columns.index(name)
    return {conditions[0]: conditions[place] for conditions in table.rows}


def expecting(**entry):
    """The report of two models with one expectation."""
    report = reports.several_report()
    wanted = {"metric": "inference_time.median_ms", "of": "original", "to": "tiny", **entry}
    return dataclasses.replace(report, protocol={**report.protocol, "expectations": {"speed_up": wanted}})


def test_models_side_by_side():
    table = side_by_side.comparison(reports.several_report())
    original, tiny = column(table, "original"), column(table, "tiny")
    assert (original["decision"], tiny["decision"]) == ("APPROVED", "REJECTED")
    assert (original["parameters"], tiny["parameters"]) == ("427,009", "77,000")
    assert (original["speed-up over the largest model"], tiny["speed-up over the largest model"]) == ("1.00×", "2.50×")
    assert tiny["time a step, slowest system"] == "1.60 ± 0.10 ms"
    assert tiny["force RMSE, worst condition"] == "0.450 ± 0.010 eV/Å"
    assert (original["must criteria passed"], tiny["must criteria passed"]) == ("3 of 3", "0 of 3")
    assert (original["recommended use"], tiny["recommended use"]) == ("production MD", "not for MD")


def test_without_measurements_there_are_dashes():
    ghost = column(side_by_side.comparison(reports.empty_report()), "ghost")
    assert ghost.pop("decision") == "UNDECIDED"
    assert ghost.pop("runs failed") == "0 of 0"
    assert ghost.pop("recommended use") == "none"
    assert set(ghost.values()) == {"—"}


@pytest.mark.parametrize(
    ("entry", "outcome"),
    [({"min": 1.5, "max": 3.0}, "as expected"), ({"min": 3.0, "max": 5.0}, "below"), ({"max": 2.0}, "above")],
)
def test_an_expected_ratio_stands_beside_the_measured_one(entry, outcome):
    (found,) = side_by_side.expected_ratios(expecting(**entry))
    assert found.measured == pytest.approx(2.5)
    assert found.by_system == {"water": pytest.approx(2.5)}
    assert found.outcome == outcome
    assert side_by_side.expectations(expecting(**entry)).rows[0][:2] == ("speed_up", "2.50×")


def test_an_expectation_that_was_not_measured_says_so():
    (found,) = side_by_side.expected_ratios(expecting(metric="nothing.at_all", min=1.0))
    assert found.outcome == "NOT MEASURED"


def test_ratios_need_both_models_in_the_same_cell():
    report = reports.several_report()
    extra = reports.measurement("inference_time.median_ms", "ms", 9.0, 0.1, model="tiny", system="methane")
    more = dataclasses.replace(report, measurements=(*report.measurements, extra))
    assert side_by_side.ratios(more, "inference_time.median_ms", "original", "tiny") == {"water": pytest.approx(2.5)}


def test_the_geometric_mean_of_a_ratio_and_its_inverse_is_one():
    assert side_by_side.geometric_mean([4.0, 0.25]) == pytest.approx(1.0)


def test_criteria_across_models():
    table = side_by_side.criteria(reports.several_report(), Level.MUST)
    assert column(table, "tiny")["force_rmse"] == "FAIL: 0.450 ± 0.010 eV/Å"
    assert column(table, "original")["force_rmse"] == "PASS: 0.060 ± 0.002 eV/Å"
    # A criterion that one model does not have.
    assert column(side_by_side.criteria(reports.several_report(), Level.NICE), "original")["speed"] == "—"


def test_failure_modes_are_counted_by_cause_with_the_earliest():
    (found,) = side_by_side.failure_modes(reports.troubled_report()).rows
    assert found == ("tiny", "nve_10ps", "broken_bond", "2 of 18", "0.42 ps", "alanine", "500 K")
    assert not side_by_side.failure_modes(reports.sound_report())
