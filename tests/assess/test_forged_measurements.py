"""A measurements file that is not laid out as ours is refused as a whole; nobody judges from half of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mdprotocol.assess import from_dataset, judge_models, tabulate
from mdprotocol.assess.measurements_file import REASON
from mdprotocol.errors import MDProtocolError, StoreError
from mdprotocol.store import ResultsFolder

NAME = "level.mean"


def without(name: str) -> Callable[[xr.Dataset], xr.Dataset]:
    return lambda dataset: dataset.drop_vars(name)


def with_values(name: str, make: Callable[[xr.DataArray], object]) -> Callable[[xr.Dataset], xr.Dataset]:
    return lambda dataset: dataset.assign({name: make(dataset[name])})


FORGED = {
    "no reasons": without(NAME + REASON),
    "no texts": without("reason"),
    "no runs": without("run"),
    "no outcomes": without("run_outcome"),
    "no temperatures": without("temperature"),
    "texts for numbers": with_values(NAME, lambda found: found.astype(str)),
    "numbers for texts": with_values("run", lambda found: xr.zeros_like(found, dtype=float)),
    "fractions for places": with_values(NAME + REASON, lambda found: found.astype(float)),
    "a reason that is not there": with_values(NAME + REASON, lambda found: found + 10_000),
    "a reason before the first": with_values(NAME + REASON, lambda found: found - 5),
    "other dims": lambda dataset: dataset.rename_dims(replica="copy"),
    "turned dims": with_values(NAME, lambda found: found.transpose()),
    "one dim less": with_values(NAME, lambda found: found.isel(replica=0)),
    "no units": lambda dataset: _attrs(dataset, units=None),
    "no pool": lambda dataset: _attrs(dataset, pool="median"),
    "a pool of lists": lambda dataset: _attrs(dataset, pool=np.arange(3)),
    "nothing": lambda dataset: xr.Dataset({"a.b": ((), 1.0, {"units": "1"})}),
}


def _attrs(dataset: xr.Dataset, **changes: object) -> xr.Dataset:
    copy = dataset.copy()
    kept = {name: value for name, value in (copy[NAME].attrs | changes).items() if value is not None}
    copy[NAME].attrs = kept
    return copy


@pytest.mark.parametrize("how", FORGED)
def test_it_is_refused(world, how: str) -> None:
    made = world().fill(lambda run: 0.25)
    sound = made.dataset()
    assert from_dataset(sound).quantities
    with pytest.raises(StoreError, match="no measurements of this program"):
        from_dataset(FORGED[how](sound))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_taken_out_or_replaced_ends_in_our_own_error(data: st.DataObject, forged_world) -> None:
    """Judged and tabulated too, where it was not refused."""
    made, dataset = forged_world
    names = st.sampled_from(sorted(map(str, dataset.variables)))
    forged = dataset.copy()
    for _ in range(data.draw(st.integers(1, 3))):
        name = data.draw(names)
        if name in forged.variables:
            forged = data.draw(st.sampled_from(CHANGES))(forged, name)
    try:
        found = from_dataset(forged)
        judge_models(made.study, found)
        tabulate(made.study, found)
    except MDProtocolError:
        pass


def _nan(dataset: xr.Dataset, name: str) -> xr.Dataset:
    return dataset.assign({name: dataset[name] * np.nan}) if dataset[name].dtype.kind in "fi" else dataset


def _first(dataset: xr.Dataset, name: str) -> xr.Dataset:
    dims = dataset[name].dims
    return dataset.isel({dims[0]: slice(0, 1)}) if dims else dataset


def _empty(dataset: xr.Dataset, name: str) -> xr.Dataset:
    dims = dataset[name].dims
    return dataset.isel({dims[0]: slice(0, 0)}) if dims else dataset


CHANGES = [
    lambda dataset, name: dataset.drop_vars(name),
    lambda dataset, name: dataset.assign({name: 1.0}) if name not in dataset.dims else dataset,
    lambda dataset, name: dataset.assign({name: (dataset[name].dims, dataset[name].values.astype(object))}),
    _nan,
    _first,
    _empty,
]


@pytest.fixture
def forged_world(world):
    made = world().fill(lambda run: 0.25)
    return made, made.dataset()


def test_a_file_that_cannot_be_read_to_its_end_is_our_own_error(tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path)
    (tmp_path / "measurements.nc").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(StoreError):
        folder.load("measurements.nc")
