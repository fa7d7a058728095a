"""The kernel decides how long a verdict takes, never what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from mdprotocol.app import Source, run
from mdprotocol_plugins.models.painn.fused import kernel as kernel_module

CHECKPOINTS = Path(__file__).parents[4] / "checkpoints"
PROTOCOL = """\
mdprotocol: 1
name: kernels
seed: 5
models:
  tiny: {{type: painn, checkpoint: {checkpoint}, kernel: {kernel}}}
reference: {{type: tblite, method: GFN2-xTB}}
systems:
  water: {{type: builtin, name: water}}
  box: {{type: builtin, name: water, cell_A: [7.0, 7.0, 7.0]}}
simulations:
  nve:
    integrator: {{type: velocity_verlet}}
    timestep_fs: 0.5
    duration_ps: 0.1
    temperatures_K: [300]
    replicas: 2
    equilibration: {{duration_ps: 0.05}}
    record_every_fs: 5
    reference_every_fs: 25
criteria:
  no_crash: {{level: must, metric: stability.crashed, max: 0}}
  drift: {{level: must, metric: energy_drift.per_atom, units: meV/atom/ps, max: 500}}
  too_strict: {{level: should, metric: force_error.rmse, units: eV/Å, max: 0.000001}}
  forces: {{level: must, metric: force_error.rmse, units: eV/Å, max: 5}}
  kernel_error: {{level: must, metric: kernel_error.force_max, units: eV/Å, max: 0.0001}}
executor: {{type: serial}}
"""


def verdict(folder: Path, kernel: str):
    path = folder / f"{kernel}.yaml"
    path.write_text(PROTOCOL.format(checkpoint=CHECKPOINTS / "tiny.safetensors", kernel=kernel), encoding="utf-8")
    finished = run(Source(path), folder / kernel, "test", lambda event: None)
    return finished.verdicts[0]


def test_fused_and_torch_agree_on_every_outcome_and_number(tmp_path) -> None:
    try:
        kernel_module._loops()
    except kernel_module.KernelUnavailable as error:
        pytest.skip(str(error))
    fused, torch = verdict(tmp_path, "fused"), verdict(tmp_path, "torch")
    assert fused.decision == torch.decision
    for ours, theirs in zip(fused.criteria, torch.criteria, strict=True):
        assert (ours.name, ours.outcome) == (theirs.name, theirs.outcome)
        if ours.name in ("forces", "too_strict"):
            assert ours.worst.measurement.value == pytest.approx(theirs.worst.measurement.value, rel=1e-3)
    outcomes = {criterion.name: str(criterion.outcome) for criterion in fused.criteria}
    assert outcomes["kernel_error"] == outcomes["no_crash"] == "PASS"
    assert outcomes["too_strict"] == "FAIL"
