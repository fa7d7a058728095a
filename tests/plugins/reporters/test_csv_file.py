"""verdict.csv: a row a model, criterion and condition."""

import csv
import io

from mdprotocol_plugins.reporters.csv_file import CsvReporter


def rows_of(report):
    (data,) = CsvReporter().render(report).values()
    return list(csv.DictReader(io.StringIO(data.decode(), newline="")))


def test_one_row_a_cell_and_one_for_a_criterion_without_cells(report):
    expected = sum(max(len(criterion.conditions), 1) for _, criterion in report.criteria())
    assert len(rows_of(report)) == expected


def test_numbers_are_exact_and_absent_ones_empty(made):
    rows = rows_of(made("troubled"))
    worst = next(row for row in rows if row["criterion"] == "force_rmse")
    assert (float(worst["value"]), float(worst["maximum"]), worst["minimum"]) == (0.45, 0.2, "")
    assert (worst["system"], worst["temperature"], worst["condition_outcome"]) == ("alanine", "500.0", "FAIL")
    angle = next(row for row in rows if row["criterion"] == "angle")
    assert (angle["value"], angle["reason"]) == ("", "no reference forces")
    speed = next(row for row in rows if row["criterion"] == "speed")
    assert (speed["condition_outcome"], speed["reason"]) == ("NOT MEASURED", "no probe was run")


def test_no_field_is_a_formula(made):
    for row in rows_of(made("hostile")):
        assert row["system"] == "'=HYPERLINK(1)"
        assert not any(value.startswith(("=", "+", "@")) for value in row.values())


def test_negative_numbers_stay_numbers(made):
    rows = [row for row in rows_of(made("sound")) if row["criterion"] == "energy_drift"]
    assert min(float(row["low"]) for row in rows) < 0
