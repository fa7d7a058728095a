"""Measure every metric on every run and probe. Whatever goes wrong becomes a reason for NOT MEASURED, never a crash."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import xarray as xr

from mdprotocol.assess.measurements import Entry, Measurements, collect
from mdprotocol.assess.places import RUN_DIMS, Extra, Place, Reading
from mdprotocol.components import ComparisonMetric, Metric, ProbeMetric, ReplicaComparison, Values
from mdprotocol.errors import NotMeasurable, StoreError
from mdprotocol.plan.identity import settings_facts
from mdprotocol.plan.itself import ITSELF, against_itself
from mdprotocol.plan.types import Probe, Run
from mdprotocol.protocol.schema import REFERENCE, Protocol
from mdprotocol.store import ResultsFolder

Readings = dict[str, dict[Place, Reading]]


def measure(
    protocol: Protocol,
    metrics: Mapping[str, Metric],
    runs: Sequence[Run],
    probes: Sequence[Probe],
    folder: ResultsFolder,
) -> Measurements:
    """Measure all metrics on all planned runs and probes.

    Args:
        metrics: by their name in the protocol.
        runs, probes: what was planned; where an identity is given, only the file with this identity is trusted.
    """
    session = _Session(protocol, metrics, runs, folder)
    for run in runs:
        session.run(run)
    for probe in probes:
        session.probe(probe)
    return session.finish()


class _Session:
    """Collects readings by quantity."""

    def __init__(
        self, protocol: Protocol, metrics: Mapping[str, Metric], runs: Sequence[Run], folder: ResultsFolder
    ) -> None:
        self.protocol, self.metrics, self.folder = protocol, metrics, folder
        self.references = {_pair(run): run for run in runs if run.model == REFERENCE}
        self.readings: Readings = {f"{name}.{q}": {} for name, metric in metrics.items() for q in metric.quantities}
        self.outcomes: dict[Place, str] = {}

    def finish(self) -> Measurements:
        quantities = {f"{name}.{q}": spec for name, m in self.metrics.items() for q, spec in m.quantities.items()}
        # A quantity without any place (no probe was planned) has nothing to say and no dims to say it in.
        entries = [Entry(name, quantities[name], found) for name, found in self.readings.items() if found]
        return collect(entries, self.outcomes)

    def run(self, run: Run) -> None:
        place = Place.of(run)
        with ExitStack() as stack:
            dataset = _opened(self.folder, run, stack)
            self.outcomes[place] = "missing" if isinstance(dataset, str) else str(dataset.attrs["outcome"])
            for name, metric in self.metrics.items():
                if not isinstance(metric, ProbeMetric):
                    self.note(name, metric, place, self._of_run(metric, run, dataset, stack))

    def _of_run(self, metric: Metric, run: Run, dataset: xr.Dataset | str, stack: ExitStack) -> Values | str:
        if isinstance(dataset, str):
            return dataset
        if against_itself(self.protocol, run.model, metric):
            return ITSELF
        if not isinstance(metric, ComparisonMetric):
            return _attempt(metric, lambda: metric.measure(_guarded(metric, dataset)), dataset)
        partner = self.references.get(_pair(run))
        if partner is None:
            return f"simulation {run.simulation} has no reference trajectory (reference_trajectory: true)"
        if partner is run:
            return "the reference is not compared with itself"
        other = _opened(self.folder, partner, stack)
        if isinstance(other, str):
            return f"the reference's run: {other}"
        if other.attrs["outcome"] != "completed":
            return f"the reference's own run {_failure(other)}"
        return _attempt(metric, lambda: self._compared(metric, dataset, other, partner, stack), dataset)

    def _compared(
        self, metric: ComparisonMetric, dataset: xr.Dataset, other: xr.Dataset, partner: Run, stack: ExitStack
    ) -> Values:
        run, reference = _guarded(metric, dataset), _guarded(metric, other)
        if not isinstance(metric, ReplicaComparison):
            return metric.compare(run, reference)
        return metric.compare_replicas(run, reference, [_guarded(metric, d) for d in self._siblings(partner, stack)])

    def _siblings(self, partner: Run, stack: ExitStack) -> list[xr.Dataset]:
        """The reference's completed runs of every other replica, where they can be trusted."""
        same = [r for r in self.references.values() if _pair(r)[:3] == _pair(partner)[:3] and r is not partner]
        found = [_opened(self.folder, run, stack) for run in same]
        return [d for d in found if not isinstance(d, str) and d.attrs["outcome"] == "completed"]

    def probe(self, probe: Probe) -> None:
        metric = self.metrics.get(probe.metric)
        if not isinstance(metric, ProbeMetric):
            return
        with ExitStack() as stack:
            dataset = _opened(self.folder, probe, stack)
            if isinstance(dataset, str):
                found: Values | str = dataset
            elif dataset.attrs.get("outcome") == "failed":
                found = f"the probe failed: {dataset.attrs.get('failure_detail', 'no cause recorded')}"
            else:
                found = _attempt(metric, lambda: metric.measure(_guarded(metric, dataset)), dataset)
            self.note(probe.metric, metric, Place.of(probe), found)

    def note(self, name: str, metric: Metric, place: Place, found: Values | str) -> None:
        """File what a metric said, quantity by quantity."""
        unknown = sorted(set(found) - set(metric.quantities)) if not isinstance(found, str) else []
        if unknown:
            found = f"the metric returned {unknown[0]}, which is not among its quantities"
        for quantity in metric.quantities:
            self.readings[f"{name}.{quantity}"][place] = _reading(found, quantity)


