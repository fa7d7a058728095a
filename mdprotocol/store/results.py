"""Finished results for analysis: `results = mdprotocol.open_results("results/m6_original")`, then plain xarray."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import xarray as xr

from mdprotocol.errors import StoreError
from mdprotocol.plan.replicas import replicas_of
from mdprotocol.protocol.schema import Addition
from mdprotocol.protocol.stored import stored_data
from mdprotocol.protocol.timesteps import expanded
from mdprotocol.store.folder import ResultsFolder
from mdprotocol.store.stack import RunFile, stack


class Results:
    """A results folder, read only. Files are opened when they are asked for."""

    def __init__(self, folder: ResultsFolder) -> None:
        self.folder = folder

    @cached_property
    def runs(self) -> Mapping[str, Mapping[str, Any]]:
        """Id of every finished or failed run -> its attributes (`outcome`, `seed`, `failure_kind`, ...)."""
        return dict(self.folder.runs())

    def run(self, run: str) -> xr.Dataset:
        """The dataset of one run, lazy; variables and units as in `mdprotocol.variables`."""
        return self.folder.open(run.removesuffix(".nc") + ".nc")

    def dataset(self, model: str, system: str, simulation: str) -> xr.Dataset:
        """All runs of one model, system and simulation, stacked with dims `temperature, replica` in front; lazy.

        Where a run failed, is missing, or has fewer frames than the longest, the rest of it is NaN (-1 in integer
        variables). The variable `outcome` (`completed`, `failed`, `missing`; `not planned` where replicas were added at
        other temperatures only) says which runs those are: choose by it before averaging. The coordinate `time` is that
        of a completed run; `frame_time` has the time of every frame of every run, because the last frame of a failed run
        is the moment of its failure. Also there: `run`, `seed`, `failure_kind`, `failure_time_fs`.

        Raises:
            StoreError: there is no run of this kind.
        """
        wanted = {"model": model, "system": system, "simulation": simulation}
        found = [
            RunFile(self.folder.path(run + ".nc"), run, attrs)
            for run, attrs in self.runs.items()
            if all(attrs.get(key) == value for key, value in wanted.items())
        ]
        if not found:
            raise StoreError(
                f"{self.folder.root} has no run of {model} × {system} × {simulation}; it has {self._kinds()}"
            )
        try:
            return stack(found, self._planned(model, system, simulation))
        except (
            KeyError,
            TypeError,
            ValueError,
            OverflowError,
            AttributeError,
            OSError,
            RuntimeError,
            MemoryError,
        ) as error:
            raise StoreError(f"the runs of {model} × {system} × {simulation} do not fit together: {error}") from error

    def verdict(self) -> dict[str, Any]:
        """Content of verdict.json."""
        if not self.folder.exists("verdict.json"):
            raise StoreError(f"{self.folder.root} has no verdict.json; `mdprotocol judge` writes it")
        return self.folder.read_facts("verdict.json")

    @property
    def measurements(self) -> xr.Dataset:
        """Every measurement, one variable `metric.quantity` each; see `mdprotocol.assess.measurements_file`."""
        return self.folder.open("measurements.nc")

    def _kinds(self) -> str:
        kinds = sorted({run.rpartition("/")[0].removeprefix("runs/") for run in self.runs})
        return ", ".join(kinds) or "no runs at all"

    def _planned(self, model: str, system: str, simulation: str) -> list[tuple[float, int]]:
        """Temperature and replica of every run that the stored protocol plans, added ones too: missing ones are seen."""
        sections = stored_data(self.folder.path("protocol.yaml")).get("simulations")
        for name, section in sections.items() if isinstance(sections, dict) else ():
            for full, timestep in expanded(name, section["timestep_fs"]):
                if simulation == full:
                    return list(_planned_places(section, model, system, float(timestep)))
        return []


def _planned_places(
    section: Mapping[str, Any], model: str, system: str, timestep_fs: float
) -> Iterator[tuple[float, int]]:
    """Temperature and replica of each run of one model, system and time step that a simulation of a protocol plans."""
    additions = [Addition.model_validate(addition) for addition in section.get("additions") or ()]
    for kelvin in map(float, section["temperatures_K"]):
        for replica, _ in replicas_of(int(section["replicas"]), additions, model, system, kelvin, timestep_fs):
            yield kelvin, replica


def open_results(path: Path | str) -> Results:
    """Open a results folder for analysis.

    Raises:
        StoreError: there is no such folder.
    """
    folder = ResultsFolder(path)
    if not folder.root.is_dir():
        raise StoreError(f"there is no results folder {path}")
    return Results(folder)
