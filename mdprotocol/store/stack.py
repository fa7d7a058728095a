"""Runs of one kind as one lazy dataset: a grid temperature × replica over their files, read where it is indexed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from mdprotocol.variables import RUN_COORDS

GRID = ("temperature", "replica")
MOST_REPLICAS = 100_000
"""More than any protocol may plan."""
RENAMED = {"temperature": "kinetic_temperature"}
"""`temperature` is a dim here (the target), so the variable of that name in a run's file gets another one."""
GROWING = ("frame", "sample", "plain")
"""Dims whose length differs between runs; variables without any of them are the same in every run of a kind."""
OF_ONE_RUN = (
    "identity", "temperature_K", "replica", "seed", "outcome",
    "failure_kind", "failure_step", "failure_time_fs", "failure_detail",
)  # fmt: skip
"""Attributes that do not describe the whole stack even where all runs happen to agree."""


@dataclass(frozen=True)
class RunFile:
    """A finished run's file."""

    path: Path
    id: str
    attrs: Mapping[str, Any]

    @property
    def place(self) -> tuple[float, int]:
        return float(self.attrs["temperature_K"]), int(self.attrs["replica"])


Grid = list[list[RunFile | None]]


def stack(runs: Sequence[RunFile], planned: Collection[tuple[float, int]] = ()) -> xr.Dataset:
    """Stack runs of one model, system and simulation.

    Args:
        runs: at least one.
        planned: temperature (K) and replica of every planned run, as far as they are known; the grid holds them all, and
            grows where there are runs beside them.
    """
    by_place = {run.place: run for run in runs}
    places = {*planned, *by_place}
    kelvins = sorted({kelvin for kelvin, _ in places})
    count = 1 + max(replica for _, replica in places)
    if not all(0 <= replica < MOST_REPLICAS for _, replica in places):
        raise ValueError(f"a replica's index is not between 0 and {MOST_REPLICAS}")
    grid: Grid = [[by_place.get((kelvin, replica)) for replica in range(count)] for kelvin in kelvins]
    coords = {
        "temperature": ("temperature", np.array(kelvins), {"units": "K", "long_name": "target temperature"}),
        "replica": ("replica", np.arange(count), {"units": "1", "long_name": "index of the replica"}),
    }
    template, sizes = _longest(runs)
    variables = {
        RENAMED.get(str(name), name): _stacked(name, variable, grid, sizes)
        for name, variable in template.variables.items()
    }
    if "time" in variables:
        variables["frame_time"] = _lazy("time", template["time"].variable, grid, sizes)
    dataset = xr.Dataset(
        {**variables, **_facts(grid), "outcome": _outcomes(kelvins, by_place, set(planned), count)},
        coords,
        _common(runs),
    )
    return dataset.set_coords([name for name in RUN_COORDS if name in dataset])


def _longest(runs: Sequence[RunFile]) -> tuple[xr.Dataset, dict[str, int]]:
    """The run with most frames (a completed one, if there is any), and the largest size of every dim over all runs."""
    sizes: dict[str, int] = {}
    rank: dict[str, tuple[bool, int]] = {}
    for run in runs:
        with netCDF4.Dataset(run.path, "r") as file:
            own = {name: len(dim) for name, dim in file.dimensions.items()}
        fixed = {name: size for name, size in own.items() if name not in GROWING}
        if any(sizes.get(name, size) != size for name, size in fixed.items()):
            raise ValueError(f"{run.id} has other dims than those before it")
        rank[run.id] = run.attrs.get("outcome") == "completed", own.get("frame", 0)
        sizes = {name: max(own.get(name, 0), sizes.get(name, 0)) for name in {*own, *sizes}}
    longest = max(runs, key=lambda run: rank[run.id])
    return xr.open_dataset(longest.path, engine="netcdf4", decode_timedelta=False), sizes


def _stacked(name: Any, variable: xr.Variable, grid: Grid, sizes: Mapping[str, int]) -> xr.Variable:
    if name in RUN_COORDS or not set(GROWING) & set(variable.dims):
        return variable.load()
    return _lazy(str(name), variable, grid, sizes)


