"""Datasets to and from NetCDF-4 files that plain `xarray.open_dataset` opens; failures become one `StoreError`."""

from __future__ import annotations

import functools
import math
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import netCDF4
import numpy as np
import xarray as xr

from mdprotocol.errors import StoreError
from mdprotocol.store.atomic import meant
from mdprotocol.store.hdf5 import refuse_content_elsewhere
from mdprotocol.store.seal import is_sound
from mdprotocol.variables import RUN_COORDS, RUN_VARIABLES

Result = TypeVar("Result")
IDENTITY = "identity"
FULL_BYTES = 1 << 20


def write(path: Path, dataset: xr.Dataset) -> None:
    """Write a dataset uncompressed, in the precision it has, each variable with `units` and `long_name`.

    Raises:
        StoreError: a variable has no units, or an attribute cannot stand in a NetCDF file.
    """
    labelled = _labelled(dataset)
    encoding: dict[Any, dict[str, Any]] = {
        # No fill value: a NaN in the file is a NaN that was there.
        name: {"_FillValue": None} if variable.dtype.kind == "f" else {}
        for name, variable in labelled.variables.items()
    }
    try:
        labelled.to_netcdf(path, engine="netcdf4", format="NETCDF4", encoding=encoding)
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        raise StoreError(f"cannot write {meant(path)}: {_said(error, path)}") from error


@dataclass(frozen=True)
class Growing:
    """Variables along a dim that is too long for memory.

    Attributes:
        dim: `frame`, `sample` or `plain`.
        length: of the dim.
        slabs: first index along the dim, and values of every variable from there on.
    """

    dim: str
    length: int
    slabs: Iterator[tuple[int, Mapping[str, np.ndarray]]]


def write_growing(path: Path, fixed: xr.Dataset, parts: Iterable[Growing]) -> None:
    """Write a run's dataset of which only one slab at a time is in memory; else like `write`.

    Raises:
        StoreError: it cannot be written.
    """
    write(path, fixed)
    try:
        with netCDF4.Dataset(path, "a") as file:
            for part in parts:
                _append(file, part)
    except (OSError, RuntimeError) as error:
        raise StoreError(f"cannot write {meant(path)}: {_said(error, path)}") from error


def _append(file: netCDF4.Dataset, part: Growing) -> None:
    file.createDimension(part.dim, part.length)
    for start, values in part.slabs:
        for name, value in values.items():
            if name not in file.variables:
                _create(file, name, value.dtype)
            file.variables[name][start : start + len(value)] = value


def _create(file: netCDF4.Dataset, name: str, dtype: np.dtype) -> None:
    known = RUN_VARIABLES[name]
    variable = file.createVariable(name, dtype, known.dims, fill_value=False)
    variable.setncatts({"units": known.units, "long_name": known.long_name})
    coords = [c for c in RUN_COORDS if c != name and set(RUN_VARIABLES[c].dims) <= set(known.dims)]
    if coords and name not in RUN_COORDS:
        variable.setncattr("coordinates", " ".join(coords))  # by this a reader knows coordinates from data


def _said(error: Exception, path: Path) -> str:
    """The library's words are "HDF error" where a disk is full."""
    try:
        free = shutil.disk_usage(path.parent).free
    except OSError:
        return f"{error}; its disk cannot be reached"
    return f"{error}; the disk is full" if free < FULL_BYTES else str(error)


def read(path: Path) -> xr.Dataset:
    """Open lazily: variables are read when they are asked for.

    Raises:
        StoreError: the file is not there, is damaged, or is not NetCDF.
    """
    if path.exists() and not is_sound(path):
        raise StoreError(f"{path} cannot be read as NetCDF: it is damaged, or this program did not write it")
    try:
        if path.exists():
            _ordinary(path)
        return xr.open_dataset(path, engine="netcdf4", decode_timedelta=False)
    except Exception as error:  # readers raise whatever they stumble over
        what = "is not there" if not path.exists() else f"cannot be read as NetCDF ({error})"
        raise StoreError(f"{path} {what}") from error


def load(path: Path) -> xr.Dataset:
    """All of a file, in memory.

    Raises:
        StoreError: as `read`, or a variable cannot be read.
    """
    try:
        with read(path) as dataset:
            return dataset.load()
    except StoreError:
        raise
    except Exception as error:
        raise StoreError(f"{path} cannot be read as NetCDF ({error})") from error


def _of_stat(function: Callable[[str], Result]) -> Callable[[Path], Result]:
    """Ask once about a file, as long as it does not change."""

    @functools.lru_cache(maxsize=65_536)
    def ask(path: str, size: int, modified: int, inode: int) -> Result:
        return function(path)

    def cached(path: Path) -> Result:
        found = os.stat(path)
        return ask(str(path), found.st_size, found.st_mtime_ns, found.st_ino)

    return cached


@_of_stat
def _ordinary(path: str) -> None:
    """Refuse what no file of ours is: with content elsewhere, groups or types of its own, or variables larger than itself.

    Ours are not compressed, and all of each variable is written; so nothing asks for more memory than the file has bytes.

    Raises:
        ValueError: it is no file of ours.
    """
    refuse_content_elsewhere(path)
    with netCDF4.Dataset(path, "r") as file:
        bytes_of = [math.prod(v.shape) * getattr(v.dtype, "itemsize", 1) for v in file.variables.values()]
        foreign = [*file.cmptypes, *file.vltypes, *file.enumtypes]
        longest = max((len(dim) for dim in file.dimensions.values()), default=0)
    if foreign:
        raise ValueError(f"'{foreign[0]}' is a type of its own")
    if max(sum(bytes_of), longest) > os.stat(path).st_size:
        raise ValueError("its variables are larger than the file")


def attributes(path: Path) -> dict[str, Any] | None:
    """Global attributes of a file; None where it is absent, damaged or unreadable: nobody trusts a torn file.

    Like the seal they are read once as long as the file does not change.
    """
    if not is_sound(path):
        return None
    try:
        _ordinary(path)
        return dict(_attributes(path))
    except Exception:  # readers raise whatever they stumble over
        return None


@_of_stat
def _attributes(path: str) -> dict[str, Any]:
    with netCDF4.Dataset(path, "r") as file:
        return {name: _plain(file.getncattr(name)) for name in file.ncattrs()}


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _labelled(dataset: xr.Dataset) -> xr.Dataset:
    """A shallow copy whose attributes NetCDF can hold; known variables get the units of the vocabulary."""
    copy = dataset.copy(deep=False)
    copy.attrs = _storable(dataset.attrs)
    for name, variable in copy.variables.items():
        known = RUN_VARIABLES.get(str(name))
        defaults = {"units": known.units, "long_name": known.long_name} if known else {}
        variable.attrs = _storable(defaults | variable.attrs)
        variable.encoding = {}
        if variable.dtype.kind in "fiu" and "units" not in variable.attrs:
            raise StoreError(f"variable '{name}' has no `units` attribute (use '1' for a plain number)")
        variable.attrs.setdefault("long_name", str(name).replace("_", " "))
    return copy


def _storable(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(key): int(value) if isinstance(value, bool | np.bool_) else value for key, value in attrs.items()}
