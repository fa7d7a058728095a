"""Series for the figures: thinned without losing an extreme, and the formulas behind the panels."""

import dataclasses

import numpy as np
import pytest

from mdprotocol.chemistry import bonds
from mdprotocol.contracts import RunRow
from mdprotocol.report.figures.parity import agreement
from mdprotocol.report.figures.series import Material, running_mean, thin
from mdprotocol.report.figures.structures import _aligned, _best_view
from mdprotocol.testing import reports


def test_thinning_keeps_ends_and_extremes():
    x = np.arange(100_000.0)
    y = np.sin(x)
    y[54_321], y[77] = 9.0, -9.0
    fewer_x, fewer_y = thin(x, y, most=2000)
    assert len(fewer_x) <= 2000
    assert (fewer_y.max(), fewer_y.min()) == (9.0, -9.0)
    assert (fewer_x[0], fewer_x[-1]) == (0.0, 99_999.0)
    assert np.all(np.diff(fewer_x) > 0)


def test_short_series_are_not_thinned():
    x = np.arange(10.0)
    assert thin(x, x)[0] is x


def test_running_mean_of_a_line_is_the_line_inside():
    y = np.arange(50.0)
    assert running_mean(y, 5)[2:-2] == pytest.approx(y[2:-2])
    assert running_mean(y, 1) is y


def test_agreement_by_hand():
    rmse, r2 = agreement(np.array([0.0, 2.0]), np.array([1.0, 2.0]))
    assert rmse == pytest.approx(np.sqrt(0.5))
    assert r2 == pytest.approx(0.5)
    assert np.isnan(agreement(np.ones(3), np.ones(3))[1])


def test_energy_is_drawn_in_mev_per_atom_from_its_start():
    report = reports.sound_report()
    material = Material(report, report.verdicts[0])
    run = report.open_run(material.all[0].row.run)
    energy = run["conserved_energy"].values
    assert material.all[0].energy == pytest.approx((energy - energy[0]) * 1000 / run.sizes["atom"])
    assert material.all[0].time[-1] == pytest.approx(run["time"].values[-1] / 1000)


def test_deciding_simulations_come_first_and_missing_runs_not_at_all():
    report = reports.troubled_report()
    material = Material(report, report.verdicts[0])
    assert material.simulations == ["nve_10ps"]
    assert len(material.all) == 17


def test_a_turned_frame_is_turned_back():
    random = np.random.default_rng(1)
    frame = random.normal(size=(6, 3))
    turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
    turn *= np.linalg.det(turn)
    centred = frame - frame.mean(axis=0)
    assert _aligned(frame @ turn.T + 3.0, frame) == pytest.approx(centred)


def test_the_view_is_a_rotation_and_hides_no_atom():
    line_of_sight = np.array([[0, 0, 0], [0, 0, 1.0], [0, 0, 2.0], [1.0, 0, 0]])
    view = _best_view(line_of_sight[None])
    assert view @ view.T == pytest.approx(np.eye(3), abs=1e-12)
    assert np.linalg.det(view) == pytest.approx(1.0)
    flat = (line_of_sight @ view.T)[:, :2]
    distances = np.linalg.norm(flat[:, None] - flat[None], axis=-1)[np.triu_indices(4, 1)]
    assert distances.min() > 0.5


def test_bonds_of_water():
    water = np.array([[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
    assert bonds(np.array([8, 1, 1]), water).tolist() == [[0, 1], [0, 2]]


def test_numbers_that_are_not_there_are_not_drawn():
    x, y = thin(np.arange(4.0), np.array([0.0, np.nan, 2.0, np.inf]))
    assert (x.tolist(), y.tolist()) == ([0.0, 2.0], [0.0, 2.0])


def test_a_simulation_with_failed_runs_is_shown_even_where_it_does_not_decide():
    report = reports.sound_report()
    extra = [
        RunRow(f"x/{name}", "original", "water", name, 300.0, 0, "failed" if name == "e" else "completed")
        for name in "abcdef"
    ]
    rows = [*report.runs, *extra]
    material = Material(dataclasses.replace(report, runs=rows), report.verdicts[0])
    assert material.simulations == ["nve_10ps", "a", "b", "e"]
