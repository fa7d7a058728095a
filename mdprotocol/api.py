"""What plugins import: contracts, vocabulary and the hook marker. Everything here is public and stable."""

from mdprotocol.components import (
    ComparisonMetric,
    Component,
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
    Quantity,
    RandomStreams,
    Reference,
    Report,
    Reporter,
    RunRow,
    Structure,
    Subject,
    SystemSource,
    Topology,
    Values,
)
from mdprotocol.errors import (
    CheckpointError,
    MDProtocolError,
    NotMeasurable,
    PluginError,
    ReferenceFailure,
    StructureError,
    UsageError,
)
from mdprotocol.hookspecs import hookimpl
from mdprotocol.report import escape, numbers, summary, tables
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

__all__ = [name for name in dir() if not name.startswith("_")]
