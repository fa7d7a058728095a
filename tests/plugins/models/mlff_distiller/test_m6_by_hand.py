"""What was approved when phase M6 was done by hand: a molecule at thousands of kelvin whose drift is a small percentage."""

from __future__ import annotations

from pathlib import Path

import pytest

from mdprotocol.app import Source, run
from mdprotocol.verdicts import Decision, Outcome

STUDENT = Path(__file__).parents[5] / "shared" / "mlff_distiller" / "tiny_77k.pt"
PROTOCOL = """\
mdprotocol: 1
name: by_hand
seed: 5
models:
  student: {{type: mlff_distiller, checkpoint: {student}}}
systems:
  water: {{type: builtin, name: water}}
  ethanol: {{type: molecule, name: CH3CH2OH}}
simulations:
  nve:
    integrator: {{type: velocity_verlet}}
    timestep_fs: 0.5
    duration_ps: 1
    temperatures_K: [300]
    replicas: 4
    record_every_fs: 1
criteria:
  no_crash: {{level: must, metric: stability.crashed, max: 0}}
  m6_drift: {{level: must, metric: energy_drift.percent_of_total, units: "%", max: 1}}
  temperature: {{level: must, metric: temperature.deviation_percent, min: -60, max: 60}}
  rotation: {{level: must, metric: symmetry.rotation_force, max: 0.01}}
  smooth: {{level: must, metric: smoothness.energy_jump, max: 1}}
executor: {{type: serial}}
"""


@pytest.mark.slow
@pytest.mark.skipif(not STUDENT.is_file(), reason="the users' own checkpoint lies beside the project, not in it")
def test_its_percentage_passes_and_the_model_is_rejected_with_its_causes(tmp_path: Path) -> None:
    path = tmp_path / "by_hand.yaml"
    path.write_text(PROTOCOL.format(student=STUDENT), encoding="utf-8")
    (verdict,) = run(Source(path), tmp_path / "results", "test", lambda event: None).verdicts
    outcomes = {criterion.name: criterion.outcome for criterion in verdict.criteria}
    assert verdict.decision is Decision.REJECTED
    assert outcomes.pop("m6_drift") is Outcome.PASS
    assert set(outcomes.values()) == {Outcome.FAIL}
    causes = {found.cause: found.evidence for found in verdict.diagnosis if found.criterion == "no_crash"}
    assert "rotation" in causes["broken symmetry"]
    assert "at the cutoff" in causes["energy discontinuity"]
