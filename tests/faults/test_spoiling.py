"""Files are changed by faults of files alone, and only those that they name."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import xarray as xr

from mdprotocol.faults.spoiling import spoil
from mdprotocol.protocol.schema import REFERENCE
from mdprotocol.store import ResultsFolder
from mdprotocol_plugins.faults.evidence import LostVariable
from mdprotocol_plugins.faults.motion import Euler


def left(folder: ResultsFolder, path: str) -> set[str]:
    with folder.open(path) as stored:
        return set(map(str, stored.load().data_vars))


def test_the_reference_is_left_alone_and_a_missing_run_is_passed_over(tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path)
    paths = [f"runs/{model}/water/nve/T300K_r0.nc" for model in (REFERENCE, "gone", "mine", "other")]
    for path in (paths[0], *paths[2:]):
        data = {name: ("frame", [0.0, 1.0], {"units": "1"}) for name in ("velocity", "reference_force")}
        folder.write_dataset(path, xr.Dataset(data).assign_attrs(identity="ab" * 32))
    runs = [SimpleNamespace(model=path.split("/")[1], path=path) for path in paths]
    plan: Any = SimpleNamespace(runs=tuple(runs))
    spoil(Euler(), plan, folder)
    assert left(folder, paths[2]) == {"velocity", "reference_force"}
    spoil(LostVariable(), plan, folder)
    assert [left(folder, path) for path in (paths[0], *paths[2:])] == [
        {"velocity", "reference_force"}, {"velocity"}, {"velocity", "reference_force"},
    ]  # fmt: skip
