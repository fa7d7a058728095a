"""A protocol without what its criteria name and its runs do not cover: for one that was made smaller on purpose."""

from __future__ import annotations

from mdprotocol.contracts import ProbeMetric
from mdprotocol.plan.findings import Findings
from mdprotocol.plan.itself import against_itself
from mdprotocol.plan.metrics import split_quantity
from mdprotocol.plan.select import SYSTEM_ONLY, covered
from mdprotocol.plan.sources import examinable, measurable
from mdprotocol.plan.study import make_study
from mdprotocol.protocol.document import Document
from mdprotocol.protocol.schema import Criterion, Protocol
from mdprotocol.registry import Registry


def covering(protocol: Protocol, registry: Registry, document: Document | None = None) -> Protocol:
    """The protocol with criteria that name only what its runs and probes cover, and without those left with nothing.

    Args:
        document: gives problems their places in the file.

    Raises:
        ProtocolError: the protocol cannot be expanded into runs.
    """
    study = make_study(protocol, registry, Findings(document))
    runs, probes, metrics = study.runs, study.probes, study.metrics

    def kept(criterion: Criterion) -> Criterion | None:
        name, _ = split_quantity(criterion.metric)
        metric = metrics[name]
        models = [model for model in protocol.models if not against_itself(protocol, model, metric)]
        if not models:
            return criterion
        if isinstance(metric, ProbeMetric):
            return covered(
                examinable(metric, [probe for probe in probes if probe.metric == name]), criterion, SYSTEM_ONLY
            )
        return covered(measurable(metric, [run for run in runs if run.model in models], runs), criterion)

    found = {name: kept(criterion) for name, criterion in protocol.criteria.items()}
    return protocol.model_copy(update={"criteria": {name: one for name, one in found.items() if one is not None}})
