"""Every measurement of every model and of the reference, pooled over replicas: the full table of a report."""

from __future__ import annotations

from collections.abc import Mapping

from mdprotocol.assess.cells import cells, default_per, pooled
from mdprotocol.assess.measurements import Measurements
from mdprotocol.contracts import Metric
from mdprotocol.protocol.schema import Protocol
from mdprotocol.verdicts import Measurement

CONFIDENCE = 0.95


def tabulate(protocol: Protocol, metrics: Mapping[str, Metric], measurements: Measurements) -> list[Measurement]:
    """One measurement a quantity and cell (model × system × simulation × temperature × the metric's own dims)."""
    wanted = {f"{name}.{quantity}" for name, metric in metrics.items() for quantity in metric.quantities}
    found = []
    for name, quantity in measurements.quantities.items():
        if name in wanted:
            places = measurements.places(name)
            grouped = cells(name, places, default_per(places), measurements)
            found += [pooled(name, quantity, cell, CONFIDENCE).measurement for cell in grouped]
    return found
