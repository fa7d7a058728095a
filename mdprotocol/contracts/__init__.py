"""The contracts a plugin fulfils. A component is its own options: a frozen pydantic model with one verb.

    Model, Teacher     load()            -> ForceField      energy and forces of a batch
    SystemSource       build()           -> Structure       one molecule or periodic structure
    Integrator         start(), step()                      advances a batch in place
    Metric             measure(run)      -> values          numbers from the dataset of one run
    ComparisonMetric   compare(run, ref) -> values          the same from a run and the reference's run of equal seed
    ReplicaComparison  compare_replicas(run, ref, others)   the same, with the reference's other replicas as yardstick
    ProbeMetric        probe(), measure()                   numbers from a short calculation on the model itself
    Reporter           render(report)    -> files           one kind of output
    Executor           execute(tasks)    -> (place, result or TaskFailure), where and how tasks run
    Fault              (contracts/faults: a verb for each kind)    an error that a self-test plants

A component's `type` is a `Literal` with its name in the protocol; field names carry their units (`timestep_fs`); the
first line of the docstring is its summary in `mdprotocol plugins` and in the JSON schema. Torch is imported by no
module here: judging and reporting work without it.
"""

from mdprotocol.contracts.base import Component
from mdprotocol.contracts.executors import Executor, Staff, TaskFailure, attempt
from mdprotocol.contracts.faults import (
    PLANTABLE,
    Fault,
    LabelFault,
    ModelFault,
    MotionFault,
    RecordFault,
    Size,
    SkippedFault,
    SystemFault,
)
from mdprotocol.contracts.integrators import Integrator, MDState, RandomStreams
from mdprotocol.contracts.metrics import (
    ComparisonMetric,
    Dynamics,
    Metric,
    Pool,
    ProbeMetric,
    Propagate,
    Quantity,
    ReplicaComparison,
    Subject,
    Values,
)
from mdprotocol.contracts.models import Data, Evaluation, Evaluator, ForceField, Model, Reference, Teacher
from mdprotocol.contracts.properties import PROPERTIES, Property, Sign
from mdprotocol.contracts.reports import Figure, Report, Reporter, RunRow
from mdprotocol.contracts.roles import KEY_ROLES, Role
from mdprotocol.contracts.structures import Structure, SystemSource, Topology

__all__ = [
    "KEY_ROLES", "PLANTABLE", "PROPERTIES", "ComparisonMetric", "Component", "Data", "Dynamics", "Evaluation", "Evaluator",
    "Executor", "Fault", "Figure", "ForceField", "Integrator", "LabelFault", "MDState", "Metric", "Model", "ModelFault",
    "MotionFault", "Pool", "ProbeMetric", "Propagate", "Property", "Quantity", "RandomStreams", "RecordFault",
    "Reference", "ReplicaComparison", "Report", "Reporter", "Role", "RunRow", "Sign", "Size", "SkippedFault", "Staff",
    "Structure", "Subject", "SystemFault", "SystemSource", "TaskFailure", "Teacher", "Topology", "Values", "attempt",
]  # fmt: skip
