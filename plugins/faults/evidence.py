"""Faults of the evidence: a variable that is not there, runs that were skipped, a reference that labels itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from mdprotocol.api import LabelFault, Model, RecordFault, SkippedFault, properties

if TYPE_CHECKING:
    import xarray as xr

LABEL = "reference_force"


class LostVariable(RecordFault):
    """A run's file lacks a variable.

    The reference's forces, in the first run that has them; the velocities of the first run where none has.
    """

    type: Literal["lost_variable"] = "lost_variable"
    breaks: ClassVar = frozenset({properties.EVIDENCE})

    def spoiled(self, runs: Mapping[str, xr.Dataset]) -> Mapping[str, xr.Dataset]:
        labelled = next((path for path, run in runs.items() if LABEL in run.variables), None)
        if labelled is not None:
            return {labelled: runs[labelled].drop_vars(LABEL)}
        return {path: runs[path].drop_vars("velocity") for path in list(runs)[:1]}


class SkippedSimulation(SkippedFault):
    """A simulation was never run.

    The first of the protocol, by no model.
    """

    type: Literal["skipped_simulation"] = "skipped_simulation"
    breaks: ClassVar = frozenset({properties.EVIDENCE})

    def skipped(self, simulations: Sequence[str]) -> Collection[str]:
        return simulations[:1]


class OwnReference(LabelFault):
    """The model's forces are compared with its own.

    It labels its frames in place of the reference, so that every error is zero.
    """

    type: Literal["own_reference"] = "own_reference"
    breaks: ClassVar = frozenset({properties.INDEPENDENCE})

    def labelled_by(self, model: Model, reference: Model) -> Model:
        return model
