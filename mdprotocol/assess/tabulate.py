"""Every measurement of every model and of the reference, pooled over replicas: the full table of a report."""

from __future__ import annotations

from collections.abc import Sequence

from mdprotocol.assess.measurements import Measurements
from mdprotocol.assess.measurements_file import axes_of
from mdprotocol.assess.pooling import measured_conditions, pooled
from mdprotocol.contracts import ProbeMetric
from mdprotocol.plan import Probe, Run, Study
from mdprotocol.plan.conditions import conditions
from mdprotocol.protocol.schema import DIMS
from mdprotocol.verdicts import Measurement

CONFIDENCE = 0.95


def tabulate(study: Study, measurements: Measurements) -> list[Measurement]:
    """One measurement a quantity and condition (model × system × simulation × temperature × the metric's own dims)."""
    runs = _in_order(study.runs)
    found = []
    for name, metric in study.metrics.items():
        own = [probe for probe in study.probes if probe.metric == name]
        items: Sequence[Run | Probe] = _in_order(own) if isinstance(metric, ProbeMetric) else runs
        grouped = conditions(items, DIMS)
        for key, quantity in metric.quantities.items():
            each = measured_conditions(f"{name}.{key}", grouped, measurements)
            found += [pooled(f"{name}.{key}", quantity, condition, CONFIDENCE).measurement for condition in each]
    return found


def _in_order(items: Sequence[Run | Probe]) -> list[Run | Probe]:
    """Models, systems and simulations in the order of the plan; temperatures rising."""
    axes = axes_of(items)
    return sorted(items, key=lambda item: [axes[dim].index(at) for dim, at in item.coordinates.items()])
