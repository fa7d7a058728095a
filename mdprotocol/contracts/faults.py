"""Faults: errors that a self-test plants on purpose. Each base says what a fault of its kind changes, with one verb.

    ModelFault    prepare(sound, topology)  -> Evaluator    the model's answers
    MotionFault   step(sound, state, ...)                   the integrator of simulations at constant energy
    SystemFault   altered(structure)        -> Structure    the atoms that move
    LabelFault    labelled_by(model, ref)   -> Model        what labels frames in place of the reference
    SkippedFault  skipped(simulations)      -> names        simulations that are never run
    RecordFault   spoiled(runs)             -> datasets     files of finished runs

All but the last two change the models under test and leave the reference alone. A fault goes to worker processes, so
it is a class of a module that can be imported there. It has a default for every option.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from mdprotocol.contracts.base import Component
from mdprotocol.contracts.integrators import Integrator, MDState, RandomStreams
from mdprotocol.contracts.models import Evaluator, ForceField, Model
from mdprotocol.contracts.properties import Property
from mdprotocol.contracts.structures import Structure, Topology

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Size:
    """How much of a fault there is.

    Attributes:
        option: the option of the fault that holds it.
        units: its units, as a reader sees them.
        scalable: whether less of it is the same fault in small, so that the smallest size that is seen can be looked for.
    """

    option: str
    units: str
    scalable: bool = True


class Fault(Component):
    """Base of all faults; derive from the base of what the fault changes.

    The first line of the docstring says in one sentence what is wrong.
    """

    breaks: ClassVar[frozenset[Property]]
    """Properties that it breaks: metrics that test one of them should see it."""
    sized: ClassVar[Size | None] = None
    """Its size; None where there is no more or less of it."""

    @property
    def what(self) -> str:
        """What is wrong: the summary as a part of a sentence."""
        text = self.summary().rstrip(".")
        return text if text[1:2].isupper() else text[:1].lower() + text[1:]

    @property
    def size(self) -> float | None:
        """How much of it there is, in the units of `sized`; None where there is no more or less."""
        return None if self.sized is None else float(getattr(self, self.sized.option))

    @property
    def label(self) -> str:
        """Name and size: `curl 0.05`."""
        return self.type if self.size is None else f"{self.type} {self.size:g}"

    def of_size(self, size: float) -> Self:
        """The same fault at another size.

        Raises:
            ValueError: it has no size, or not this one.
        """
        if self.sized is None:
            raise ValueError(f"fault '{self.type}' has no size, so it cannot be {size:g}")
        return type(self).model_validate({**self.model_dump(), self.sized.option: size})


class ModelFault(Fault):
    """Base of flaws of a model: it answers through the same engine, probes and metrics as any other."""

    in_kernel: ClassVar[bool] = False
    """Whether only its fast form has the flaw; else its plain form has it as well."""

    @abstractmethod
    def prepare(self, sound: ForceField, topology: Topology) -> Evaluator:
        """A faulty evaluator for batches of this topology. It must not write into what the sound one returns."""


class MotionFault(Fault):
    """Base of faulty integrators. Simulations and probes at constant energy use it; thermostatted ones keep theirs.

    Run files say that the sound integrator moved the system, as they would with a mistake in a program.
    """

    def start(self, sound: Integrator, state: MDState, streams: RandomStreams) -> None:
        """As `Integrator.start`; that of the sound integrator by default."""
        sound.start(state, streams)

    @abstractmethod
    def step(
        self, sound: Integrator, state: MDState, update_forces: Callable[[], None], streams: RandomStreams
    ) -> None:
        """As `Integrator.step`, in place of the sound integrator's or around it."""


class SystemFault(Fault):
    """Base of faults of the atoms that move in the models' runs (probes keep the sound structure)."""

    @abstractmethod
    def altered(self, structure: Structure) -> Structure:
        """The structure that moves in place of this one."""


class LabelFault(Fault):
    """Base of faults of the reference's labels."""

    @abstractmethod
    def labelled_by(self, model: Model, reference: Model) -> Model:
        """What labels the frames of this model's runs in place of the reference."""


class SkippedFault(Fault):
    """Base of faults by which runs are missing."""

    @abstractmethod
    def skipped(self, simulations: Sequence[str]) -> Collection[str]:
        """Simulations that no model runs.

        Args:
            simulations: those of the models, in the order of the protocol.
        """


class RecordFault(Fault):
    """Base of faults of the files of finished runs."""

    @abstractmethod
    def spoiled(self, runs: Mapping[str, xr.Dataset]) -> Mapping[str, xr.Dataset]:
        """The datasets that are written in place of those of the same key.

        Args:
            runs: by path, the models' finished runs in the order of the plan; each is read when it is asked for.
        """


PLANTABLE = (ModelFault, MotionFault, SystemFault, LabelFault, SkippedFault, RecordFault)
"""Bases of which a fault must have one."""
