"""What can be known of a protocol without a simulation."""

from __future__ import annotations

from mdprotocol.app.sources import Prepared, Source, prepare
from mdprotocol.plan import Plan, make_plan


def check(source: Source) -> tuple[Prepared, Plan]:
    """Everything that can be known without a simulation; raises like `prepare` and `make_plan`."""
    prepared = prepare(source, files=True)
    return prepared, plan_of(prepared)


def plan_of(prepared: Prepared) -> Plan:
    """The plan of a protocol that was read."""
    return make_plan(prepared.protocol, prepared.base, prepared.registry, document=prepared.document)
