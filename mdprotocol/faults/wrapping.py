"""Components with a fault in them: a sound model or integrator, and what is planted around it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from pydantic import SerializeAsAny, model_serializer

from mdprotocol.contracts import (
    Evaluator,
    ForceField,
    Integrator,
    MDState,
    Model,
    ModelFault,
    MotionFault,
    RandomStreams,
    Topology,
)
from mdprotocol.faults.blame import blamed


class FaultyModel(Model):
    """A model with a planted flaw."""

    type: Literal["faulty"] = "faulty"
    sound: SerializeAsAny[Model]
    _flaw: ModelFault

    @classmethod
    def of(cls, sound: Model, flaw: ModelFault) -> FaultyModel:
        """The model with this flaw."""
        found = cls(sound=sound)
        found._flaw = flaw
        return found

    def load(self, base: Path) -> ForceField:
        return FaultyForceField(self.sound.load(base), self._flaw)

    def files(self, base: Path) -> tuple[Path, ...]:
        return self.sound.files(base)


class FaultyForceField(ForceField):
    """A loaded model with a planted flaw; all else of it is as it was."""

    def __init__(self, sound: ForceField, flaw: ModelFault) -> None:
        self._sound, self._flaw = sound, flaw
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
        if self._flaw.in_kernel:
            return plain or self._sound
        return None if plain is None else FaultyForceField(plain, self._flaw)


class FaultyIntegrator(Integrator):
    """An integrator with a planted flaw. Run files say that it is the sound one, as a mistake in a program would."""

    type: Literal["faulty"] = "faulty"
    sound: SerializeAsAny[Integrator]
    fault: SerializeAsAny[MotionFault]

    @model_serializer(mode="plain")
    def _as_the_sound_one(self) -> dict[str, Any]:
        return self.sound.model_dump()

    def start(self, state: MDState, streams: RandomStreams) -> None:
        self.fault.start(self.sound, state, streams)

    def step(self, state: MDState, update_forces: Callable[[], None], streams: RandomStreams) -> None:
        self.fault.step(self.sound, state, update_forces, streams)
