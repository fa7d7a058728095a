"""Measure every metric on every run and probe. Whatever goes wrong becomes a reason for NOT MEASURED, never a crash.

Runs of one system, simulation and temperature are one part of the work: what compares them needs their files together, and
each file is opened once. Parts know nothing of each other, so that they can be measured in any order and by anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from mdprotocol.assess.inert import inert
from mdprotocol.assess.labelled import NO_LABELS, LabelCount, count_labels
from mdprotocol.assess.measurements import Extra, Measurements, Reading
from mdprotocol.assess.measurements_file import RESERVED
from mdprotocol.assess.opening import failure, if_failed, opened
from mdprotocol.contracts import ComparisonMetric, Metric, ProbeMetric, ReplicaComparison, Values
from mdprotocol.errors import NotMeasurable
from mdprotocol.plan.itself import ITSELF, against_itself
from mdprotocol.plan.metrics import REFERENCE_VARIABLES, needs_labels
from mdprotocol.plan.study import Study
from mdprotocol.plan.types import Condition, Probe, Run
from mdprotocol.protocol.schema import REFERENCE, LabelRules
from mdprotocol.store import ResultsFolder
from mdprotocol.surroundings import kept_folder

SHARED_BYTES = 32 << 20
"""A variable up to this size is read once for all metrics; a larger one for each, so that memory holds one at a time."""


@dataclass(frozen=True)
class Part:
    """Runs that are measured together, with those of the reference that they are compared with; or probes.

    Attributes:
        metrics: by their name in the protocol.
        itself: (model, name of a metric) where the metric would compare the reference with itself.
        rules: when the reference's labels are enough.
    """

    root: Path
    metrics: Mapping[str, Metric]
    itself: frozenset[tuple[str, str]]
    rules: LabelRules
    runs: tuple[Run, ...] = ()
    references: tuple[Run, ...] = ()
    probes: tuple[Probe, ...] = ()


Spread = Callable[[Sequence[Part]], Iterable[Measurements]]
"""Measures parts, in any order."""


def measure(study: Study, folder: ResultsFolder, spread: Spread | None = None) -> Measurements:
    """Measure all metrics on all planned runs and probes; where an identity is given, only a file that has it is trusted.

    Args:
        spread: measures the parts, on several workers perhaps; one after the other here where None. What comes out does
            not depend on it.
    """
    return Measurements.joined((spread or _in_turn)(_parts(study, folder)), (item.id for item in study.items))


def _in_turn(parts: Sequence[Part]) -> Iterable[Measurements]:
    return map(measure_part, parts)


def _parts(study: Study, folder: ResultsFolder) -> list[Part]:
    """The work in parts, those with the most runs first."""
    models = {run.model for run in study.runs}
    itself = frozenset(
        (m, name) for m in models for name, metric in study.metrics.items() if against_itself(study.protocol, m, metric)
    )
    whole = Part(folder.root.absolute(), study.metrics, itself, study.protocol.labels)
    groups: dict[Condition, list[Run]] = {}
    for run in study.runs:
        groups.setdefault(run.condition, []).append(run)
    parts = [
        replace(whole, runs=tuple(group), references=tuple(run for run in group if run.model == REFERENCE))
        for group in sorted(groups.values(), key=lambda group: -len(group))
    ]
    return [*parts, replace(whole, probes=study.probes)] if study.probes else parts


def measure_part(part: Part) -> Measurements:
    """Measure one part."""
    readings: dict[str, dict[str, Reading]] = {}
    items: tuple[Run | Probe, ...] = (*part.runs, *part.probes)
    with kept_folder(), ExitStack() as stack:
        files = _Files(part, stack)
        outcomes = {run.id: files.outcome(run) for run in part.runs}  # before any metric has its hands on a file
        for item in items:
            for quantity, reading in (files.run(item) if isinstance(item, Run) else files.probe(item)).items():
                readings.setdefault(quantity, {})[item.id] = reading
        return Measurements(
            quantities={f"{name}.{q}": spec for name, m in part.metrics.items() for q, spec in m.quantities.items()},
            readings=readings,
            outcomes=outcomes,
            labels={run.id: files.labels(run) for run in part.runs},
        )


class _Files:
    """The files of a part, each opened once, and what metrics say of them."""

    def __init__(self, part: Part, stack: ExitStack) -> None:
        self.part, self.metrics, self.stack = part, part.metrics, stack
        self.folder = ResultsFolder(part.root)
        self.references = {_pair(run): run for run in part.references}
        self._open: dict[str, xr.Dataset | str] = {}
        self._trusted: dict[str, _RunFile | str] = {}

    def opened(self, item: Run | Probe) -> xr.Dataset | str:
        if item.id not in self._open:
            self._open[item.id] = opened(self.folder, item, self.stack)
        return self._open[item.id]

    def run_file(self, run: Run) -> _RunFile | str:
        """A run's file, or why there is none that metrics can be asked about."""
        if run.id not in self._trusted:
            dataset = self.opened(run)
            self._trusted[run.id] = dataset if isinstance(dataset, str) else _run_file(run, dataset, self.part.rules)
        return self._trusted[run.id]

    def outcome(self, run: Run) -> str:
        """What became of a run: completed, failed or missing."""
        dataset = self.opened(run)
        return "missing" if isinstance(dataset, str) else str(dataset.attrs["outcome"])

    def labels(self, run: Run) -> LabelCount:
        """Labels of a run; none where there is no file that metrics can be asked about."""
        file = self.run_file(run)
        return NO_LABELS if isinstance(file, str) else file.labels

    def run(self, run: Run) -> dict[str, Reading]:
        """What the metrics on trajectories say of a run, by quantity."""
        file, labels = self.run_file(run), self.labels(run)
        readings: dict[str, Reading] = {}
        for name, metric in self.metrics.items():
            if not isinstance(metric, ProbeMetric):
                readings |= _readings(name, metric, self._of_run(name, metric, run, file), labels)
        return readings

    def _of_run(self, name: str, metric: Metric, run: Run, file: _RunFile | str) -> Values | str:
        if isinstance(file, str):
            return file
        if (run.model, name) in self.part.itself:
            return ITSELF
        if not metric.measures_failed and file.dataset.attrs["outcome"] == "failed":
            return f"{if_failed(file.dataset)}only runs that reached their end are measured"
        if needs_labels(metric) and file.labels.problem:
            return f"{if_failed(file.dataset)}{file.labels.problem}"
        if not isinstance(metric, ComparisonMetric):
            return _attempt(metric, lambda: metric.measure(_guarded(metric, file.dataset)), file.dataset)
        partner = self.references.get(_pair(run))
        if partner is None:
            return f"simulation {run.simulation} has no reference trajectory (reference_trajectory: true)"
        if partner is run:
            return "the reference is not compared with itself"
        other = self._completed(partner)
        if isinstance(other, str):
            return f"the reference's own run {partner.id}: {other}"
        return _attempt(metric, lambda: self._compared(metric, file.dataset, other, partner), file.dataset)

    def _completed(self, run: Run) -> xr.Dataset | str:
        """A run that others may be compared with, or why it is none."""
        file = self.run_file(run)
        if isinstance(file, str):
            return file
        return f"it {failure(file.dataset)}" if file.dataset.attrs["outcome"] != "completed" else file.dataset

    def _compared(self, metric: ComparisonMetric, dataset: xr.Dataset, other: xr.Dataset, partner: Run) -> Values:
        run, reference = _guarded(metric, dataset), _guarded(metric, other)
        if not isinstance(metric, ReplicaComparison):
            return metric.compare(run, reference)
        return metric.compare_replicas(run, reference, [_guarded(metric, d) for d in self._siblings(partner)])

    def _siblings(self, partner: Run) -> list[xr.Dataset]:
        """The reference's completed runs of every other replica, where they can be trusted.

        Where one is lost, its own pair has no value, and with it none of the condition's pooled numbers.
        """
        found = [self._completed(run) for run in self.references.values() if run is not partner]
        return [dataset for dataset in found if not isinstance(dataset, str)]

    def probe(self, probe: Probe) -> dict[str, Reading]:
        """What its metric says of a probe, by quantity; nothing where that is not measured."""
        metric = self.metrics.get(probe.metric)
        if not isinstance(metric, ProbeMetric):
            return {}
        dataset = self.opened(probe)
        if isinstance(dataset, str):
            found: Values | str = dataset
        elif dataset.attrs.get("outcome") == "failed":
            found = f"the probe failed: {dataset.attrs.get('failure_detail', 'no cause recorded')}"
        else:
            found = _attempt(metric, lambda: metric.measure(_guarded(metric, dataset)), dataset)
        return _readings(probe.metric, metric, found)


