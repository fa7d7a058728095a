"""What any metric must do, as one check."""

from __future__ import annotations

import pickle

import numpy as np
import xarray as xr

from mdprotocol.contracts import ComparisonMetric, Metric, ProbeMetric, Values
from mdprotocol.testing.datasets import make_run
from mdprotocol.variables import RUN_VARIABLES


def check_metric(metric: Metric, run: xr.Dataset | None = None, reference: xr.Dataset | None = None) -> Values:
    """Check a metric against its contract on one run, and return what it measured.

    It must declare units and meaning of each quantity, need only known variables (a probe's are its own), give numbers
    that are not NaN for declared quantities only, leave the run unchanged, give the same twice, survive pickling, and
    be rebuilt from its options.

    Args:
        run: the run to measure; a synthetic one where absent. For a probe metric: what its `probe` gave.
        reference: the reference's run, for a comparison metric; a synthetic one where absent.

    Raises:
        AssertionError: the text says what is wrong.
    """
    _check_declared(metric)
    run = make_run() if run is None else run
    reference = make_run(seed=1) if reference is None else reference
    before = run.copy(deep=True)
    values = _values(metric, run, reference)
    assert run.identical(before), f"{metric.type} changed the dataset it was given"
    again = _values(pickle.loads(pickle.dumps(metric)), run, reference)
    _check_values(metric, values)
    for name, value in values.items():
        assert np.array_equal(value, again[name]), f"{metric.type}.{name} differs when measured again"
    return values


def _values(metric: Metric, run: xr.Dataset, reference: xr.Dataset) -> Values:
    return metric.compare(run, reference) if isinstance(metric, ComparisonMetric) else metric.measure(run)


def _check_declared(metric: Metric) -> None:
    cls = type(metric)
    assert cls.summary(), f"{cls.__name__} has no docstring: its first line is its summary"
    assert cls.quantities, f"{cls.__name__} declares no quantities"
    for name, quantity in cls.quantities.items():
        assert quantity.units, f"{metric.type}.{name} has no units; a pure number has '1'"
        assert quantity.long_name, f"{metric.type}.{name} has no long_name"
    unknown = set() if isinstance(metric, ProbeMetric) else cls.needs - RUN_VARIABLES.keys()
    assert not unknown, f"{metric.type} needs unknown variables: {', '.join(sorted(unknown))}"
    assert cls.model_validate_json(metric.model_dump_json()) == metric, f"{metric.type} is not rebuilt from its options"


def _check_values(metric: Metric, values: Values) -> None:
    undeclared = sorted(values.keys() - type(metric).quantities.keys())
    assert not undeclared, f"{metric.type} gives quantities that it does not declare: {', '.join(undeclared)}"
    for name, value in values.items():
        assert not np.isnan(np.asarray(value, dtype=float)).any(), (
            f"{metric.type}.{name} is NaN; raise NotMeasurable with the reason instead"
        )
        if isinstance(value, xr.DataArray):
            bare = [str(dim) for dim in value.dims if dim not in value.coords]
            assert not bare, f"{metric.type}.{name} has dims without coordinates: {', '.join(bare)}"
