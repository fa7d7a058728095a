"""Diagnosis with planted faults: the follow-up of a failed run names the fault, and blames nothing where there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
import torch
import xarray as xr

from mdprotocol.assess import diagnose as rules
from mdprotocol.contracts import (
    Evaluation,
    Evaluator,
    ForceField,
    Metric,
    Model,
    Structure,
    Subject,
    Topology,
    properties,
)
from mdprotocol.engine.followup import _stretch, follow_up_task, in_double
from mdprotocol.engine.propagate import propagate
from mdprotocol.plan.followup import FollowUp, Rerun
from mdprotocol.plan.types import Run, RunSettings
from mdprotocol.protocol.schema import Guards
from mdprotocol.store import ResultsFolder
from mdprotocol.testing.analytic import Morse
from mdprotocol.verdicts import CriterionResult, Decision, Diagnosis, Level, ModelVerdict, Outcome
from mdprotocol_plugins.integrators.velocity_verlet import VelocityVerlet
from mdprotocol_plugins.metrics.energy_fluctuation import EnergyFluctuation
from mdprotocol_plugins.metrics.force_consistency import ForceConsistency
from mdprotocol_plugins.metrics.force_error import ForceError
from mdprotocol_plugins.metrics.short_range_wall import ShortRangeWall
from mdprotocol_plugins.metrics.smoothness import Smoothness
from mdprotocol_plugins.metrics.stability import Stability
from mdprotocol_plugins.metrics.symmetry import Symmetry

PROBES = {
    "force_consistency": ForceConsistency(),
    "symmetry": Symmetry(geometries=1, rotations=4),
    "smoothness": Smoothness(directions=1),
    "short_range_wall": ShortRangeWall(),
}
CRITERIA: dict[str, tuple[str, Metric, float]] = {
    "crash": ("stability.crashed", Stability(), 0.0),
    "conservation": ("energy_fluctuation.per_atom", EnergyFluctuation(), 1.0),
    "forces": ("force_error.rmse", ForceError(), 0.1),
}
"""Name -> quantity, metric, upper bound; all of them are said to have failed."""

Change = Callable[[torch.Tensor, Topology, Evaluation, int], None]
"""Positions, topology, the answer (changed in place), number of calls before."""


@dataclass
class Changed(ForceField):
    """Morse H2, and what a test does to its answers."""

    change: Change
    depth: float = 4.75
    dtype: str = "float64"
    kernel: str = "analytic"

    def prepare(self, topology: Topology) -> Evaluator:
        sound, calls = Morse(depth=self.depth).prepare(topology), [0]

        def evaluate(positions: torch.Tensor, cells: torch.Tensor) -> Evaluation:
            answer = sound(positions, cells)
            self.change(positions, topology, answer, calls[0])
            calls[0] += 1
            return answer

        return evaluate


def nothing(positions: torch.Tensor, topology: Topology, answer: Evaluation, calls: int) -> None:
    """A sound model."""


def pairs_of(positions: torch.Tensor, topology: Topology) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pairs (P,), (P,) of each copy, and its copy (P,)."""
    owner = torch.from_numpy(topology.owner)
    i, j = torch.triu_indices(len(positions), len(positions), 1)
    same = owner[i] == owner[j]
    return i[same], j[same], owner[i[same]]


def curl(positions: torch.Tensor, topology: Topology, answer: Evaluation, calls: int) -> None:
    """Each atom is pushed round the z axis: no energy has these forces."""
    answer.forces += 0.5 * torch.stack([-positions[:, 1], positions[:, 0], torch.zeros(len(positions))], dim=1)


def jump(positions: torch.Tensor, topology: Topology, answer: Evaluation, calls: int) -> None:
    """A step of 30 meV for each pair below 0.76 Å, which the bond crosses all the time, and below 5 Å."""
    i, j, copy = pairs_of(positions, topology)
    distance = (positions[i] - positions[j]).norm(dim=1)
    steps = 0.03 * ((distance < 0.76).double() + (distance < 5.0).double())
    answer.energy = answer.energy.index_add(0, copy, steps)


def oriented(positions: torch.Tensor, topology: Topology, answer: Evaluation, calls: int) -> None:
    """c Σ z² around the centre of each copy: conservative, smooth, and another energy after a turn."""
    owner, c = torch.from_numpy(topology.owner), 0.5
    sizes = torch.bincount(owner).double()
    z = positions[:, 2] - (torch.zeros(topology.copies).double().index_add(0, owner, positions[:, 2]) / sizes)[owner]
    answer.energy = answer.energy.index_add(0, owner, c * z**2)
    answer.forces[:, 2] -= 2 * c * z


