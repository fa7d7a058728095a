"""The plan: a protocol expanded into runs, probes and batches, with every check that needs no simulation."""

from mdprotocol.plan.conditions import CriterionCondition, Unplanned
from mdprotocol.plan.expand import expand_probes, expand_runs
from mdprotocol.plan.itself import is_reference, left_out
from mdprotocol.plan.make import make_plan
from mdprotocol.plan.metrics import metrics_of, split_quantity
from mdprotocol.plan.select import select
from mdprotocol.plan.study import Study, make_study
from mdprotocol.plan.types import (
    Batch,
    Condition,
    CriterionSource,
    Plan,
    Probe,
    ProbeBatch,
    Run,
    RunSettings,
    total_steps,
)

__all__ = [
    "Batch",
    "Condition",
    "CriterionCondition",
    "CriterionSource",
    "Plan",
    "Probe",
    "ProbeBatch",
    "Run",
    "RunSettings",
    "Study",
    "Unplanned",
    "expand_probes",
    "expand_runs",
    "is_reference",
    "left_out",
    "make_plan",
    "make_study",
    "metrics_of",
    "select",
    "split_quantity",
    "total_steps",
]
