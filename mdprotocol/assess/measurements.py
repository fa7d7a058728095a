"""All measurements as one labelled dataset, which is `measurements.nc`: what judging and reporting work from.

For each quantity, with dims `model, system, simulation, temperature, replica` (a probe's: `model, system`):

    <metric>.<quantity>           float64; attrs units, long_name, pool, positive (deterministic, where it is); dims of the
                                  metric's own (element, ...) follow. NaN where there is no value. Attr needs_labels where
                                  it compares with the reference's labels.
    <metric>.<quantity>__reason   int32 index into `reason`: 0 measured, 1 not planned, else why it was not measured.

and once: `reason` (texts), `run` (id of the planned run, empty where none was planned), `run_outcome` (completed,
failed or missing), `run_labels` and `run_labels_planned` (frames that the reference labelled, and was to label). A NaN
at extra coordinates next to reason 0 means that the coordinate does not exist there (no oxygen in methane).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, get_args

import numpy as np
import xarray as xr

from mdprotocol.assess.labelled import LabelCount
from mdprotocol.assess.places import PROBE_DIMS, RUN_DIMS, Extra, Place, Reading
from mdprotocol.contracts import Pool, Quantity
from mdprotocol.errors import StoreError
from mdprotocol.plan import Probe, Run
from mdprotocol.plan.types import Coordinate

MEASURED, NOT_PLANNED = 0, 1
REASON = "__reason"
NEEDS_LABELS = "needs_labels"
FORMAT = 2


@dataclass(frozen=True)
class Entry:
    """Readings of one quantity at all of its places.

    Attributes:
        needs_labels: whether it compares with frames that the reference labelled.
    """

    name: str
    quantity: Quantity
    readings: Mapping[Place, Reading]
    needs_labels: bool = False


@dataclass(frozen=True)
class Measurements:
    """Measurements of all metrics at all places."""

    dataset: xr.Dataset
    _cache: dict[str, _Table] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def stored(cls, dataset: xr.Dataset) -> Measurements:
        """Measurements as a file has them.

        Raises:
            StoreError: it is not laid out as one of ours.
        """
        try:
            found = cls(dataset)
            _check(found)
        except Exception as error:  # whatever stands in a file
            raise StoreError(
                f"these are no measurements of this program ({error}); `mdprotocol judge` measures again"
            ) from error
        return found

    @property
    def quantities(self) -> dict[str, Quantity]:
        """Every quantity by its name `metric.quantity`, as stored."""
        names = [str(name) for name in self.dataset.data_vars if "." in str(name) and not str(name).endswith(REASON)]
        return {name: _quantity(self.dataset.variables[name].attrs) for name in names}

    @cached_property
    def run_outcomes(self) -> dict[Place, str]:
        """Planned run -> completed, failed or missing."""
        return dict(self._planned("run", "run_outcome"))

    @cached_property
    def run_labels(self) -> dict[Place, int]:
        """Planned run -> number of its frames that the reference labelled."""
        return {place: int(count) for place, count in self._planned("run", "run_labels")}

    def labels(self, quantity: str, place: Place) -> int | None:
        """Number of labels behind what was measured at a place; None where the quantity needs none."""
        needed = quantity in self.dataset.variables and self.dataset.variables[quantity].attrs.get(NEEDS_LABELS)
        return self.run_labels.get(place, 0) if needed else None

    def places(self, quantity: str) -> list[Place]:
        """Planned places of a quantity, in the order of the dataset."""
        if self.dataset.variables[quantity + REASON].dims == RUN_DIMS:
            return list(self.run_outcomes)
        return [place for place, _ in self._planned(None, quantity + REASON)]

    def reading(self, quantity: str, place: Place) -> Reading:
        """What was measured at a place; where nothing is stored, a reading with that as its reason."""
        if quantity not in self.dataset.variables:
            return Reading({}, f"{quantity} is not among the stored measurements; measure again")
        if quantity not in self._cache:
            self._cache[quantity] = _Table(self.dataset, quantity)
        return self._cache[quantity].reading(place)

    def _planned(self, ids: str | None, marker: str) -> Iterator[tuple[Place, Any]]:
        variables = self.dataset.variables
        dims = [str(dim) for dim in variables[marker].dims]
        axes = [variables[dim].values.tolist() for dim in dims]
        markers = variables[marker].values
        names = variables[ids].values if ids else None
        for index in np.ndindex(*markers.shape):
            absent = markers[index] == NOT_PLANNED if names is None else names[index] == ""
            if not absent:
                coordinates = {dim: axis[i] for dim, axis, i in zip(dims, axes, index, strict=True)}
                name = str(names[index]) if names is not None else ""
                yield Place(name, **coordinates), markers[index]


def _check(found: Measurements) -> None:
    """Every variable that is looked up is there, with the dims and the kind of values that it is taken to have."""
    variables, quantities = found.dataset.variables, found.quantities
    version = found.dataset.attrs.get("mdprotocol_measurements", 0)
    if version != FORMAT:
        raise ValueError(f"they have format {version}, and this version reads format {FORMAT}")
    layout: list[tuple[str, tuple[Any, ...], str]] = [
        ("run", RUN_DIMS, "OU"),
        ("run_outcome", RUN_DIMS, "OU"),
        ("run_labels", RUN_DIMS, "i"),
        ("run_labels_planned", RUN_DIMS, "i"),
        ("reason", ("reason_index",), "OU"),
    ]
    for name, quantity in quantities.items():
        dims: tuple[str, ...] = PROBE_DIMS if variables[name + REASON].dims == PROBE_DIMS else RUN_DIMS
        layout += [(name + REASON, dims, "i"), (name, (*dims, *variables[name].dims[len(dims) :]), "f")]
        if quantity.pool not in get_args(Pool):
            raise ValueError(f"{name} has no pool of ours")
    for name, wanted, kinds in layout:
        missing = [dim for dim in wanted if dim not in variables and dim != "reason_index"]
        if variables[name].dims != wanted or variables[name].dtype.kind not in kinds or missing:
            raise ValueError(f"{name} has other dims or values")
    codes = [variables[name + REASON].values for name in quantities]
    if any(c.size and not 0 <= c.min() <= c.max() < variables["reason"].size for c in codes):
        raise ValueError("a reason is missing")


def _quantity(attrs: Mapping[str, Any]) -> Quantity:
    return Quantity(
        str(attrs["units"]),
        str(attrs["long_name"]),
        attrs["pool"],
        positive=bool(attrs.get("positive", 0)),
        deterministic=bool(attrs.get("deterministic", 0)),
    )


class _Table:
    """One quantity as numpy arrays with look-up of coordinates."""

    def __init__(self, dataset: xr.Dataset, quantity: str) -> None:
        variables = dataset.variables
        codes = variables[quantity + REASON]
        self.codes, self.values = codes.values, variables[quantity].values
        self.reasons = variables["reason"].values
        self.index = {str(dim): {v: i for i, v in enumerate(variables[dim].values.tolist())} for dim in codes.dims}
        extra = [str(dim) for dim in variables[quantity].dims[codes.ndim :]]
        axes = [variables[dim].values.tolist() for dim in extra]
        shape = tuple(len(axis) for axis in axes)
        self.extras: list[tuple[tuple[int, ...], Extra]] = [
            (at, tuple((dim, axis[i]) for dim, axis, i in zip(extra, axes, at, strict=True)))
            for at in np.ndindex(*shape)
        ]

    def reading(self, place: Place) -> Reading:
        coordinates = place.coordinates
        try:
            at = tuple(axis[coordinates[dim]] for dim, axis in self.index.items())
        except KeyError:
            return Reading({}, "the stored measurements do not cover it; measure again")
        code = int(self.codes[at])
        if code != MEASURED:
            text = str(self.reasons[code]) if code != NOT_PLANNED else "it was not planned when this was measured"
            return Reading({}, text)
        values = {extra: float(self.values[at + inner]) for inner, extra in self.extras}
        found = {extra: value for extra, value in values.items() if not np.isnan(value)}
        if not found or not np.isfinite(list(found.values())).all():
            return Reading({}, "the stored measurement is no number; measure again")
        return Reading(found)


def collect(
    entries: Iterable[Entry], outcomes: Mapping[Place, str], labels: Mapping[Place, LabelCount] | None = None
) -> Measurements:
    """Put readings together into the dataset.

    Args:
        entries: one a quantity.
        outcomes: every planned run with what became of it (completed, failed, missing).
        labels: those of every run that has some, or was to have.
    """
    entries = list(entries)
    probes = [place for entry in entries for place in entry.readings if place.is_probe]
    axes = axes_of([*outcomes, *probes])
    reasons = {"": MEASURED, "not planned": NOT_PLANNED}
    variables: dict[str, Any] = dict(_run_table(outcomes, labels or {}, axes))
    extra_axes: dict[str, list[Coordinate]] = _extra_axes(entries)
    for entry in entries:
        variables.update(_variables(entry, axes, extra_axes, reasons))
    variables["reason"] = ("reason_index", np.array(list(reasons), dtype=object), {"long_name": "why not measured"})
    coords = {dim: (dim, _array(values), _axis_attrs(dim)) for dim, values in {**axes, **extra_axes}.items()}
    return Measurements(xr.Dataset(variables, coords, {"mdprotocol_measurements": FORMAT}))


def axes_of(places: Sequence[Place | Run | Probe]) -> dict[str, list[Coordinate]]:
    """Coordinates in the order of the plan; temperatures and replicas in rising order."""
    axes: dict[str, list[Coordinate]] = {}
    for dim in RUN_DIMS:
        found = dict.fromkeys(place.coordinates[dim] for place in places if dim in place.coordinates)
        axes[dim] = sorted(found) if dim in ("temperature", "replica") else list(found)
    return axes


def _extra_axes(entries: Sequence[Entry]) -> dict[str, list[Coordinate]]:
    axes: dict[str, dict[Coordinate, None]] = {}
    for entry in entries:
        for reading in entry.readings.values():
            for extra in reading.values:
                for dim, value in extra:
                    axes.setdefault(dim, {})[value] = None
    return {dim: _sorted(values) for dim, values in axes.items()}


def _sorted(values: Iterable[Coordinate]) -> list[Coordinate]:
    listed = list(values)
    if any(isinstance(value, str) for value in listed):
        return list(dict.fromkeys(str(value) for value in listed))
    return sorted(listed)


def _run_table(
    outcomes: Mapping[Place, str], labels: Mapping[Place, LabelCount], axes: Mapping[str, list[Coordinate]]
) -> Iterator[tuple[str, Any]]:
    shape = tuple(len(axes[dim]) for dim in RUN_DIMS)
    ids, states = np.full(shape, "", dtype=object), np.full(shape, "", dtype=object)
    given, planned = np.zeros(shape, dtype=np.int32), np.zeros(shape, dtype=np.int32)
    for place, outcome in outcomes.items():
        at, count = _at(place, RUN_DIMS, axes), labels.get(place, LabelCount())
        ids[at], states[at], given[at], planned[at] = place.id, outcome, count.given, count.planned
    yield "run", (RUN_DIMS, ids, {"long_name": "id of the planned run"})
    yield "run_outcome", (RUN_DIMS, states, {"long_name": "completed, failed or missing"})
    attrs = {"units": "1", "long_name": "frames that the reference labelled"}
    yield "run_labels", (RUN_DIMS, given, attrs)
    attrs = {"units": "1", "long_name": "frames that the reference was to label, of those that the run has"}
    yield "run_labels_planned", (RUN_DIMS, planned, attrs)


def _variables(
    entry: Entry,
    axes: Mapping[str, list[Coordinate]],
    extra_axes: Mapping[str, list[Coordinate]],
    reasons: dict[str, int],
) -> Iterator[tuple[str, Any]]:
    dims = PROBE_DIMS if any(place.is_probe for place in entry.readings) else RUN_DIMS
    extra = tuple(dict.fromkeys(dim for r in entry.readings.values() for key in r.values for dim, _ in key))
    values = np.full([len(axes[dim]) for dim in dims] + [len(extra_axes[dim]) for dim in extra], np.nan)
    codes = np.full([len(axes[dim]) for dim in dims], NOT_PLANNED, dtype=np.int32)
    for place, reading in entry.readings.items():
        at = _at(place, dims, axes)
        codes[at] = reasons.setdefault(reading.reason, len(reasons))
        for key, value in reading.values.items():
            values[at + tuple(extra_axes[dim].index(coordinate) for dim, coordinate in key)] = value
    q = entry.quantity
    attrs: dict[str, Any] = {"units": q.units, "long_name": q.long_name, "pool": q.pool}
    attrs |= {"positive": int(q.positive)} | ({"deterministic": 1} if q.deterministic else {})
    attrs |= {NEEDS_LABELS: 1} if entry.needs_labels else {}
    yield entry.name, ((*dims, *extra), values, attrs)
    attrs = {"units": "1", "long_name": f"index into `reason`: why {entry.name} was not measured; 0 where it was"}
    yield entry.name + REASON, (dims, codes, attrs)


def _at(place: Place, dims: Sequence[str], axes: Mapping[str, list[Coordinate]]) -> tuple[int, ...]:
    coordinates = place.coordinates
    return tuple(axes[dim].index(coordinates[dim]) for dim in dims)


def _array(values: Sequence[Coordinate]) -> np.ndarray:
    textual = any(isinstance(value, str) for value in values)
    return np.array(values, dtype=object if textual else None) if values else np.array([], dtype=float)


def _axis_attrs(dim: str) -> dict[str, str]:
    units = {"temperature": "K"}.get(dim, "1")
    return {"units": units, "long_name": "target temperature" if dim == "temperature" else dim.replace("_", " ")}