def hole(positions: torch.Tensor, topology: Topology, answer: Evaluation, calls: int) -> None:
    """-60 exp(-(d/0.35)²) eV for each pair: below half an Ångström everything falls together."""
    i, j, copy = pairs_of(positions, topology)
    vector = positions[j] - positions[i]
    well = -60.0 * torch.exp(-(vector.norm(dim=1) ** 2) / 0.35**2)
    answer.energy = answer.energy.index_add(0, copy, well)
    pull = (-2 * well / 0.35**2)[:, None] * vector
    answer.forces = answer.forces.index_add(0, i, pull).index_add(0, j, -pull)


def forgetful(positions: torch.Tensor, topology: Topology, answer: Evaluation, calls: int) -> None:
    """The energy's zero creeps by 5 meV a call."""
    answer.energy = answer.energy + 0.005 * calls


def coarse(positions: torch.Tensor, topology: Topology, answer: Evaluation, calls: int) -> None:
    """Energies in steps of 20 meV, as of a number format with few digits."""
    answer.energy = torch.round(answer.energy / 0.02) * 0.02


class Planted(Model):
    """Morse H2 with a fault; in float64 it is sound."""

    type: Literal["planted"] = "planted"
    dtype: Literal["float32", "float64"] = "float32"
    depth: float = 4.75
    faults: ClassVar[dict[str, Change]] = {
        "none": nothing, "curl": curl, "jump": jump, "oriented": oriented, "hole": hole, "forgetful": forgetful,
        "coarse": coarse,
    }  # fmt: skip
    fault: str = "none"
    """One of `faults`; `coarse` is a matter of the number format, so float64 is free of it."""

    def load(self, base: Path) -> ForceField:
        cured = self.fault == "coarse" and self.dtype == "float64"
        return Changed(self.faults["none" if cured else self.fault], self.depth, self.dtype)


@pytest.fixture
def hydrogen() -> Structure:
    positions = np.array([[0.0, 0.0, 0.0], [0.74, 0.0, 0.0]])
    return Structure(
        "h2", np.array([1, 1]), positions, np.array([1.008, 1.008]), np.zeros((3, 3)), np.zeros(3, dtype=bool)
    )


@pytest.fixture
def found(tmp_path: Path, hydrogen: Structure) -> Callable[..., Mapping[str, list[Diagnosis]]]:
    """Run H2 for 0.25 ps with a fault, follow it up, and say what is blamed for each failed criterion."""

    def diagnosed(
        fault: str = "none",
        timestep_fs: float = 0.1,
        kelvin: float = 300.0,
        limits: Mapping[str, Any] = MappingProxyType({"seconds": 120.0}),
        **options: Any,
    ) -> Any:
        model = Planted(fault=fault, **options)
        settings = RunSettings(VelocityVerlet(), timestep_fs, round(250 / timestep_fs), 10, 0, 10, Guards(), None)
        run = Run("planted", "h2", "nve", kelvin, 0, 3, settings, identity="ab" * 32)
        folder = ResultsFolder(tmp_path)
        stored = propagate(
            model.load(tmp_path), hydrogen, settings.integrator, timestep_fs, settings.steps,
            temperature_K=2 * kelvin, seed=3, record_every=10,
        )  # fmt: skip
        folder.write_dataset(run.path, stored.assign_attrs(identity=run.identity))
        quantities = {CRITERIA[name][0]: CRITERIA[name][1] for name in ("crash", "conservation")}
        rerun = Rerun(run, ("crash", "conservation"), quantities)
        task = FollowUp("planted", model, str(tmp_path), {"h2": hydrogen}, PROBES, (rerun,), 1, "{}", **limits)
        follow_up_task((task, tmp_path), lambda event: None)
        with folder.open(task.path) as table:
            rows = rules.rows_of(table.load())
        metrics = {metric.type: metric for _, metric, _ in CRITERIA.values()}
        causes = list(rules.diagnose(_all_failed(), metrics, rows, list(PROBES.values())))
        return {name: [cause for cause in causes if cause.criterion == name] for name in CRITERIA}

    return diagnosed


def _all_failed() -> ModelVerdict:
    results = [
        CriterionResult(name, Level.MUST, "", quantity, "", None, bound, Outcome.FAIL)
        for name, (quantity, _, bound) in CRITERIA.items()
    ]
    return ModelVerdict("planted", Decision.REJECTED, (), tuple(results))


def causes(found: Mapping[str, list[Diagnosis]], criterion: str) -> list[str]:
    return [cause.cause for cause in found[criterion]]


def test_a_sound_model_is_blamed_for_nothing_but_differing_from_the_reference(found):
    """It neither ends early nor breaks the bound when run again: of these two criteria nothing is said."""
    diagnosis = found()
    assert causes(diagnosis, "crash") == causes(diagnosis, "conservation") == []
    (forces,) = diagnosis["forces"]
    assert forces.cause == properties.LANDSCAPE.cause
    assert "symmetry, smoothness, short_range_wall found no fault" in forces.evidence


