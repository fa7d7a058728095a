"""Force fields: models under test, and the references that they are compared with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mdprotocol.contracts.base import Component
from mdprotocol.contracts.structures import Structure, Topology
from mdprotocol.errors import NoAnswer

if TYPE_CHECKING:
    import torch
    import xarray as xr


@dataclass
class Evaluation:
    """Energies and forces of a batch.

    Attributes:
        energy: (B,) eV, float64.
        forces: (N, 3) eV/Å, float64.
        errors: reason by copy index, where the model gave no answer for a copy (its values are then NaN).
        stress: computes, when called, the stress (B, 3, 3) eV/Å³ at the same positions and cells: dE/dstrain over the
            volume, positive where the cell wants to shrink; to be called before either tensor is changed. None where
            the model has none, or a copy is not periodic.
    """

    energy: torch.Tensor
    forces: torch.Tensor
    errors: dict[int, str] = field(default_factory=dict)
    stress: Callable[[], torch.Tensor] | None = None

    def answered(self, *, finite: bool = False) -> Evaluation:
        """This answer, which is one for every copy.

        Args:
            finite: whether its numbers have to be finite, too; a GPU is waited for.

        Raises:
            NoAnswer: it is not.
        """
        if self.errors:
            raise NoAnswer("the model gave no answer: " + "; ".join(sorted(set(map(str, self.errors.values())))))
        if finite and not bool(self.energy.isfinite().all() and self.forces.isfinite().all()):
            raise NoAnswer("the model's energy or forces are not finite")
        return self


Evaluator = Callable[["torch.Tensor", "torch.Tensor"], Evaluation]
"""Positions (N, 3) Å and cells (B, 3, 3) Å, both float64 -> Evaluation.

It writes into neither. It may keep state between calls (neighbour lists, SCF guesses), but answers for the cells that it is
given, whatever those of the topology were: a list follows the box (`Box` tells when it has changed). Which axes are
periodic is the topology's, and does not change; of a copy that has none the cell means nothing."""


class ForceField(ABC):
    """A loaded model: gives evaluators for batches. One copy never influences another."""

    parameters: int = 0
    """Number of trainable parameters; 0 where the notion does not apply."""
    weights_bytes: int = 0
    """Memory of the parameters and buffers, bytes."""
    dtype: str = "float64"
    device: str = "cpu"
    """Where it computes. The engine keeps the moving state there, and evaluators answer where the positions are; between two
    looks of the guards or frames nothing should make the host wait for it."""
    kernel: str = "torch"
    """What evaluates it: torch, fused, ase, tblite, ..."""
    remembers: bool = False
    """Whether an answer may depend on earlier calls of an evaluator (a density carried over as the next guess). The
    engine then takes a new evaluator every few hundred steps, so that a run that was interrupted there is bitwise equal."""
    notices: tuple[str, ...] = ()
    """What the user should know about how it was loaded (a fallback, a stand-in): shown once and kept in provenance."""

    @abstractmethod
    def prepare(self, topology: Topology) -> Evaluator:
        """An evaluator for batches of this topology.

        Raises:
            StructureError: the model cannot treat it (unknown element, periodic system, charge).
        """

    def plain(self, dtype: str = "float64") -> ForceField | None:
        """The same model without its fast paths, in plain torch and this precision; None where there is nothing plainer.

        What a fast kernel is checked against, before it runs and on frames of every run; what a speed-up is measured over.
        """
        return None

    def calculator(self) -> Any:
        """A new ASE calculator where the model is one, else None: for loops that do without the batched contract."""
        return None

    def flops(self, structure: Structure) -> float | None:
        """Floating-point operations of one evaluation of this structure; None where nobody has counted them."""
        return None

    def evaluate(self, structure: Structure, positions: np.ndarray | None = None) -> tuple[float, np.ndarray]:
        """Energy (eV) and forces (n, 3) eV/Å of one structure, as numpy; for probes and tests.

        Raises:
            NoAnswer: the model gave none.
        """
        import torch

        where = structure.positions if positions is None else positions
        topology = Topology.of([structure])
        at = torch.as_tensor(np.ascontiguousarray(where, dtype=np.float64))
        result = self.prepare(topology)(at, torch.from_numpy(topology.cells)).answered()
        return float(result.energy[0]), result.forces.detach().cpu().numpy()


class Model(Component):
    """Base of models: a force field under test."""

    lacks: ClassVar[frozenset[str]] = frozenset()
    """What there is nothing of in any such model, so that nothing asks for it (`Quantity.asks`): `kernel` where there is no
    plainer form than what runs, `parameters` where none are trained, or nobody can count them."""

    @abstractmethod
    def load(self, base: Path) -> ForceField:
        """Load the force field; paths are relative to `base`, the folder of the protocol.

        Raises:
            CheckpointError: the checkpoint cannot be read or is not what it says.
        """

    def files(self, base: Path) -> tuple[Path, ...]:
        """Files that determine the model: they must exist, and their SHA-256 enters a run's identity.

        Options that name one of them, or a folder that holds some, are paths: they are rewritten where a protocol moves.
        """
        return ()

    def sources(self, base: Path) -> Mapping[str, Path]:
        """Files of other code that computes it, by names that do not depend on where they lie (`pack/module.py`).

        Their SHA-256 enters a run's identity, so that edited code is never taken for the code that was tested. Its own
        class need not be among them. `judge` and `check` ask too: nothing may be imported to find them.
        """
        return {}

    def packages(self) -> tuple[str, ...]:
        """Names of other packages that compute it (import names, or distributions): their versions enter a run's identity."""
        return ()

    def inspect(self, base: Path, structures: Sequence[Structure]) -> Iterator[str]:
        """What a look at the files tells before anything is loaded: why it cannot treat one of these structures.

        `check` and `run` ask before the first step, so that an unsound checkpoint or an unknown element costs seconds.
        Nothing by default; a model that can tell cheaply should.

        Raises:
            CheckpointError: a file is not what it says.
        """
        return iter(())


class Reference(Component):
    """What models are compared with: a `Teacher`, which can be asked, or `Data`, which cannot."""


class Teacher(Model, Reference):
    """Base of references that answer at any geometry: forces, energies and trajectories are compared with theirs.

    The references that plugins bring, and that a protocol names, are teachers: so far there are no others.
    """


class Data(Reference):
    """Base of references that are what somebody once calculated or measured, and cannot be asked anything else.

    No plugin can bring one yet: the registry takes teachers only.
    """

    @abstractmethod
    def frames(self, base: Path, structure: Structure) -> xr.Dataset | None:
        """Labelled geometries of this structure: `position`, `reference_energy` and `reference_force` by frame.

        Units and dims as in run files (`mdprotocol.variables`). None where there are none.
        """

    @abstractmethod
    def trajectories(self, base: Path, structure: Structure) -> Sequence[xr.Dataset]:
        """Trajectories of this structure, one a replica, in the layout of run files."""

    @abstractmethod
    def values(self, base: Path, structure: Structure) -> Mapping[str, tuple[float, float]]:
        """Values of this structure with their standard errors, by `metric.quantity` and in its units."""
