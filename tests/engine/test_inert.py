"""Whether a force field does anything is asked once, and only what depends on it is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
import torch
import xarray as xr
from engine_kit import argon_cluster, lennard_jones, springs, triangle

from mdprotocol.contracts import Evaluation, ForceField, Model, ProbeMetric, Quantity, Structure
from mdprotocol.engine.inert import inert
from mdprotocol.engine.probe import run_probes
from mdprotocol.plan.types import Probe, ProbeBatch
from mdprotocol.store import ResultsFolder
from mdprotocol.testing.structures import make_structure


class Scaled(ForceField):
    """Springs with their energy and forces scaled, or an answer that is none."""

    def __init__(self, energy: float, forces: float, wrong: str = "") -> None:
        self.energy, self.forces, self.wrong, self.prepared = energy, forces, wrong, 0

    def prepare(self, topology: Any) -> Any:
        self.prepared += 1
        evaluate = springs().prepare(topology)

        def answer(positions: torch.Tensor, cells: torch.Tensor) -> Any:
            found = evaluate(positions, cells)
            if self.wrong == "raises":
                raise ZeroDivisionError
            if self.wrong == "nothing":
                return None
            errors = {0: "no answer"} if self.wrong == "says so" else {}
            return Evaluation(self.energy * found.energy, self.forces * found.forces, errors)

        return answer


@pytest.mark.parametrize(("energy", "forces"), [(1, 1), (0, 1), (1, 0), (1, float("nan")), (float("nan"), 0)])
def test_whatever_can_be_told_from_none_is_probed(energy: float, forces: float) -> None:
    assert inert(Scaled(energy, forces), triangle()) == ""


@pytest.mark.parametrize("wrong", ["raises", "nothing", "says so"])
def test_what_gives_no_answer_is_left_to_the_probe(wrong: str) -> None:
    assert inert(Scaled(0, 0, wrong), triangle()) == ""


def test_what_cannot_be_told_from_none_is_said_so() -> None:
    assert inert(Scaled(0, 0), triangle()).startswith("its forces are zero on geometries displaced by 0.05 Å")
    assert "no force component is above" in inert(Scaled(1e-9, 1e-9), triangle())
    far = make_structure([18, 18], np.array([[0, 0, 0], [60.0, 0, 0]]))
    assert "nothing tells this force field from none" in inert(lennard_jones(), far)
    assert inert(lennard_jones(), argon_cluster()) == ""
    assert inert(Scaled(0, 0), make_structure([18], np.zeros((1, 3)))).startswith("a lone atom feels no force")


class Kept(Model):
    """A force field that was made before."""

    type: Literal["kept"] = "kept"
    made: ClassVar[ForceField]

    def load(self, base: Path) -> ForceField:
        return self.made


class Looks(ProbeMetric):
    """Asks nothing."""

    type: Literal["looks"] = "looks"
    quantities: ClassVar = {"q": Quantity("1", "q")}

    def probe(self, subject: Any) -> xr.Dataset:
        return xr.Dataset({"q": ((), 1.0, {"units": "1"})})

    def measure(self, run: xr.Dataset) -> Any:
        return {"q": 1.0}


class Weighs(Looks):
    """Runs alone, and moves nothing."""

    alone: ClassVar = True


class Steps(Looks):
    """Runs alone because it times steps, and asks what they do too."""

    alone: ClassVar = True
    needs_dynamics: ClassVar = True


def test_it_is_asked_once_a_system_and_only_what_weighs_is_measured(tmp_path: Path) -> None:
    Kept.made = Scaled(0, 0)
    probes = {"looks": Looks(), "again": Looks(), "weighs": Weighs(), "steps": Steps()}
    structures: dict[str, Structure] = {"s": triangle(), "t": triangle(1.1)}
    planned = tuple(
        Probe("m", system, name, metric, 1, (1,), f"{system}{name}")
        for system in structures
        for name, metric in probes.items()
    )
    run_probes(ProbeBatch("m", Kept(), planned, structures, "."), tmp_path, lambda event: None)
    folder = ResultsFolder(tmp_path)
    done = {probe.id for probe in planned if folder.identity(probe.path)}
    assert done == {"probes/m/s/weighs", "probes/m/t/weighs"}
    assert "its forces are zero" in folder.problem("probes/m/s/steps", "ssteps")
    assert Kept.made.prepared == 2
    Kept.made = Scaled(1, 1)
    run_probes(ProbeBatch("m", Kept(), planned, structures, "."), tmp_path, lambda event: None)
    assert {probe.id for probe in planned if folder.identity(probe.path)} == {probe.id for probe in planned}
