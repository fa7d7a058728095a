"""Small components with the options that real ones have, a registry of them, and a folder with a sound protocol.

Needs no installed plugin. The fixtures at the end are for a `conftest.py` to import.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict, Field

from mdprotocol import api
from mdprotocol.api import (
    CheckpointError,
    ComparisonMetric,
    Component,
    Executor,
    ForceField,
    Integrator,
    Metric,
    Model,
    ProbeMetric,
    Quantity,
    Reporter,
    Structure,
    StructureError,
    SystemSource,
)
from mdprotocol.errors import ProtocolError
from mdprotocol.registry import KINDS, Registered, Registry


class Spring(Model):
    """Harmonic springs."""

    type: Literal["spring"] = "spring"
    checkpoint: str
    """File with the spring constants, relative to the protocol."""
    precision: Literal["float32", "float64"] = "float32"

    def files(self, base: Path) -> tuple[Path, ...]:
        if self.checkpoint == "damaged.json":
            raise CheckpointError("damaged.json is damaged")
        return (base / self.checkpoint, *((base / "card.json",) if self.checkpoint == "carded.json" else ()))

    def load(self, base: Path) -> ForceField:
        raise NotImplementedError


class Teacher(api.Teacher):
    """A reference without files."""

    type: Literal["teacher"] = "teacher"
    accuracy: Annotated[float, Field(gt=0)] = 1.0

    def load(self, base: Path) -> ForceField:
        raise NotImplementedError


class Lattice(BaseModel):
    """A part of a system's options, to see errors inside of one."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)
    spacing_A: float
    """Distance of neighbours."""


class Chain(SystemSource):
    """Hydrogen atoms in a row."""

    type: Literal["chain"] = "chain"
    atoms: Annotated[int, Field(ge=1)] = 3
    cell_A: tuple[float, float, float] | None = None
    lattice: Lattice | None = None

    def build(self, name: str, base: Path) -> Structure:
        if self.atoms == 13:
            raise StructureError("thirteen atoms bring bad luck")
        positions = np.zeros((self.atoms, 3))
        positions[:, 0] = np.arange(self.atoms)
        cell = np.zeros((3, 3)) if self.cell_A is None else np.diag(self.cell_A)
        return Structure(
            name=name,
            numbers=np.ones(self.atoms, dtype=np.int64),
            positions=positions,
            masses=np.full(self.atoms, 1.008),
            cell=cell,
            pbc=np.full(3, self.cell_A is not None),
        )


class Verlet(Integrator):
    """Newton's equations."""

    type: Literal["velocity_verlet"] = "velocity_verlet"

    def step(self, state, update_forces, streams) -> None:  # type: ignore[no-untyped-def]
        raise NotImplementedError


class Langevin(Integrator):
    """Newton's equations with friction and noise."""

    thermostatted = True
    type: Literal["langevin"] = "langevin"
    friction_per_ps: Annotated[float, Field(gt=0)] = 1.0
    """Friction coefficient."""

    def step(self, state, update_forces, streams) -> None:  # type: ignore[no-untyped-def]
        raise NotImplementedError


class _Measured(Metric):
    def measure(self, run):  # type: ignore[no-untyped-def]
        raise NotImplementedError


class Drift(_Measured):
    """Drift of the total energy."""

    type: Literal["drift"] = "drift"
    quantities = {"per_atom": Quantity("meV/atom/ps", "drift"), "percent": Quantity("%", "drift")}
    needs = frozenset({"total_energy"})
    skip_ps: Annotated[float, Field(ge=0)] = 0.0


class ForceError(_Measured):
    """Force error against the reference."""

    type: Literal["force_error"] = "force_error"
    quantities = {"rmse": Quantity("eV/Å", "root mean square error", "rms"), "mae": Quantity("eV/Å", "mean error")}
    needs = frozenset({"force", "reference_force"})


class Crash(_Measured):
    """Runs that ended early."""

    type: Literal["crash"] = "crash"
    quantities = {"count": Quantity("1", "failed runs", "total")}


class Bonds(ComparisonMetric):
    """Bond lengths against the reference's own trajectory."""

    type: Literal["bonds"] = "bonds"
    quantities = {"distance": Quantity("Å", "distance")}

    def compare(self, run, reference):  # type: ignore[no-untyped-def]
        raise NotImplementedError


class Speed(ProbeMetric):
    """Time of one step."""

    type: Literal["speed"] = "speed"
    quantities = {"median": Quantity("ms", "time of a step", "same")}

    def probe(self, subject):  # type: ignore[no-untyped-def]
        raise NotImplementedError

    def measure(self, run):  # type: ignore[no-untyped-def]
        raise NotImplementedError


class Frequencies(Speed):
    """Vibrations against the reference's."""

    type: Literal["frequencies"] = "frequencies"  # type: ignore[assignment]
    needs_reference = True


class Reversal(Speed):
    """Whether dynamics runs backwards."""

    type: Literal["reversal"] = "reversal"  # type: ignore[assignment]
    needs_dynamics = True


class Markdown(Reporter):
    """Text."""

    type: Literal["markdown"] = "markdown"

    def render(self, report):  # type: ignore[no-untyped-def]
        raise NotImplementedError


class Serial(Executor):
    """One after the other."""

    type: Literal["serial"] = "serial"

    def execute(self, work, tasks, on_event, setup):  # type: ignore[no-untyped-def]
        raise NotImplementedError


COMPONENTS: dict[str, tuple[type[Component], ...]] = {
    "models": (Spring,),
    "references": (Teacher,),
    "systems": (Chain,),
    "integrators": (Verlet, Langevin),
    "metrics": (Drift, ForceError, Crash, Bonds, Speed, Frequencies, Reversal),
    "reporters": (Markdown,),
    "executors": (Serial,),
}


def registry_of(components: dict[str, tuple[type[Component], ...]]) -> Registry:
    """A registry of these components and no others."""
    return Registry(
        MappingProxyType(
            {
                kind: MappingProxyType(
                    {cls.type_name(): Registered(kind, cls.type_name(), cls, "kit") for cls in components.get(kind, ())}
                )
                for kind in KINDS
            }
        )
    )


VALID = """\
mdprotocol: 1
name: demo
models:
  good: {type: spring, checkpoint: good.json}
reference: teacher
systems:
  short: {type: chain, atoms: 2}
  long: {type: chain, atoms: 5}
simulations:
  nve:
    timestep_fs: 0.5
    duration_ps: 1
    temperatures_K: [100, 300]
    equilibration: {duration_ps: 0.2}
criteria:
  drift:
    level: must
    metric: drift.per_atom
    units: meV/atom/ps
    max: 1
  force: {level: must, metric: force_error.rmse, max: 0.2, where: {simulation: nve}}
recommendations:
  - {use: production MD, requires: [must]}
reports: [markdown]
"""


@pytest.fixture(scope="session")
def registry() -> Registry:
    return registry_of(COMPONENTS)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a protocol (the sound one, with replacements) beside the checkpoint that it names."""
    (tmp_path / "good.json").write_text("{}")

    def write_protocol(*replacements: tuple[str, str], text: str = VALID, name: str = "p.yaml") -> Path:
        for old, new in replacements:
            assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
            text = text.replace(old, new)
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write_protocol


def fails(plan: Callable[..., object], *replacements: tuple[str, str]) -> list[str]:
    """Problems for which a plan is refused, each from the protocol's name on."""
    with pytest.raises(ProtocolError) as caught:
        plan(*replacements)
    return ["p.yaml" + str(problem).partition("p.yaml")[2] for problem in caught.value.problems]