def test_a_time_step_that_is_too_long_is_named(found):
    """1.25 fs for a period of 7.6 fs: the energy's fluctuation falls to a quarter with half the step."""
    (cause,) = found(timestep_fs=1.25)["conservation"]
    assert cause.cause == properties.TIMESTEP.cause
    assert "with half the time step energy_fluctuation.per_atom is" in cause.evidence


def test_rounding_is_named(found):
    diagnosis = found("coarse")
    assert properties.PRECISION.cause in causes(diagnosis, "conservation")
    assert properties.TIMESTEP.cause not in causes(diagnosis, "conservation")


def test_forces_that_are_no_gradient_are_named(found):
    diagnosis = found("curl")
    assert causes(diagnosis, "conservation") == [properties.CONSERVATIVE.cause]
    assert causes(diagnosis, "forces") == [properties.CONSERVATIVE.cause, properties.SYMMETRY.cause]
    assert "meV of work round a closed path" in diagnosis["conservation"][0].evidence


def test_an_energy_that_jumps_is_named(found):
    diagnosis = found("jump")
    assert properties.SMOOTHNESS.cause in causes(diagnosis, "conservation")
    assert properties.TIMESTEP.cause not in causes(diagnosis, "conservation")
    assert "jumps by 30 meV" in next(
        c.evidence for c in diagnosis["conservation"] if c.cause == properties.SMOOTHNESS.cause
    )


def test_an_energy_that_depends_on_orientation_is_named(found):
    diagnosis = found("oriented")
    assert causes(diagnosis, "forces") == [properties.SYMMETRY.cause]
    assert causes(diagnosis, "crash") == [properties.SYMMETRY.cause]
    assert causes(diagnosis, "conservation") == []


def test_a_hole_in_the_potential_is_named(found):
    diagnosis = found("hole")
    assert causes(diagnosis, "crash") == [properties.SHORT_RANGE.cause]
    assert properties.SHORT_RANGE.cause not in causes(diagnosis, "conservation")


def test_a_memory_of_earlier_calls_is_named(found):
    assert properties.MEMORYLESS.cause in causes(found("forgetful"), "conservation")


def test_a_molecule_that_really_breaks_is_told_from_a_fault(found):
    """A bond of 50 meV at 3,000 K: no time step and no number format holds it together."""
    (cause,) = found(kelvin=3000.0, depth=0.05)["crash"]
    assert cause.cause == rules.OWN_PHYSICS
    assert "broken_bond" in cause.evidence
    assert "half the time step or float64" in cause.evidence


def test_a_quick_look_leaves_out_the_reruns_in_float64(found):
    """Where only what would be nice has failed, they would cost more than they tell."""
    diagnosis = found("coarse", limits={"seconds": 120.0, "quick": True})
    assert properties.PRECISION.cause not in causes(diagnosis, "conservation")


def test_a_finished_probe_is_read_and_not_done_again(found, tmp_path, hydrogen):
    """One that is stored with a broken symmetry is believed, for a model that has none."""
    skewed = Planted(fault="oriented").load(tmp_path)
    stored = PROBES["symmetry"].probe(Subject(skewed, hydrogen, seed=7))
    path = "probes/planted/h2/symmetry.nc"
    ResultsFolder(tmp_path).write_dataset(path, stored.assign_attrs(identity="cd" * 32))
    diagnosis = found(limits={"seconds": 120.0, "done": {("h2", "symmetry"): path}})
    assert causes(diagnosis, "forces") == [properties.SYMMETRY.cause]


def test_a_failing_run_is_followed_over_its_failure_however_little_time_there_is(tmp_path):
    """What can be afforded must not begin after the failure."""
    times = np.append(np.arange(0.0, 6390.0, 10.0), 6392.0)
    variables = {
        "time": ("frame", times, {"units": "fs"}),
        "position": ("frame", times, {"units": "Å"}),  # the positions of a frame say here when it was
    }
    facts = {"outcome": "failed", "failure_time_fs": 6392.0, "identity": "ab" * 32}
    settings = RunSettings(VelocityVerlet(), 2.0, 5000, 5, 0, 10, Guards(), None)
    run = Run("planted", "h2", "nve", 300.0, 0, 3, settings, identity="ab" * 32)
    folder = ResultsFolder(tmp_path)
    folder.write_dataset(run.path, xr.Dataset(variables, attrs=facts))
    for affordable in (60, 600, 1400, 10_000):
        start, steps = _stretch(run, folder, affordable)
        assert steps <= affordable
        assert start["positions"] < 6392.0 < start["positions"] + 2.0 * steps


def test_a_model_in_double_precision_is_not_made_again(tmp_path):
    single, double = Planted(), Planted(dtype="float64")
    assert in_double(single, str(tmp_path), single.load(tmp_path)).dtype == "float64"
    assert in_double(double, str(tmp_path), double.load(tmp_path)) is None
