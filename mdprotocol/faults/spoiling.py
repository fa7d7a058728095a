"""Faults of finished files: each run of the models is read when it is asked for, and written where it was changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from mdprotocol.contracts import Fault, RecordFault
from mdprotocol.plan.types import Plan
from mdprotocol.protocol.schema import REFERENCE
from mdprotocol.store import ResultsFolder

if TYPE_CHECKING:
    import xarray as xr


def spoil(fault: Fault, plan: Plan, folder: ResultsFolder) -> None:
    """Change the files that a plan has left, where the fault is one of files."""
    if isinstance(fault, RecordFault):
        for path, dataset in fault.spoiled(_FinishedRuns(plan, folder)).items():
            folder.write_dataset(path, dataset)


class _FinishedRuns(Mapping[str, "xr.Dataset"]):
    """The models' finished runs by path, in the order of the plan."""

    def __init__(self, plan: Plan, folder: ResultsFolder) -> None:
        self._folder = folder
        self._paths = [run.path for run in plan.runs if run.model != REFERENCE and folder.exists(run.path)]

    def __getitem__(self, path: str) -> xr.Dataset:
        with self._folder.open(path) as stored:
            return stored.load()

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)