def _pair(run: Run) -> tuple[str, str, float, int]:
    return run.system, run.simulation, run.temperature_K, run.replica


# ------------------------------------------------------------------------------------------------------ run files


def _opened(folder: ResultsFolder, item: Run | Probe, stack: ExitStack) -> xr.Dataset | str:
    """The dataset of a finished run or probe, or why there is none that can be trusted."""
    kind = "run" if isinstance(item, Run) else "probe"
    identity = folder.identity(item.path)
    if identity is None:
        problem = folder.problem(item.id, item.identity)
        return f"the {kind} failed: {problem}" if problem else f"the {kind} is missing or its file is damaged"
    if item.identity and identity != item.identity:
        return f"the stored {kind} is not the planned one (its settings, model or system differ); run it again"
    try:
        dataset = stack.enter_context(folder.open(item.path))
    except StoreError as error:
        return f"the {kind}'s file cannot be read: {error}"
    return _disagreement(item, dataset) or dataset


def _disagreement(item: Run | Probe, dataset: xr.Dataset) -> str:
    """What shows that a stored run was made from other settings, where no identity is at hand; empty if nothing does."""
    if isinstance(item, Probe):
        return ""
    attrs = dataset.attrs
    if "outcome" not in attrs:
        return "the run's file does not say how the run ended"
    try:
        stored = dict(json.loads(str(attrs.get("settings", "{}"))))
    except (ValueError, TypeError, RecursionError):
        return "the run's file does not say with which settings it was made"
    pairs = {key: (stored.get(key, value), value) for key, value in settings_facts(item.settings).items()}
    pairs["seed"] = (str(attrs.get("seed", item.seed)), str(item.seed))
    differing = sorted(key for key, (old, new) in pairs.items() if _classless(old) != _classless(new))
    if not differing:
        return ""
    return f"the stored run was made with other settings than the protocol's ({', '.join(differing)}); run it again"


def _classless(facts: Any) -> Any:
    """Settings without where the code of their classes lies and its version: `run` asks for these, judging takes stored
    runs as what they are.
    """
    if not isinstance(facts, dict):
        return facts
    return {key: _classless(value) for key, value in facts.items() if key not in ("class", "code")}


def _failure(dataset: xr.Dataset) -> str:
    attrs = dataset.attrs
    return f"failed ({attrs.get('failure_kind', 'unknown')} at {float(attrs.get('failure_time_fs', 0)):g} fs)"


# -------------------------------------------------------------------------------------------------- asking metrics


def _guarded(metric: Metric, dataset: xr.Dataset) -> xr.Dataset:
    """The dataset as a metric may see it: needed variables there, finite and read-only.

    Raises:
        NotMeasurable: a needed variable is missing or holds a number that is not finite.
    """
    view = dataset.copy(deep=False)
    for name in sorted(metric.needs):
        if name not in view.variables:
            raise NotMeasurable(f"the run has no {name}")
        values = view[name].values
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            first = np.argwhere(~np.isfinite(values))[0]
            raise NotMeasurable(
                f"{name} is not finite (first at {view[name].dims[0]} {first[0]})" if first.size else name
            )
        values.flags.writeable = False
    return view


def _attempt(metric: Metric, ask: Callable[[], Any], dataset: xr.Dataset) -> Values | str:
    """Ask a metric; an exception becomes a reason."""
    failed = f"the run {_failure(dataset)}: " if dataset.attrs.get("outcome") == "failed" else ""
    try:
        found = ask()
    except NotMeasurable as error:
        return f"{failed}{error}"
    except Exception as error:
        return f"{failed}the metric raised {type(error).__name__}: {' '.join(str(error).split())}"
    if not isinstance(found, Mapping):
        return f"the metric returned {type(found).__name__} where it should return values by quantity"
    return found


def _reading(found: Values | str, quantity: str) -> Reading:
    if isinstance(found, str):
        return Reading({}, found)
    if quantity not in found:
        return Reading({}, f"the metric gave no {quantity} for this run")
    try:
        values = _plain_values(found[quantity])
    except (TypeError, ValueError) as error:
        return Reading({}, f"the metric returned an unusable {quantity}: {error}")
    bad = [value for value in values.values() if not np.isfinite(value)]
    if bad or not values:
        return Reading({}, f"the metric returned {bad[0] if bad else 'no value'} for {quantity}")
    return Reading(values)


def _plain_values(value: Any) -> dict[Extra, float]:
    """Values by extra coordinates."""
    if not isinstance(value, xr.DataArray):
        return {(): float(value)}
    dims = [str(dim) for dim in value.dims]
    taken = set(dims) & {*RUN_DIMS, "run", "reason", "reason_index", "run_outcome"}
    if taken:
        raise ValueError(f"the dim name {sorted(taken)[0]} is taken")
    axes = [value[dim].values.tolist() for dim in dims]
    numbers = np.asarray(value.values, dtype=float)
    return {
        tuple((dim, axis[i]) for dim, axis, i in zip(dims, axes, at, strict=True)): float(numbers[at])
        for at in np.ndindex(*numbers.shape)
    }