def _lazy(name: str, variable: xr.Variable, grid: Grid, sizes: Mapping[str, int]) -> xr.Variable:
    dims = tuple(str(dim) for dim in variable.dims)
    array = indexing.LazilyIndexedArray(_StackedArray(name, grid, dims, sizes, variable.dtype))
    return xr.Variable((*GRID, *dims), array, variable.attrs)


def _outcomes(
    kelvins: Sequence[float], runs: Mapping[tuple[float, int], RunFile], planned: Collection[Any], count: int
) -> tuple[Any, ...]:
    def outcome(place: tuple[float, int]) -> str:
        if place in runs:
            return str(runs[place].attrs.get("outcome", ""))
        return "missing" if place in planned or not planned else "not planned"

    found = [[outcome((kelvin, replica)) for replica in range(count)] for kelvin in kelvins]
    name = "completed, failed, missing or not planned: frames after a failure, and where there is no run, are NaN"
    return GRID, np.array(found, dtype=object), {"long_name": name}


def _facts(grid: Grid) -> dict[str, tuple[Any, ...]]:
    def table(of: Any) -> np.ndarray:
        return np.array([[of(run) for run in row] for row in grid])

    def text(key: str) -> np.ndarray:
        return table(lambda run: str(run.attrs.get(key, "")) if run else "").astype(object)

    return {
        "run": (GRID, table(lambda run: run.id if run else "").astype(object), {"long_name": "id of the run"}),
        "seed": (GRID, table(lambda run: int(run.attrs.get("seed", -1)) if run else -1), {"units": "1"}),
        "failure_kind": (GRID, text("failure_kind"), {"long_name": "typed cause; empty where the run did not fail"}),
        "failure_time_fs": (
            GRID,
            table(lambda run: float(run.attrs["failure_time_fs"]) if _failed(run) else np.nan),
            {"units": "fs", "long_name": "time of the failure; NaN where the run did not fail"},
        ),
    }


def _failed(run: RunFile | None) -> bool:
    return run is not None and run.attrs.get("outcome") == "failed" and "failure_time_fs" in run.attrs


def _common(runs: Sequence[RunFile]) -> dict[str, Any]:
    first = {key: value for key, value in runs[0].attrs.items() if key not in OF_ONE_RUN}
    return {key: value for key, value in first.items() if all(_same(run.attrs.get(key), value) for run in runs)}


def _same(one: Any, other: Any) -> bool:
    return bool(np.array_equal(np.asarray(one), np.asarray(other)))


class _StackedArray(BackendArray):
    """One variable of all runs as an array (temperature, replica, *dims); files are read for the part that is asked."""

    def __init__(self, name: str, grid: Grid, dims: tuple[str, ...], sizes: Mapping[str, int], dtype: np.dtype) -> None:
        self.name, self.grid = name, grid
        self.inner = tuple(sizes[dim] for dim in dims)
        self.shape = (len(grid), len(grid[0]), *self.inner)
        self.dtype = np.dtype(dtype)
        self.missing = np.nan if self.dtype.kind == "f" else -1

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._read)

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        rows, columns = (np.arange(size)[index] for size, index in zip(self.shape[:2], key[:2], strict=True))
        inner = key[2:]
        part = np.broadcast_to(self.dtype.type(0), self.inner)[inner].shape
        out = np.empty((np.size(rows), np.size(columns), *part), dtype=self.dtype)
        for i, row in enumerate(np.atleast_1d(rows)):
            for j, column in enumerate(np.atleast_1d(columns)):
                out[i, j] = self._block(self.grid[row][column], inner)
        return out[tuple(0 if np.ndim(index) == 0 else slice(None) for index in (rows, columns))]

    def _block(self, run: RunFile | None, key: tuple[Any, ...]) -> np.ndarray:
        padded = np.full(self.inner, self.missing, dtype=self.dtype)
        if run is not None:
            with netCDF4.Dataset(run.path, "r") as file:
                if self.name in file.variables:
                    file.set_auto_mask(False)
                    values = file.variables[self.name][...]
                    padded[tuple(slice(0, size) for size in values.shape)] = values
        return padded[key]
