"""Kernel error: the difference that is planted is the difference that is measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from mdprotocol.api import NotMeasurable
from mdprotocol.registry import build_registry
from mdprotocol.testing import check_metric, make_run
from mdprotocol_plugins.metrics.kernel_error import LARGE_EV_A, KernelError


def planted(push: float = 0.0, lift: float = 0.0, at: int = 3, **attrs: Any) -> xr.Dataset:
    """A run of water whose kernel errs in one component of a force, and in the energy, at one of the plain frames."""
    run = make_run(**attrs).copy(deep=True)
    run["plain_force"][at, 1, 2] -= push
    run["plain_energy"][at] -= lift
    return run


def test_an_exact_kernel_has_none() -> None:
    assert check_metric(KernelError()) == {"force_max": 0.0, "force_rmse": 0.0, "energy": 0.0}


@pytest.mark.parametrize("at", [0, 3, 7])
def test_a_planted_error_is_measured_wherever_in_the_run_it_is(at: int) -> None:
    found = check_metric(KernelError(), planted(push=3e-4, lift=-6e-3, at=at))
    assert found["force_max"] == pytest.approx(3e-4, rel=1e-6)
    assert found["force_rmse"] == pytest.approx(
        3e-4 / np.sqrt(8 * 9), rel=1e-6
    )  # one of nine components of eight frames
    assert found["energy"] == pytest.approx(2.0, rel=1e-6)  # 6 meV over three atoms


def test_forces_of_colliding_atoms_are_compared_by_their_share() -> None:
    run = planted(push=0.02, lift=0.03)
    run["plain_force"][3, 0, 0] += 20 * LARGE_EV_A
    run["force"][int(run["plain_frame"][3]), 0, 0] += 20 * LARGE_EV_A
    found = KernelError().measure(run)
    assert found["force_max"] == pytest.approx(0.001, rel=0.05)
    assert found["energy"] == pytest.approx(0.5, rel=0.05)
    run["force"][int(run["plain_frame"][3]), 0, 0] *= 1.01  # a hundredth of it is no rounding
    assert KernelError().measure(run)["force_max"] == pytest.approx(0.01 * LARGE_EV_A, rel=0.05)


def test_a_failed_run_is_measured_up_to_its_failure() -> None:
    run = planted(push=0.01, at=7, outcome="failed", failure_kind="nan")
    assert int(run["plain_frame"][7]) == run.sizes["frame"] - 1
    assert KernelError().measure(run)["force_max"] == pytest.approx(0.01, rel=1e-6)


def test_a_model_without_a_plainer_form_is_not_measured() -> None:
    run = make_run(drop=("plain_frame", "plain_force", "plain_energy"))
    del run.attrs["plain_failures"]
    with pytest.raises(NotMeasurable, match="no plainer form"):
        KernelError().measure(run)


def test_a_frame_without_an_answer_is_never_a_pass() -> None:
    run = make_run(plain_failures=1, plain_failure_detail="frame 4: out of its table")
    with pytest.raises(NotMeasurable, match="1 frames have no answer of the plain model; frame 4: out of its table"):
        KernelError().measure(run)
    with pytest.raises(NotMeasurable, match="no plain_frame"):
        KernelError().measure(make_run(drop=("plain_frame", "plain_force", "plain_energy")))
    with pytest.raises(NotMeasurable, match="no plain_energy"):
        KernelError().measure(make_run(drop=("plain_energy",)))


def test_what_does_not_fit_the_run_is_not_measured() -> None:
    run = make_run()
    with pytest.raises(NotMeasurable, match="not in the run"):
        KernelError().measure(run.assign(plain_frame=run["plain_frame"] + 1))
    with pytest.raises(NotMeasurable, match="NaN"):
        KernelError().measure(planted(push=np.nan))


def test_it_is_registered() -> None:
    assert build_registry().entries["metrics"]["kernel_error"].component is KernelError


@pytest.mark.parametrize(
    ("kept", "said"), [([0, 1, 1, 7], "a frame twice"), ([1, 2], "first and last"), ([0, 1], "first and last")]
)
def test_frames_that_were_not_asked_about_are_missed(kept: list[int], said: str) -> None:
    with pytest.raises(NotMeasurable, match=said):
        KernelError().measure(make_run().isel(plain=kept))