@dataclass(frozen=True)
class _RunFile:
    """What metrics may be asked about: a run in which something happened.

    Attributes:
        dataset: without its labels where they are not enough, so that nobody measures anything from them.
    """

    dataset: xr.Dataset
    labels: LabelCount


def _run_file(run: Run, dataset: xr.Dataset, rules: LabelRules) -> _RunFile | str:
    labels = count_labels(run, dataset, rules)
    if labels.problem:
        dataset = dataset.drop_vars([name for name in REFERENCE_VARIABLES if name in dataset.variables])
    return inert(dataset) or _RunFile(dataset, labels)


def _readings(name: str, metric: Metric, found: Values | str, labels: LabelCount = NO_LABELS) -> dict[str, Reading]:
    """What a metric said, quantity by quantity.

    Args:
        labels: of the run; where they are not enough, that is the likely reason why a quantity was left out.
    """
    unknown = sorted(map(str, set(found) - set(metric.quantities))) if not isinstance(found, str) else []
    if unknown:
        found = f"the metric returned {unknown[0]}, which is not among its quantities"
    count = labels.given if needs_labels(metric) else None
    return {f"{name}.{quantity}": _reading(found, quantity, labels.problem, count) for quantity in metric.quantities}


def _pair(run: Run) -> tuple[str, str, float, int]:
    return run.system, run.simulation, run.temperature_K, run.replica


