"""The Kaplan-Meier curve against published numbers, and the figure."""

import dataclasses

import numpy as np
import pytest

from mdprotocol.contracts import RunRow
from mdprotocol.report.build import draw
from mdprotocol.report.figures import survival
from mdprotocol.report.figures.series import NothingToDraw
from mdprotocol.testing import reports

FAILED = (6, 6, 6, 7, 10, 13, 16, 22, 23)
CENSORED = (6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35)
"""Remission times in weeks under 6-mercaptopurine, Freireich et al. (1963), Blood 21, 699."""


def runs(failed, censored):
    rows = [("failed", time) for time in failed] + [("completed", time) for time in censored]
    return [
        RunRow(f"r{k}", "m", "s", "x", 300.0, k, how, "nan at 1 fs: x", float(t)) for k, (how, t) in enumerate(rows)
    ]


def without_datasets(report):
    """The other figures have nothing to draw from, which saves their time."""

    def refuse(run):
        raise OSError("not read here")

    return dataclasses.replace(report, open_run=refuse)


def test_estimate_is_the_textbooks():
    """Kalbfleisch and Prentice (1980), table 1.1 and section 1.4: 0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448."""
    time, share, low, high = survival.kaplan_meier(runs(FAILED, CENSORED))
    expected = {6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448}
    for week, value in expected.items():
        k = int(np.flatnonzero(time == week)[0])
        assert share[k] == pytest.approx(value, abs=6e-4)
        assert low[k] < share[k] < high[k]


def test_where_nothing_failed_the_share_is_one():
    _, share, _, _ = survival.kaplan_meier(runs((), (10, 10, 10)))
    assert (share == 1).all()


def test_where_everything_failed_the_share_ends_at_zero():
    time, share, low, _ = survival.kaplan_meier(runs((1, 2), ()))
    assert (time[-1], share[-1]) == (2.0, 0.0)
    assert np.isnan(low[-1])


def test_it_is_drawn_where_runs_failed_and_only_there():
    drawn = {figure.path: figure for figure in draw(without_datasets(reports.troubled_report()))}
    assert drawn["figures/survival.png"].png
    assert "figures/survival.png" not in {f.path for f in draw(without_datasets(reports.sound_report()))}
    with pytest.raises(NothingToDraw):
        survival.survival(reports.sound_report())


def test_missing_runs_count_neither_as_alive_nor_as_failed():
    report = reports.troubled_report()
    only = [row for row in report.runs if row.outcome == "missing"]
    with pytest.raises(NothingToDraw):
        survival.survival(dataclasses.replace(report, runs=only))
