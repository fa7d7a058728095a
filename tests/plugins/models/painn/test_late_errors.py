"""A fused kernel that is right where it is looked at before it runs, and wrong where dynamics takes it: it must not pass."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mdprotocol.app import Finished, Source, run
from mdprotocol.store import open_results
from mdprotocol.testing import molecule_structure
from mdprotocol_plugins.models.painn import model as model_module
from mdprotocol_plugins.models.painn.fused import kernel as kernel_module
from mdprotocol_plugins.models.painn.fused.evaluator import FusedEvaluator
from mdprotocol_plugins.models.painn.model import PainnModel

CHECKPOINTS = Path(__file__).parents[4] / "checkpoints"
BOND_A = 1.0
"""Water starts with bonds of 0.96 Å; at 500 K they pass this within a vibration."""
LIE = 0.02
PROTOCOL = f"""\
mdprotocol: 1
name: late
seed: 5
models:
  tiny: {{type: painn, checkpoint: {CHECKPOINTS / "tiny.safetensors"}, kernel: fused}}
systems:
  water: {{type: builtin, name: water}}
simulations:
  nve:
    integrator: {{type: velocity_verlet}}
    timestep_fs: 0.5
    duration_ps: 2
    temperatures_K: [500]
    replicas: 3
    record_every_fs: 5
    reference_every_fs: null
criteria:
  no_crash: {{level: must, metric: stability.crashed, max: 0}}
  kernel_error: {{level: must, metric: kernel_error.force_max, units: eV/Å, max: 0.001, per: [system]}}
executor: {{type: serial}}
"""


@pytest.fixture(autouse=True)
def fused() -> None:
    try:
        kernel_module._loops()
    except kernel_module.KernelUnavailable as error:
        pytest.skip(str(error))


def judged(folder: Path) -> tuple[Finished, dict[str, str]]:
    (folder / "late.yaml").write_text(PROTOCOL, encoding="utf-8")
    notices: list[object] = []
    finished = run(Source(folder / "late.yaml"), folder / "out", "test", notices.append)
    assert not [event for event in notices if "plain torch" in str(event)]  # it did not fall back: nobody had noticed
    return finished, {criterion.name: str(criterion.outcome) for criterion in finished.verdicts[0].criteria}


def test_a_sound_kernel_passes_at_every_frame(tmp_path: Path) -> None:
    finished, outcomes = judged(tmp_path)
    assert outcomes == {"no_crash": "PASS", "kernel_error": "PASS"}
    worst = finished.verdicts[0].criteria[1].worst
    assert worst is not None
    assert 0 < float(worst.measurement.value or 0) < 1e-4
    assert len(worst.measurement.runs) == 3


def test_a_kernel_that_lies_only_where_it_comes_late_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest, lies = FusedEvaluator.__call__, 0

    def lying(self: FusedEvaluator, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        nonlocal lies
        energy, forces = honest(self, positions)
        for first, last in zip(self._offsets, self._offsets[1:], strict=False):
            oxygen, *hydrogens = positions[first:last]
            lengths = np.linalg.norm(np.array(hydrogens) - oxygen, axis=1)
            if last - first == 3 and BOND_A < lengths.max() < 1.08:
                lies += 1
                forces[first, 0] += LIE  # opposite on another atom, so that not even momentum tells
                forces[first + 1, 0] -= LIE
        return energy, forces

    monkeypatch.setattr(FusedEvaluator, "__call__", lying)
    finished, outcomes = judged(tmp_path)
    assert lies > 0
    assert str(finished.verdicts[0].decision) == "REJECTED"
    assert outcomes == {"no_crash": "PASS", "kernel_error": "FAIL"}
    verdict = json.loads((tmp_path / "out" / "verdict.json").read_text(encoding="utf-8"))
    assert verdict["models"][0]["decision"] == "REJECTED"
    runs = [open_results(tmp_path / "out").run(f"runs/tiny/water/nve/T500K_r{replica}") for replica in range(3)]
    for one in runs:
        assert one.attrs["kernel"] == "fused"
        difference = np.abs(one.force.values[one.plain_frame.values] - one.plain_force.values).max(axis=(1, 2))
        assert difference[0] < 1e-4  # where the load check looks
    assert max(np.abs(r.force.values[r.plain_frame.values] - r.plain_force.values).max() for r in runs) > 0.9 * LIE


def test_what_ran_on_a_gpu_is_checked_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_module, "_device", lambda asked: asked)  # as where there is a GPU
    field = PainnModel(checkpoint="tiny.safetensors", device="cuda").load(CHECKPOINTS)
    plain, timed = field.plain("float64"), field.plain("float32")
    assert plain is not None
    assert timed is not None
    assert (field.device, plain.device, timed.device) == ("cuda", "cpu", "cuda")
    energy, forces = plain.evaluate(molecule_structure("H2O"))
    assert np.isfinite(energy)
    assert np.isfinite(forces).all()
