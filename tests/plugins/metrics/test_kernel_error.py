"""Kernel error: the difference that is planted is the difference that is measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mdprotocol.api import Dynamics, Evaluation, NotMeasurable
from mdprotocol.registry import build_registry
from mdprotocol.testing import molecule_structure
from mdprotocol.testing.analytic import HarmonicBonds
from mdprotocol.testing.subjects import make_subject
from mdprotocol_plugins.integrators.velocity_verlet import VelocityVerlet
from mdprotocol_plugins.metrics.kernel_error import MIN_FRAMES, KernelError
from mdprotocol_plugins.painn.model import PainnModel

WATER = molecule_structure("H2O")
MOVES = (
    Dynamics("long", VelocityVerlet(), 2.0, (300.0,)),
    Dynamics("short", VelocityVerlet(), 0.5, (100.0, 300.0)),
)


class Fast(HarmonicBonds):
    """Springs whose fast kernel errs: every x component of a force by `push`, every energy by `lift`."""

    push, lift = 0.0, 0.0

    def prepare(self, topology):
        evaluate = super().prepare(topology)

        def wrong(positions):
            found = evaluate(positions)
            return Evaluation(
                found.energy + self.lift, found.forces + torch.tensor([self.push, 0.0, 0.0], dtype=torch.float64)
            )

        return wrong

    def plain(self, dtype="float64"):
        assert dtype == "float64"
        return HarmonicBonds(WATER)


def measured(push: float = 0.0, lift: float = 0.0, metric: KernelError | None = None):
    field = Fast(WATER)
    field.push, field.lift = push, lift
    metric = metric or KernelError()
    return metric.measure(metric.probe(make_subject(field, WATER, dynamics=MOVES)))


def test_a_planted_error_is_measured():
    found = measured(push=3e-4, lift=6e-3)
    assert found["force_max"] == pytest.approx(3e-4, rel=1e-9)
    assert found["force_rmse"] == pytest.approx(3e-4 / np.sqrt(3), rel=1e-9)
    assert found["energy"] == pytest.approx(2.0, rel=1e-9)  # 6 meV over three atoms


def test_an_exact_kernel_has_none():
    assert measured() == {"force_max": 0.0, "force_rmse": 0.0, "energy": 0.0}


def test_frames_come_from_every_temperature_at_the_shortest_time_step():
    metric = KernelError(frames=6, every=3)
    probed = metric.probe(make_subject(Fast(WATER), WATER, dynamics=MOVES))
    assert probed.sizes["frame"] == 2 * 7  # two temperatures; the first frame is that of step 0
    assert probed.attrs["kernel"] == "analytic"


def test_a_model_without_a_plainer_form_is_not_measured():
    with pytest.raises(NotMeasurable, match="no plainer form"):
        KernelError().probe(make_subject(HarmonicBonds(WATER), WATER, dynamics=MOVES))


def test_what_cannot_be_measured_says_so():
    with pytest.raises(NotMeasurable, match="no simulation"):
        KernelError().probe(make_subject(Fast(WATER), WATER))
    probed = KernelError().probe(make_subject(Fast(WATER), WATER, dynamics=MOVES))
    with pytest.raises(NotMeasurable, match="at least"):
        KernelError().measure(probed.isel(frame=slice(MIN_FRAMES - 1)))
    broken = probed.copy(deep=True)
    broken["plain_force"][2, 1, 0] = np.nan
    with pytest.raises(NotMeasurable, match="NaN"):
        KernelError().measure(broken)


def test_the_committed_students_agree_to_a_ten_thousandth():
    folder = Path(__file__).parents[3] / "checkpoints"
    for name in ("original", "tiny", "ultra_tiny"):
        field = PainnModel(checkpoint=f"{name}.safetensors").load(folder)
        metric = KernelError(frames=5)
        found = metric.measure(metric.probe(make_subject(field, WATER, dynamics=MOVES)))
        assert 0 < found["force_max"] < 1e-4
        assert found["energy"] < 0.01


def test_it_is_registered():
    assert build_registry().entries["metrics"]["kernel_error"].component is KernelError
