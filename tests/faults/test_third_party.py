"""A package of somebody else and the first-party components meet through the properties alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mdprotocol import app
from mdprotocol.app.sources import Source

PLUGINS = (str(Path(__file__).with_name("third_party.py")), "mdprotocol.testing.plugins")
PROTOCOL = """\
mdprotocol: 1
name: both
models: {MODEL}
systems: {hydrogen: {type: file, path: h2.xyz}}
simulations:
  nve: {timestep_fs: 0.1, duration_ps: 0.05, temperatures_K: [300], replicas: 3, equilibration: null, record_every_fs: 1}
criteria:
  crash: {level: must, metric: stability.crashed, max: 0}
  turns: {level: must, metric: symmetry.translation_energy, units: meV, max: 1}
  echo: {level: must, metric: echo.spread, units: meV, max: 0.01}
  drift: {level: should, metric: energy_fluctuation.per_atom, units: meV/atom, max: 0.001}
selftest: {sound: 1, power: 1}
"""


@pytest.fixture
def protocol(tmp_path: Path) -> Any:
    (tmp_path / "h2.xyz").write_text("2\n\nH 0 0 0\nH 0.74 0 0\n", encoding="utf-8")

    def written(model: str) -> Source:
        path = tmp_path / "both.yaml"
        path.write_text(PROTOCOL.replace("{MODEL}", model), encoding="utf-8")
        return Source(path, plugins=PLUGINS)

    return written


def test_each_sees_the_faults_of_the_other(protocol: Any, tmp_path: Path) -> None:
    """Trials run on worker processes, which find the plugin's fault by the registry's sources."""
    names = ["leaning", "drifting_energy", "uneven"]
    tested = app.selftest(protocol("{m: {type: morse}}"), tmp_path / "out", lambda event: None, faults=names)
    leaning, drifting, uneven = tested.powers[0].faults
    assert (leaning.by, leaning.as_expected) == (("turns",), True)  # its fault, a first-party metric
    assert (drifting.by, drifting.as_expected) == (("echo",), True)  # a first-party fault, its metric
    assert (uneven.by, uneven.fault.breaks) == (("echo",), ("evenness",))
    assert "momentum" in leaning.fault.seen_by
    assert tested.met
    stored = json.loads((tmp_path / "out" / "selftest.json").read_text(encoding="utf-8"))
    assert stored["models"][0]["faults"][0]["fault"]["what"] == "everything leans to one side"


def test_its_metric_names_the_cause_of_first_party_criteria(protocol: Any, tmp_path: Path) -> None:
    ended = app.run(protocol("{m: {type: uneven_morse}}"), tmp_path / "out", "", lambda event: None)
    causes = {cause.criterion: cause for cause in ended.verdicts[0].diagnosis if cause.cause == "an uneven energy"}
    assert "one geometry has energies 0.05 meV apart (hydrogen)" in causes["echo"].evidence
    assert set(causes) == {"echo", "drift"}