# -------------------------------------------------------------------------------------------------- asking metrics


def _guarded(metric: Metric, dataset: xr.Dataset) -> xr.Dataset:
    """The dataset as a metric may see it: needed variables there, finite and read-only.

    Raises:
        NotMeasurable: a needed variable is missing or holds a number that is not finite.
    """
    for name in metric.needs & dataset.variables.keys():
        if dataset.variables[name].nbytes <= SHARED_BYTES:
            dataset.variables[name].load()  # the copy shares it, and so will the next metric's
    view = dataset.copy(deep=False)
    for other in dataset.data_vars.keys() - metric.needs:
        if not dataset.variables[other]._in_memory:  # not read yet: what this metric writes into it is for itself alone
            view._variables[other] = dataset.variables[other].copy(deep=True)
    for name in sorted(metric.needs):
        if name not in view.variables:
            raise NotMeasurable(f"the run has no {name}")
        values = view.variables[name].values
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            first = np.argwhere(~np.isfinite(values))[0]
            raise NotMeasurable(
                f"{name} is not finite (first at {view.variables[name].dims[0]} {first[0]})" if first.size else name
            )
        values.flags.writeable = False
    return view


def _attempt(metric: Metric, ask: Callable[[], Any], dataset: xr.Dataset) -> Values | str:
    """Ask a metric; an exception becomes a reason."""
    failed = if_failed(dataset)
    try:
        found = ask()
    except NotMeasurable as error:
        return f"{failed}{error}"
    except Exception as error:
        return f"{failed}the metric raised {type(error).__name__}: {' '.join(str(error).split())}"
    if not isinstance(found, Mapping):
        return f"the metric returned {type(found).__name__} where it should return values by quantity"
    return found


def _reading(found: Values | str, quantity: str, missing: str, labels: int | None) -> Reading:
    if isinstance(found, str):
        return Reading({}, found)
    if quantity not in found:
        return Reading({}, f"the metric gave no {quantity} for this run{f' ({missing})' if missing else ''}")
    try:
        values = _plain_values(found[quantity])
    except Exception as error:  # whatever a plugin may have returned
        return Reading({}, f"the metric returned an unusable {quantity}: {error}")
    bad = [value for value in values.values() if not np.isfinite(value)]
    if bad or not values:
        return Reading({}, f"the metric returned {bad[0] if bad else 'no value'} for {quantity}")
    return Reading(values, labels=labels)


def _plain_values(value: Any) -> dict[Extra, float]:
    """Values by extra coordinates."""
    if not isinstance(value, xr.DataArray):
        return {(): float(value)}
    dims = [str(dim) for dim in value.dims]
    taken = set(dims) & RESERVED
    if taken:
        raise ValueError(f"the dim name {sorted(taken)[0]} is taken")
    axes = {dim: value[dim].values.tolist() for dim in dims}
    for dim, axis in axes.items():
        _check_axis(dim, axis)
    numbers = np.asarray(value.values, dtype=float)
    return {
        tuple((dim, axis[i]) for (dim, axis), i in zip(axes.items(), at, strict=True)): float(numbers[at])
        for at in np.ndindex(*numbers.shape)
    }


def _check_axis(dim: str, axis: list[Any]) -> None:
    """A dim as it can be stored: a plain name, and places along it that are all texts or all numbers, each once."""
    kinds = {"text" if isinstance(x, str) else "number" if isinstance(x, int | float) else "other" for x in axis}
    if not dim.isidentifier() or "other" in kinds or len(kinds) > 1:
        raise ValueError(f"the dim '{dim}' is not made of a plain name, and of texts or numbers")
    if len(set(axis)) < len(axis):
        raise ValueError(f"the dim '{dim}' has a place twice")
