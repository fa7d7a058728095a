"""What plugins import: contracts, vocabulary and the hook marker. Everything here is public and stable."""

import warnings
from typing import Any

from mdprotocol import chemistry, modules
from mdprotocol.boxes import Box
from mdprotocol.calculators import ForceFieldCalculator, to_atoms
from mdprotocol.consent import Consent, consenting, grant, granted
from mdprotocol.contracts import (
    ComparisonMetric,
    Component,
    Data,
    Dynamics,
    Evaluation,
    Evaluator,
    Executor,
    Figure,
    ForceField,
    Integrator,
    MDState,
    Metric,
    Model,
    Pool,
    ProbeMetric,
    Propagate,
    Quantity,
    RandomStreams,
    Reference,
    ReplicaComparison,
    Report,
    Reporter,
    RunRow,
    Structure,
    Subject,
    SystemSource,
    TaskFailure,
    Teacher,
    Topology,
    Values,
    attempt,
)
from mdprotocol.errors import (
    CheckpointError,
    MDProtocolError,
    NoAnswer,
    NotMeasurable,
    PluginError,
    StructureError,
    UsageError,
    asked_to_stop,
    in_words,
)
from mdprotocol.freshness import fresh_answer
from mdprotocol.hookspecs import hookimpl
from mdprotocol.report import deployment, escape, head, numbers, side_by_side, summary, tables
from mdprotocol.surroundings import kept_streams
from mdprotocol.units import (
    AMU_EV_FS2_PER_A2,
    BOHR_A,
    FS_IN_ASE_TIME,
    FS_PER_NS,
    FS_PER_PS,
    HARTREE_EV,
    KB_EV_PER_K,
    MEV_PER_EV,
    SECONDS_PER_DAY,
)
from mdprotocol.variables import RUN_ATTRS, RUN_VARIABLES, Variable
from mdprotocol.verdicts import (
    CellResult,
    CriterionResult,
    Decision,
    Level,
    Measurement,
    ModelVerdict,
    Outcome,
    Recommendation,
)

__all__ = [
    "AMU_EV_FS2_PER_A2",
    "BOHR_A",
    "FS_IN_ASE_TIME",
    "FS_PER_NS",
    "FS_PER_PS",
    "HARTREE_EV",
    "KB_EV_PER_K",
    "MEV_PER_EV",
    "RUN_ATTRS",
    "RUN_VARIABLES",
    "SECONDS_PER_DAY",
    "Box",
    "CellResult",
    "CheckpointError",
    "ComparisonMetric",
    "Component",
    "Consent",
    "CriterionResult",
    "Data",
    "Decision",
    "Dynamics",
    "Evaluation",
    "Evaluator",
    "Executor",
    "Figure",
    "ForceField",
    "ForceFieldCalculator",
    "Integrator",
    "Level",
    "MDProtocolError",
    "MDState",
    "Measurement",
    "Metric",
    "Model",
    "ModelVerdict",
    "NoAnswer",
    "NotMeasurable",
    "Outcome",
    "PluginError",
    "Pool",
    "ProbeMetric",
    "Propagate",
    "Quantity",
    "RandomStreams",
    "Recommendation",
    "Reference",
    "ReplicaComparison",
    "Report",
    "Reporter",
    "RunRow",
    "Structure",
    "StructureError",
    "Subject",
    "SystemSource",
    "TaskFailure",
    "Teacher",
    "Topology",
    "UsageError",
    "Values",
    "Variable",
    "asked_to_stop",
    "attempt",
    "chemistry",
    "consenting",
    "deployment",
    "escape",
    "fresh_answer",
    "grant",
    "granted",
    "head",
    "hookimpl",
    "in_words",
    "kept_streams",
    "modules",
    "numbers",
    "side_by_side",
    "summary",
    "tables",
    "to_atoms",
]


def __getattr__(name: str) -> Any:
    """Names of before, for plugins that still import them; each with the one that has taken its place."""
    if name == "ReferenceFailure":
        warnings.warn("ReferenceFailure is now NoAnswer, for models as well", DeprecationWarning, stacklevel=2)
        return NoAnswer
    raise AttributeError(f"module 'mdprotocol.api' has no attribute {name!r}")
