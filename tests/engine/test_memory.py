"""Peak memory does not grow with the length of a run: frames and labels stream to disk, and back by the slab."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from engine_kit import SpringModel, make_batch, settings

from mdprotocol.engine import journal, labels
from mdprotocol.engine.batch import run_batch
from mdprotocol.store import ResultsFolder
from mdprotocol.testing.structures import make_structure
from mdprotocol_plugins.integrators.velocity_verlet import VelocityVerlet

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
MB = 2**20


def memory(name: str) -> int:
    """`VmRSS` or `VmHWM` (its peak) of this process, bytes."""
    found = re.search(rf"{name}:\s*(\d+) kB", STATUS.read_text())
    assert found
    return 1024 * int(found.group(1))


def peak(steps: int, folder: Path) -> int:
    """How far a batch of 60 atoms, every step of which is a frame and every second a label, takes the memory up."""
    grid = 2.5 * np.stack(np.meshgrid(*[np.arange(4.0)] * 3), axis=-1).reshape(-1, 3)[:60]
    atoms = make_structure([18] * 60, grid)
    run = settings(VelocityVerlet(), steps, reference_every=2)
    batch = make_batch(
        run, SpringModel(stiffness=0.01, length=3.0), atoms, copies=1, reference=SpringModel(stiffness=0.01)
    )
    RESET.write_text("5")
    before = memory("VmRSS")
    run_batch(batch, folder, lambda event: None)
    return memory("VmHWM") - before


@pytest.mark.skipif(not RESET.exists(), reason="needs Linux to tell its peak memory")
def test_peak_memory_does_not_grow_with_the_length_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "SEGMENT_BYTES", MB)
    monkeypatch.setattr(labels, "MANY_LABELS", 500)
    peak(300, tmp_path / "warm")
    short, long = peak(500, tmp_path / "short"), peak(3500, tmp_path / "long")
    (file,) = (tmp_path / "long").rglob("*.nc")
    assert file.stat().st_size > 14 * MB
    assert long - short < 6 * MB
    (run,) = ResultsFolder(tmp_path / "long").run_ids()
    with ResultsFolder(tmp_path / "long").open(run + ".nc") as dataset:
        assert dict(dataset.sizes) | {"frame": 3501, "sample": 1751} == dict(dataset.sizes)
