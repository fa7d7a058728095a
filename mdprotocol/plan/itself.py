"""Where a model under test is the reference: what compares the two says nothing, is left out, and the verdict tells so.

A model is the reference where both are the same component with the same options. Criteria on metrics that need the
reference (labelled frames, its own trajectories, a probe that asks for it) then do not apply to this model: they are
neither passed nor failed, and a protocol of nothing else leaves it UNDECIDED. A copy of the reference under another
path is a mistake that planning finds; one that hides altogether has no error on any frame, and the metrics refuse it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mdprotocol.contracts import Metric, ProbeMetric
from mdprotocol.plan.metrics import needs_labels, needs_reference_run, split_quantity
from mdprotocol.protocol.schema import Protocol, RecommendedUse

ITSELF = "the model is the reference: a comparison with itself says nothing"


def is_reference(protocol: Protocol, model: str) -> bool:
    """Whether this model of the protocol is its reference."""
    return protocol.reference is not None and protocol.models.get(model) == protocol.reference


def against_itself(protocol: Protocol, model: str, metric: Metric) -> bool:
    """Whether the metric would compare the reference with itself."""
    asks = metric.needs_reference if isinstance(metric, ProbeMetric) else needs_labels(metric)
    return (asks or needs_reference_run(metric)) and is_reference(protocol, model)


def left_out(protocol: Protocol, model: str, metrics: Mapping[str, Metric]) -> list[str]:
    """Names of the criteria that do not apply to this model."""
    found = {name: metrics.get(split_quantity(criterion.metric)[0]) for name, criterion in protocol.criteria.items()}
    return [name for name, metric in found.items() if metric is not None and against_itself(protocol, model, metric)]


def without(uses: Sequence[RecommendedUse], names: Sequence[str]) -> list[RecommendedUse]:
    """The recommended uses, requiring only criteria that apply."""
    return [use.model_copy(update={"requires": [name for name in use.requires if name not in names]}) for use in uses]


def left_out_note(names: Sequence[str]) -> str:
    """What the verdict says about the criteria that were left out."""
    return f"{ITSELF}; not applied: {', '.join(names)}"
