"""Metrics of a protocol by name, and what they need of a run."""

from __future__ import annotations

from mdprotocol.contracts import ComparisonMetric, Metric, ProbeMetric, Quantity
from mdprotocol.errors import UsageError
from mdprotocol.protocol.places import choices
from mdprotocol.protocol.schema import Protocol
from mdprotocol.registry import Registry

REFERENCE_VARIABLES = frozenset({"sample_frame", "reference_force", "reference_energy"})
"""Variables that a run's dataset has only where the reference labelled frames."""


def split_quantity(text: str) -> tuple[str, str]:
    """`force_error.rmse` -> `("force_error", "rmse")`."""
    metric, _, quantity = text.partition(".")
    return metric, quantity


def metrics_of(protocol: Protocol, registry: Registry) -> dict[str, Metric]:
    """Every metric that the criteria and `metrics:` use, by name; those without options of their own with defaults.

    Raises:
        UsageError: a criterion names a metric that does not exist, or that needs options and so a place in `metrics:`.
    """
    metrics = dict(protocol.metrics)
    for criterion in protocol.criteria.values():
        name, _ = split_quantity(criterion.metric)
        if name not in metrics:
            metrics[name] = _with_defaults(name, registry)
    return metrics


def _with_defaults(name: str, registry: Registry) -> Metric:
    entry = registry.entries["metrics"].get(name)
    if entry is None:
        raise UsageError(f"unknown metric '{name}'; {choices(name, registry.names('metrics'))}")
    required = [field for field, info in entry.component.model_fields.items() if info.is_required()]
    if required:
        raise UsageError(f"metric '{name}' needs {', '.join(required)}; give it a place of its own under `metrics:`")
    metric = entry.component(type=name)
    assert isinstance(metric, Metric)
    return metric


def quantity_of(metric: Metric, quantity: str) -> Quantity:
    """The declared quantity of a metric.

    Raises:
        UsageError: the metric does not measure it.
    """
    try:
        return metric.quantities[quantity]
    except KeyError:
        message = f"metric '{metric.type}' has no quantity '{quantity}'; {choices(quantity, metric.quantities)}"
        raise UsageError(message) from None


def needs_labels(metric: Metric) -> bool:
    """Whether it can be measured only on runs with frames labelled by the reference."""
    return bool(metric.needs & REFERENCE_VARIABLES)


def needs_reference_run(metric: Metric) -> bool:
    """Whether it compares a run with the reference's own run."""
    return isinstance(metric, ComparisonMetric)


def is_probe(metric: Metric) -> bool:
    """Whether it examines the model itself and no trajectory."""
    return isinstance(metric, ProbeMetric)
