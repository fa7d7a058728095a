"""What the force-field probes find survives the results folder, reasons for finding nothing included."""

from __future__ import annotations

import pytest
from force_field_kit import COPPER, WATER, Atomistic

from mdprotocol.engine.probe import probed
from mdprotocol.store import ResultsFolder
from mdprotocol.testing.subjects import make_subject
from mdprotocol_plugins.metrics.beyond_elements import BeyondElements
from mdprotocol_plugins.metrics.force_consistency import ForceConsistency
from mdprotocol_plugins.metrics.short_range_wall import ShortRangeWall
from mdprotocol_plugins.metrics.size_consistency import SizeConsistency
from mdprotocol_plugins.metrics.smoothness import Smoothness
from mdprotocol_plugins.metrics.symmetry import Symmetry

PROBES = [
    ForceConsistency(geometries=1, directions=2, loops=1, points=8),
    Symmetry(geometries=1, rotations=1),
    Smoothness(bonds=1, directions=1, levels=4),
    ShortRangeWall(bonds=1),
    SizeConsistency(pairs=1, batch=2),
    BeyondElements(),
]


@pytest.mark.parametrize("metric", PROBES, ids=lambda metric: metric.type)
def test_stored_and_read_again(metric, tmp_path) -> None:
    folder = ResultsFolder(tmp_path)
    found = metric.probe(make_subject(Atomistic(), WATER))
    folder.write_dataset("probes/found.nc", found)
    with folder.open("probes/found.nc") as stored:
        assert metric.measure(stored) == metric.measure(found)
        assert metric.needs <= set(stored.variables)
    folder.write_dataset("probes/reason.nc", probed(metric, make_subject(Atomistic(), COPPER)))
    with folder.open("probes/reason.nc") as stored:
        assert stored.attrs["outcome"] == "failed"
        assert "unknown elements" in stored.attrs["failure_detail"]
