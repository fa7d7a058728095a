"""The file form of measurements: one labelled dataset, `measurements.nc`. Written once, and read by `report` alone.

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
from typing import Any, get_args

import numpy as np
import xarray as xr

from mdprotocol.assess.labelled import NO_LABELS, LabelCount
from mdprotocol.assess.measurements import Extra, Measurements, Reading
from mdprotocol.contracts import Pool, Quantity
from mdprotocol.errors import StoreError
from mdprotocol.plan import Probe, Run, Study, split_quantity
from mdprotocol.plan.metrics import needs_labels
from mdprotocol.plan.types import Coordinate, probe_id

RUN_DIMS = ("model", "system", "simulation", "temperature", "replica")
PROBE_DIMS = ("model", "system")
RESERVED = frozenset({*RUN_DIMS, "run", "reason", "reason_index", "run_outcome", "run_labels", "run_labels_planned"})
"""Names that no metric's own dim can have."""
MEASURED, NOT_PLANNED = 0, 1
REASON = "__reason"
NEEDS_LABELS = "needs_labels"
FORMAT = 2
Index = tuple[int, ...]
Axes = Mapping[str, list[Coordinate]]


# ---------------------------------------------------------------------------------------------------------- writing


def to_dataset(found: Measurements, study: Study) -> xr.Dataset:
    """Measurements as a file has them.

    Args:
        study: what was measured, with the coordinates of its runs and probes.
    """
    read = {one for at in found.readings.values() for one in at}
    items = [item for item in study.items if item.id in found.outcomes or item.id in read]
    axes, own_axes = axes_of(items), _own_axes(found)
    reasons = {"": MEASURED, "not planned": NOT_PLANNED}
    variables: dict[str, Any] = dict(_run_table(found, [item for item in items if isinstance(item, Run)], axes))
    for name, at in found.readings.items():
        metric = study.metrics.get(split_quantity(name)[0])
        attrs = _attrs(found.quantities[name]) | ({NEEDS_LABELS: 1} if metric and needs_labels(metric) else {})
        there = [(item, at[item.id]) for item in items if item.id in at]
        variables.update(_variables(name, there, {**axes, **own_axes}, reasons, attrs))
    variables["reason"] = ("reason_index", np.array(list(reasons), dtype=object), {"long_name": "why not measured"})
    coords = {dim: (dim, _array(values), _axis_attrs(dim)) for dim, values in {**axes, **own_axes}.items()}
    return xr.Dataset(variables, coords, {"mdprotocol_measurements": FORMAT})


def axes_of(items: Sequence[Run | Probe]) -> dict[str, list[Coordinate]]:
    """Coordinates in the order of the plan; temperatures and replicas in rising order."""
    axes: dict[str, list[Coordinate]] = {}
    for dim in RUN_DIMS:
        found = dict.fromkeys(at[dim] for at in map(_coordinates, items) if dim in at)
        axes[dim] = sorted(found) if dim in ("temperature", "replica") else list(found)
    return axes


def _coordinates(item: Run | Probe) -> dict[str, Coordinate]:
    return item.coordinates | ({"replica": item.replica} if isinstance(item, Run) else {})


def _own_axes(found: Measurements) -> dict[str, list[Coordinate]]:
    """Axes of the metrics' own dims."""
    axes: dict[str, dict[Coordinate, None]] = {}
    for reading in (reading for at in found.readings.values() for reading in at.values()):
        for dim, value in (pair for point in reading.values for pair in point):
            axes.setdefault(dim, {})[value] = None
    return {dim: _sorted(values) for dim, values in axes.items()}


def _sorted(values: Iterable[Coordinate]) -> list[Coordinate]:
    listed = list(values)
    if any(isinstance(value, str) for value in listed):
        return list(dict.fromkeys(str(value) for value in listed))
    return sorted(listed)


def _run_table(found: Measurements, runs: Sequence[Run], axes: Axes) -> Iterator[tuple[str, Any]]:
    shape = tuple(len(axes[dim]) for dim in RUN_DIMS)
    ids, states = np.full(shape, "", dtype=object), np.full(shape, "", dtype=object)
    given, planned = np.zeros(shape, dtype=np.int32), np.zeros(shape, dtype=np.int32)
    for run in runs:
        at, count = _at(run, RUN_DIMS, axes), found.labels.get(run.id, NO_LABELS)
        ids[at], states[at], given[at], planned[at] = run.id, found.outcomes[run.id], count.given, count.planned
    yield "run", (RUN_DIMS, ids, {"long_name": "id of the planned run"})
    yield "run_outcome", (RUN_DIMS, states, {"long_name": "completed, failed or missing"})
    attrs = {"units": "1", "long_name": "frames that the reference labelled"}
    yield "run_labels", (RUN_DIMS, given, attrs)
    attrs = {"units": "1", "long_name": "frames that the reference was to label, of those that the run has"}
    yield "run_labels_planned", (RUN_DIMS, planned, attrs)


def _variables(
    name: str,
    readings: Sequence[tuple[Run | Probe, Reading]],
    axes: Axes,
    reasons: dict[str, int],
    attrs: Mapping[str, Any],
) -> Iterator[tuple[str, Any]]:
    """A quantity's values and the codes of its reasons; new reasons are added to `reasons`."""
    dims = PROBE_DIMS if any(isinstance(item, Probe) for item, _ in readings) else RUN_DIMS
    own = tuple(dict.fromkeys(dim for _, reading in readings for point in reading.values for dim, _ in point))
    values = np.full([len(axes[dim]) for dim in (*dims, *own)], np.nan)
    codes = np.full([len(axes[dim]) for dim in dims], NOT_PLANNED, dtype=np.int32)
    for item, reading in readings:
        at = _at(item, dims, axes)
        codes[at] = reasons.setdefault(reading.reason, len(reasons))
        for point, value in reading.values.items():
            values[at + tuple(axes[dim].index(coordinate) for dim, coordinate in point)] = value
    yield name, ((*dims, *own), values, attrs)
    about = {"units": "1", "long_name": f"index into `reason`: why {name} was not measured; 0 where it was"}
    yield name + REASON, (dims, codes, about)


