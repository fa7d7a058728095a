"""Figures: there is something in them, in every state that results can be in."""

import dataclasses
import io

import matplotlib
import numpy as np
import pytest
from matplotlib.image import imread

from mdprotocol.report.build import draw
from mdprotocol.report.figures import parity, style, timelines
from mdprotocol.report.figures.series import Material
from mdprotocol.testing import reports


def pixels(figure):
    return imread(io.BytesIO(figure.png), format="png")[..., :3]


@pytest.fixture(scope="module")
def sound():
    return draw(reports.sound_report())


def test_all_figures_of_a_model_are_drawn(sound):
    assert [figure.missing for figure in sound] == [""] * len(sound)
    names = [figure.path.removeprefix("figures/").removesuffix("_original.png") for figure in sound]
    assert names == ["criteria", "energy", "temperature", "force_error", "parity", "structures"]


def test_every_figure_has_content_and_is_of_readable_size(sound):
    for figure in sound:
        picture = pixels(figure)
        assert picture.std() > 0.05, figure.path
        assert 400 <= picture.shape[1] <= 2400, figure.path


def test_equal_data_give_equal_bytes_whatever_the_users_own_style(sound):
    with matplotlib.rc_context({"axes.facecolor": "black"}):
        again = draw(reports.sound_report())
        assert matplotlib.rcParams["axes.facecolor"] == "black"
    assert [figure.png for figure in again] == [figure.png for figure in sound]
    assert all(b"tEXt" not in figure.png for figure in sound)


def test_figures_are_the_same_whoever_draws_them_in_which_order():
    """In sheets of some figures each, which other processes draw."""

    def elsewhere(drawing, sheets):
        assert len(sheets) > 4
        return [drawing(sheet) for sheet in reversed(sheets)][::-1]

    assert draw(reports.several_report(), elsewhere) == draw(reports.several_report())


def test_several_models_are_compared():
    drawn = draw(reports.several_report())
    assert (drawn[0].path, drawn[-1].path) == ("figures/trade_off.png", "figures/speed.png")
    assert all(figure.png for figure in drawn)
    assert {figure.model for figure in drawn} == {"", "original", "tiny"}


def test_hostile_names_stay_inside_the_folder():
    for figure in draw(reports.hostile_report()):
        assert figure.png, figure.missing
        folder, _, name = figure.path.partition("/")
        assert folder == "figures"
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-.")
        assert ".." not in name


def test_without_data_each_figure_says_why_it_is_missing():
    drawn = draw(reports.empty_report())
    assert drawn
    assert all(figure.missing and not figure.png for figure in drawn)


def test_unreadable_runs_cost_figures_not_the_report():
    def refuse(run):
        raise OSError("cannot be read")

    drawn = draw(dataclasses.replace(reports.sound_report(), open_run=refuse))
    assert [figure.path for figure in drawn if figure.png] == ["figures/criteria_original.png"]


def test_runs_that_end_in_nan_without_a_reference_lose_only_the_figures_of_forces():
    sound = reports.sound_report()

    def broken(run):
        dataset = sound.open_run(run).drop_vars(["sample_frame", "reference_force"])
        for name in ("position", "force", "conserved_energy", "temperature"):
            dataset[name][-1] = np.nan
        return dataset

    drawn = draw(dataclasses.replace(sound, open_run=broken))
    missing = {figure.path: figure.missing for figure in drawn if not figure.png}
    assert missing == {
        "figures/force_error_original.png": "no frame was given to the reference",
        "figures/parity_original.png": "no frame was given to the reference",
    }


def test_a_reference_force_that_is_not_a_number_is_left_out():
    sound = reports.sound_report()

    def broken(run):
        dataset = sound.open_run(run)
        dataset["reference_force"][-1] = np.nan
        return dataset

    material = Material(dataclasses.replace(sound, open_run=broken), sound.verdicts[0])
    with style.styled():
        assert parity.parity(material)
        assert timelines.force_error(material)
