"""The self-test's smaller protocol: its criteria name what its runs still cover, and what it leaves out is not dropped."""

from __future__ import annotations

from pathlib import Path

import pytest

from mdprotocol.app.selftesting import smaller
from mdprotocol.app.sources import Source
from mdprotocol.errors import UsageError
from mdprotocol.plan import make_plan

PROTOCOL = """\
mdprotocol: 1
name: two
models: {gfn1: {type: tblite, method: GFN1-xTB}}
reference: tblite
systems: {water: {type: builtin, name: water}, methane: {type: builtin, name: methane}}
simulations:
  warm: {timestep_fs: 0.5, duration_ps: 1, temperatures_K: [300, 500]}
  cold: {timestep_fs: [0.5, 1], duration_ps: 1, temperatures_K: [100]}
criteria:
  hot: {level: must, metric: stability.crashed, max: 0, where: {simulation: warm, temperature: [300, 500]}}
  both: {level: must, metric: stability.crashed, max: 0, where: {simulation: [warm, cold_1fs], system: [water, methane]}}
  gone: {level: must, metric: stability.crashed, max: 0, where: {temperature: 500}}
  back: {level: must, metric: reversibility.position_error, max: 1, where: {system: [water, methane]}}
  forces: {level: should, metric: force_error.rmse, max: 1, where: {simulation: [warm, cold]}}
expectations:
  speed: {metric: reversibility.position_error, of: gfn1, to: gfn1, max: 2}
selftest:
  changes:
    simulations.warm.temperatures_K: [300]
    simulations.warm.systems: [water]
    simulations.cold: null
"""


@pytest.fixture
def source(tmp_path: Path) -> Source:
    path = tmp_path / "two.yaml"
    path.write_text(PROTOCOL, encoding="utf-8")
    return Source(path)


def test_it_names_what_its_runs_cover(source: Source) -> None:
    prepared = smaller(source)
    protocol = prepared.protocol
    assert {name: criterion.where for name, criterion in protocol.criteria.items()} == {
        "hot": {"simulation": ["warm"], "temperature": [300]},
        "both": {"simulation": ["warm"], "system": ["water"]},
        "back": {"system": ["water"]},
        "forces": {"simulation": ["warm"]},
    }
    assert protocol.selftest.without == ["gone"]
    assert protocol.dropped == {}
    assert make_plan(protocol, prepared.base, prepared.registry, prepared.document).runs


def test_what_the_author_dropped_stays_noted(source: Source) -> None:
    dropped = smaller(Source(source.path, ("criteria.gone.level=nice",))).protocol.dropped
    assert dropped == {"gone": "nice instead of must by --set"}


def test_a_protocol_of_which_nothing_is_left_is_refused(source: Source) -> None:
    only = "criteria={gone: {level: must, metric: stability.crashed, max: 0, where: {temperature: 500}}}"
    with pytest.raises(UsageError, match="no `must` criterion left"):
        smaller(Source(source.path, (only, "expectations={}")))
