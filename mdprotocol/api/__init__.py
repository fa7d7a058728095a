"""What plugins import: contracts, vocabulary and the hook marker. Everything here is public and stable."""

import importlib
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
    Fault,
    Figure,
    ForceField,
    Integrator,
    LabelFault,
    MDState,
    Metric,
    Model,
    ModelFault,
    MotionFault,
    Pool,
    ProbeMetric,
    Propagate,
    Property,
    Quantity,
    RandomStreams,
    RecordFault,
    Reference,
    ReplicaComparison,
    Report,
    Reporter,
    Role,
    RunRow,
    Sign,
    Size,
    SkippedFault,
    Structure,
    Subject,
    SystemFault,
    SystemSource,
    TaskFailure,
    Teacher,
    Topology,
    Values,
    attempt,
    properties,
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
from mdprotocol.faults.pairs import CopyPairs, add_gradient
from mdprotocol.freshness import fresh_answer
from mdprotocol.hookspecs import hookimpl
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
    ConditionResult,
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
    "CheckpointError",
    "ComparisonMetric",
    "Component",
    "ConditionResult",
    "Consent",
    "CopyPairs",
    "CriterionResult",
    "Data",
    "Decision",
    "Dynamics",
    "Evaluation",
    "Evaluator",
    "Executor",
    "Fault",
    "Figure",
    "ForceField",
    "ForceFieldCalculator",
    "Integrator",
    "LabelFault",
    "Level",
    "MDProtocolError",
    "MDState",
    "Measurement",
    "Metric",
    "Model",
    "ModelFault",
    "ModelVerdict",
    "MotionFault",
    "NoAnswer",
    "NotMeasurable",
    "Outcome",
    "PluginError",
    "Pool",
    "ProbeMetric",
    "Propagate",
    "Property",
    "Quantity",
    "RandomStreams",
    "Recommendation",
    "RecordFault",
    "Reference",
    "ReplicaComparison",
    "Report",
    "Reporter",
    "Role",
    "RunRow",
    "Sign",
    "Size",
    "SkippedFault",
    "Structure",
    "StructureError",
    "Subject",
    "SystemFault",
    "SystemSource",
    "TaskFailure",
    "Teacher",
    "Topology",
    "UsageError",
    "Values",
    "Variable",
    "add_gradient",
    "asked_to_stop",
    "attempt",
    "chemistry",
    "consenting",
    "fresh_answer",
    "grant",
    "granted",
    "hookimpl",
    "in_words",
    "kept_streams",
    "modules",
    "properties",
    "to_atoms",
]


REPORTING = ("deployment", "escape", "head", "numbers", "side_by_side", "summary", "tables")
"""Modules that reporters find in `mdprotocol.api.reporting`."""


def __getattr__(name: str) -> Any:
    """Names of before, for plugins that still import them; each with the one that has taken its place."""
    if name == "ReferenceFailure":
        warnings.warn("ReferenceFailure is now NoAnswer, for models as well", DeprecationWarning, stacklevel=2)
        return NoAnswer
    if name in REPORTING:
        warnings.warn(f"{name} is now in mdprotocol.api.reporting", DeprecationWarning, stacklevel=2)
        return importlib.import_module(f"mdprotocol.report.{name}")
    raise AttributeError(f"module 'mdprotocol.api' has no attribute {name!r}")