def _attrs(quantity: Quantity) -> dict[str, Any]:
    attrs: dict[str, Any] = {"units": quantity.units, "long_name": quantity.long_name, "pool": quantity.pool}
    return attrs | {"positive": int(quantity.positive)} | ({"deterministic": 1} if quantity.deterministic else {})


def _at(item: Run | Probe, dims: Sequence[str], axes: Axes) -> Index:
    coordinates = _coordinates(item)
    return tuple(axes[dim].index(coordinates[dim]) for dim in dims)


def _array(values: Sequence[Coordinate]) -> np.ndarray:
    textual = any(isinstance(value, str) for value in values)
    return np.array(values, dtype=object if textual else None) if values else np.array([], dtype=float)


def _axis_attrs(dim: str) -> dict[str, str]:
    units = {"temperature": "K"}.get(dim, "1")
    return {"units": units, "long_name": "target temperature" if dim == "temperature" else dim.replace("_", " ")}


# ---------------------------------------------------------------------------------------------------------- reading


def from_dataset(dataset: xr.Dataset) -> Measurements:
    """Measurements as a file has them.

    Raises:
        StoreError: it is not laid out as one of ours.
    """
    try:
        quantities = _quantities(dataset)
        _check(dataset, quantities)
        return _read(dataset, quantities)
    except Exception as error:  # whatever stands in a file
        raise StoreError(
            f"these are no measurements of this program ({error}); `mdprotocol judge` measures again"
        ) from error


def _quantities(dataset: xr.Dataset) -> dict[str, Quantity]:
    names = [str(name) for name in dataset.data_vars if "." in str(name) and not str(name).endswith(REASON)]
    return {name: _quantity(dataset.variables[name].attrs) for name in names}


def _quantity(attrs: Mapping[str, Any]) -> Quantity:
    return Quantity(
        str(attrs["units"]),
        str(attrs["long_name"]),
        attrs["pool"],
        positive=bool(attrs.get("positive", 0)),
        deterministic=bool(attrs.get("deterministic", 0)),
    )


def _check(dataset: xr.Dataset, quantities: Mapping[str, Quantity]) -> None:
    """Every variable that is looked up is there, with the dims and the kind of values that it is taken to have."""
    variables, version = dataset.variables, dataset.attrs.get("mdprotocol_measurements", 0)
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


def _read(dataset: xr.Dataset, quantities: Mapping[str, Quantity]) -> Measurements:
    variables = dataset.variables
    ids, outcomes = variables["run"].values, variables["run_outcome"].values
    given, planned = variables["run_labels"].values, variables["run_labels_planned"].values
    runs = {at: str(ids[at]) for at in np.ndindex(*ids.shape) if ids[at] != ""}
    labels = {run: LabelCount(int(planned[at]), int(given[at])) for at, run in runs.items()}
    return Measurements(
        quantities=quantities,
        readings={name: _readings(dataset, name, runs, labels) for name in quantities},
        outcomes={run: str(outcomes[at]) for at, run in runs.items()},
        labels=labels,
    )


def _readings(
    dataset: xr.Dataset, name: str, runs: Mapping[Index, str], labels: Mapping[str, LabelCount]
) -> dict[str, Reading]:
    """Readings of a quantity by the id of the run or probe; none where nothing was planned."""
    codes, reasons = dataset.variables[name + REASON].values, dataset.variables["reason"].values
    needed = bool(dataset.variables[name].attrs.get(NEEDS_LABELS))
    values, points = dataset.variables[name].values, _points(dataset, name, codes.ndim)
    found: dict[str, Reading] = {}
    for at, item in (runs if codes.ndim == len(RUN_DIMS) else _probes(dataset, name, codes.shape)).items():
        if codes[at] == MEASURED:
            numbers = {point: float(values[at + inner]) for inner, point in points}
            found[item] = _reading(numbers, labels.get(item, NO_LABELS).given if needed else None)
        elif codes[at] != NOT_PLANNED:
            found[item] = Reading({}, str(reasons[codes[at]]))
    return found


def _reading(numbers: Mapping[Extra, float], labels: int | None) -> Reading:
    values = {point: value for point, value in numbers.items() if not np.isnan(value)}
    if not values or not np.isfinite(list(values.values())).all():
        return Reading({}, "the stored measurement is no number; measure again")
    return Reading(values, labels=labels)


def _probes(dataset: xr.Dataset, name: str, shape: tuple[int, ...]) -> dict[Index, str]:
    """Ids of the probes that a quantity may have been measured on."""
    models, systems = (dataset.variables[dim].values.tolist() for dim in PROBE_DIMS)
    metric, _ = split_quantity(name)
    return {(m, s): probe_id(models[m], systems[s], metric) for m, s in np.ndindex(*shape)}


def _points(dataset: xr.Dataset, name: str, skip: int) -> list[tuple[Index, Extra]]:
    """Index and coordinates of every point of a quantity's own dims, which follow the first `skip` ones."""
    own = [str(dim) for dim in dataset.variables[name].dims[skip:]]
    axes = [dataset.variables[dim].values.tolist() for dim in own]
    indices = np.ndindex(*(len(axis) for axis in axes))
    return [(at, tuple((dim, axis[i]) for dim, axis, i in zip(own, axes, at, strict=True))) for at in indices]
