"""A faulty model: a sound one with a flaw around it. It goes through the same engine, probes and metrics as any other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import SerializeAsAny

from mdprotocol.contracts import Evaluator, ForceField, Model, Topology
from mdprotocol.faults.blame import blamed
from mdprotocol.faults.fault import Change
from mdprotocol.faults.planting import planted
from mdprotocol.plan.types import Batch, Plan, ProbeBatch


class Flaw(ABC):
    """What is wrong with a model: makes a faulty evaluator out of a sound force field. A picklable dataclass."""

    @abstractmethod
    def prepare(self, sound: ForceField, topology: Topology) -> Evaluator:
        """A faulty evaluator for batches of this topology. It must not write into what the sound one returns."""


class FaultyModel(Model):
    """A model with a planted flaw."""

    type: Literal["faulty"] = "faulty"
    sound: SerializeAsAny[Model]
    _flaw: Flaw
    _in_kernel: bool = False

    @classmethod
    def of(cls, sound: Model, flaw: Flaw, *, in_kernel: bool = False) -> FaultyModel:
        """The model with this flaw, which its plain form has as well unless it is `in_kernel`."""
        found = cls(sound=sound)
        found._flaw, found._in_kernel = flaw, in_kernel
        return found

    def load(self, base: Path) -> ForceField:
        return FaultyForceField(self.sound.load(base), self._flaw, in_kernel=self._in_kernel)

    def files(self, base: Path) -> tuple[Path, ...]:
        return self.sound.files(base)


class FaultyForceField(ForceField):
    """A loaded model with a planted flaw; all else of it is as it was."""

    def __init__(self, sound: ForceField, flaw: Flaw, *, in_kernel: bool = False) -> None:
        self._sound, self._flaw, self._in_kernel = sound, flaw, in_kernel
        self.parameters, self.weights_bytes = sound.parameters, sound.weights_bytes
        self.dtype, self.device, self.kernel, self.notices = sound.dtype, sound.device, sound.kernel, sound.notices
        self.remembers = sound.remembers

    def prepare(self, topology: Topology) -> Evaluator:
        evaluator = blamed(self._sound, self._flaw.prepare, topology)
        self.kernel, self.notices = self._sound.kernel, self._sound.notices
        return evaluator

    def plain(self, dtype: str = "float64") -> ForceField | None:
        """A flaw of the model and not of its arithmetic is one of its plain form too."""
        plain = self._sound.plain(dtype)
        if self._in_kernel:
            return plain or self._sound
        return None if plain is None else FaultyForceField(plain, self._flaw)


@dataclass(frozen=True)
class FlawedModel(Change):
    """Every model under test, in its runs and in its probes, has this flaw; only in its fast form where `in_kernel`."""

    flaw: Flaw
    in_kernel: bool = False

    def planned(self, plan: Plan, label: str) -> Plan:
        def batch(one: Batch) -> Batch:
            return replace(one, component=FaultyModel.of(one.component, self.flaw, in_kernel=self.in_kernel))

        def probes(one: ProbeBatch) -> ProbeBatch:
            return replace(one, component=FaultyModel.of(one.component, self.flaw, in_kernel=self.in_kernel))

        return planted(plan, label, batch, probes)
