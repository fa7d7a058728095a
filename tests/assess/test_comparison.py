"""Two results folders side by side."""

from __future__ import annotations

import json
import math

import pytest

from mdprotocol.assess import compare_results
from mdprotocol.assess.comparison import welch
from mdprotocol.contracts import Report
from mdprotocol.errors import StoreError
from mdprotocol.store import ResultsFolder
from mdprotocol_plugins.reporters.json_file import JsonReporter


def test_welchs_p_value_of_a_known_pair():
    """Independent check by hand: t = -3/sqrt(2.5/5 + 2.5/5) = -3 with 8 degrees of freedom: p = 0.01707."""
    assert welch([1, 2, 3, 4, 5], [4, 5, 6, 7, 8], "mean") == pytest.approx(0.01707, abs=1e-5)


def test_no_scatter_and_exact_quantities():
    assert welch([1, 1], [1, 1], "mean") == 1.0
    assert welch([1, 1], [2, 2], "mean", deterministic=True) == 0.0
    assert math.isnan(welch([1], [2], "mean"))
    assert math.isnan(welch([1, 0], [0, 0], "total"))
    assert welch([1] * 10, [0] * 10, "proportion") < 0.001


@pytest.fixture
def judged(world, tmp_path):
    def make(name, value, criteria=None):
        made = world(criteria)
        made.folder = ResultsFolder(tmp_path / name)
        found = made.fill(value).measure()
        made.folder.write_dataset("measurements.nc", made.dataset(found))
        report = Report("n", "", [made.judge(found)], [], [], {}, {}, lambda run: made.folder.open(run))
        for path, data in JsonReporter().render(report).items():
            made.folder.write_bytes(path, data)
        return made.folder

    return make


def test_a_clear_difference_is_significant_and_equal_data_are_not(judged, spread):
    first, second = judged("a", spread(0.5, 0.02)), judged("b", spread(0.8, 0.02))
    (row,) = compare_results(first, second)
    assert row["difference"] == pytest.approx(0.3)
    assert row["significant"] == "yes"
    assert (row["outcome A"], row["outcome B"]) == ("PASS", "PASS")
    (row,) = compare_results(first, first)
    assert (row["difference"], row["significant"]) == (0.0, "no")


def test_the_row_tells_of_the_cell_that_differs_most(judged, spread):
    base = spread(0.5, 0.02)
    changed = judged("b", lambda run: base(run) + (0.3 if run.system == "methane" and run.temperature_K == 300 else 0))
    (row,) = compare_results(judged("a", base), changed)
    assert row["condition"] == "methane, nve, 300 K"


def test_a_difference_within_the_noise_is_not_significant(judged, spread):
    (row,) = compare_results(judged("a", spread(0.5, 0.2)), judged("b", spread(0.55, 0.2)))
    assert row["significant"] == "no"
    assert row["p"] > 0.5


def test_what_is_not_measured_on_one_side_is_said(judged):
    (row,) = compare_results(judged("a", lambda run: 0.5), judged("b", lambda run: None))
    assert row["condition"] == "no condition measured in both"
    assert math.isnan(row["difference"])
    assert row["outcome B"] == "NOT MEASURED"


def test_a_folder_without_a_verdict_is_an_error(judged, tmp_path):
    first = judged("a", lambda run: 0.5)
    with pytest.raises(StoreError, match=r"verdict\.json"):
        compare_results(first, ResultsFolder(tmp_path))
    first.write_bytes("verdict.json", json.dumps({"models": 3}).encode())
    with pytest.raises(StoreError, match="not a verdict"):
        compare_results(first, first)
