"""A follow-up in which something cannot be done: what can be done still tells."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
import xarray as xr

from mdprotocol.contracts import Evaluation, ForceField, Metric, Model, ProbeMetric, Quantity, Structure
from mdprotocol.engine.followup import FEWEST_STEPS, follow_up, in_double
from mdprotocol.engine.propagate import propagate
from mdprotocol.plan.followup import AS_RUN, DOUBLE, HALF_STEP, PROBE, TRIPPED, FollowUp, Rerun
from mdprotocol.plan.types import Run, RunSettings
from mdprotocol.protocol.schema import Guards
from mdprotocol.store import ResultsFolder
from mdprotocol.testing.analytic import Morse
from mdprotocol_plugins.integrators.velocity_verlet import VelocityVerlet

SETTINGS = RunSettings(VelocityVerlet(), 0.1, 400, 10, 0, 10, Guards(bond_stretch=None, new_bond=None), None)


class Silent(ForceField):
    """Morse H2 that has no answer beyond a length."""

    dtype = "float32"

    def __init__(self, longest: float, how: str) -> None:
        self.inner, self.longest, self.how = Morse(4.75, 1.94, 0.74), longest, how

    def prepare(self, topology: Any) -> Any:
        evaluate = self.inner.prepare(topology)

        def answer(positions: torch.Tensor, cells: torch.Tensor) -> Evaluation:
            found = evaluate(positions, cells)
            if float((positions[1] - positions[0]).norm()) > self.longest:
                if self.how == "raises":
                    raise ZeroDivisionError("no such luck")
                found.errors[0] = "too long"
            return found

        return answer


class SilentModel(Model):
    """Morse H2 that has no answer beyond a length; not in float64."""

    type: Literal["silent"] = "silent"
    longest: float = 1e9
    how: str = "says so"
    dtype: Literal["float32", "float64"] = "float32"
    double: bool = False

    def load(self, base: Path) -> ForceField:
        if self.dtype == "float64" and not self.double:
            raise ValueError("only in float32")
        return Silent(self.longest, self.how)


class Single(Model):
    """It has no other number format."""

    type: Literal["single"] = "single"

    def load(self, base: Path) -> ForceField:
        return Silent(1e9, "")


class Broken(Metric):
    """It breaks on a rerun."""

    type: Literal["broken"] = "broken"
    quantities = {"x": Quantity("1", "x")}

    def measure(self, run: xr.Dataset) -> Any:
        raise ZeroDivisionError


class Longest(Metric):
    """Longest distance of the two."""

    type: Literal["longest"] = "longest"
    quantities = {"x": Quantity("Å", "x")}

    def measure(self, run: xr.Dataset) -> Any:
        return {"x": float(np.linalg.norm(run.position.values[:, 1] - run.position.values[:, 0], axis=1).max())}


class BrokenProbe(ProbeMetric):
    """It breaks, or gives what is no number."""

    type: Literal["broken_probe"] = "broken_probe"
    quantities = {"x": Quantity("1", "x")}
    how: str = "raises"

    def probe(self, subject: Any) -> xr.Dataset:
        if self.how == "raises":
            raise ZeroDivisionError
        return xr.Dataset()

    def measure(self, run: xr.Dataset) -> Any:
        return {"x": float("nan") if self.how == "nan" else 3.0}


@pytest.fixture
def hydrogen() -> Structure:
    positions = np.array([[0.0, 0.0, 0.0], [0.74, 0.0, 0.0]])
    return Structure("h2", np.array([1, 1]), positions, np.array([1.0, 1.0]), np.zeros((3, 3)), np.zeros(3, dtype=bool))


@pytest.fixture
def rows(tmp_path: Path, hydrogen: Structure) -> Callable[..., dict[tuple[str, str, str], tuple[float, str]]]:
    """Rows of a follow-up: (what, quantity, system) -> value and detail."""

    def followed(
        model: Model, *reruns: Rerun, probes: dict[str, ProbeMetric] | None = None, systems: tuple[str, ...] = ("h2",),
        seconds: float = 120.0,
    ) -> Any:  # fmt: skip
        structures = dict.fromkeys(systems, hydrogen)
        task = FollowUp("m", model, str(tmp_path), structures, probes or {}, reruns, 1, "{}", seconds)
        table = follow_up(task, ResultsFolder(tmp_path))
        return {(what, quantity, system): (value, text) for what, quantity, system, _, value, text in table.rows}

    return followed


def rerun(folder: Path, structure: Structure, *, system: str = "h2", stored: bool = True, **metrics: Metric) -> Rerun:
    run = Run("m", system, "nve", 300.0, 0, 3, SETTINGS, identity="ab" * 32)
    if stored:
        moved = propagate(
            Silent(1e9, ""), structure, VelocityVerlet(), 0.1, 400, temperature_K=600.0, seed=3, record_every=10
        )
        ResultsFolder(folder).write_dataset(run.path, moved.assign_attrs(identity=run.identity))
    return Rerun(run, ("c",), {f"{name}.x": metric for name, metric in metrics.items()})


def test_a_probe_that_breaks_hides_nothing(rows) -> None:
    probes = {how: BrokenProbe(how=how) for how in ("raises", "nan", "sound")}
    assert rows(SilentModel(), probes=probes, systems=("h2", "other")) == {
        (PROBE, "sound.x", "h2"): (3.0, ""),
        (PROBE, "sound.x", "other"): (3.0, ""),
    }


def test_without_time_nothing_is_begun(rows, tmp_path: Path, hydrogen: Structure) -> None:
    assert (
        rows(SilentModel(), rerun(tmp_path, hydrogen), probes={"sound": BrokenProbe(how="sound")}, seconds=-1.0) == {}
    )


def test_nothing_to_look_at_is_an_empty_table(rows, tmp_path: Path, hydrogen: Structure) -> None:
    assert rows(SilentModel(), rerun(tmp_path, hydrogen), systems=()) == {}


def test_a_run_that_is_gone_hides_neither_probes_nor_other_runs(rows, tmp_path: Path, hydrogen: Structure) -> None:
    gone = rerun(tmp_path, hydrogen, system="gone", stored=False, longest=Longest())
    found = rows(
        SilentModel(), gone, rerun(tmp_path, hydrogen, longest=Longest()), probes={"sound": BrokenProbe(how="sound")},
        systems=("gone", "h2"),
    )  # fmt: skip
    assert {key for key in found if key[2] == "gone"} == {(PROBE, "sound.x", "gone")}
    assert found[AS_RUN, TRIPPED, "h2"][0] == 0.0
    assert 0.74 < found[AS_RUN, "longest.x", "h2"][0] < 1.2


def test_a_metric_that_breaks_on_a_rerun_hides_no_other(rows, tmp_path: Path, hydrogen: Structure) -> None:
    found = rows(SilentModel(), rerun(tmp_path, hydrogen, broken=Broken(), longest=Longest()))
    assert {key[:2] for key in found} == {
        (AS_RUN, TRIPPED), (AS_RUN, "longest.x"), (HALF_STEP, TRIPPED), (HALF_STEP, "longest.x"),
    }  # fmt: skip


def test_a_model_without_an_answer_on_the_way_is_a_run_that_ended(rows, tmp_path: Path, hydrogen: Structure) -> None:
    found = rows(SilentModel(longest=0.741), rerun(tmp_path, hydrogen, longest=Longest()))
    assert found == {}  # not even the pace can be told

    farthest, _ = rows(SilentModel(), rerun(tmp_path, hydrogen, longest=Longest()))[AS_RUN, "longest.x", "h2"]
    farther = rows(SilentModel(longest=farthest - 1e-4), rerun(tmp_path, hydrogen, longest=Longest()))
    value, text = farther[AS_RUN, TRIPPED, "h2"]
    assert value == 1.0
    assert "too long, within " in text
    assert (AS_RUN, "longest.x", "h2") not in farther


def test_a_model_that_raises_on_the_way_leaves_no_row_of_that_run(rows, tmp_path: Path, hydrogen: Structure) -> None:
    found = rows(
        SilentModel(longest=0.741, how="raises"), rerun(tmp_path, hydrogen), probes={"sound": BrokenProbe(how="sound")}
    )
    assert found == {(PROBE, "sound.x", "h2"): (3.0, "")}


def test_in_double_where_it_can_be(tmp_path: Path, rows, hydrogen: Structure) -> None:
    assert in_double(SilentModel(), str(tmp_path), Silent(1e9, "")) is None
    assert in_double(Single(), str(tmp_path), Silent(1e9, "")) is None
    assert in_double(SilentModel(double=True), str(tmp_path), Silent(1e9, "")) is not None
    assert (DOUBLE, TRIPPED, "h2") in rows(SilentModel(double=True), rerun(tmp_path, hydrogen))


def test_a_run_that_failed_before_its_first_frame_starts_from_the_structure(
    rows, tmp_path: Path, hydrogen: Structure
) -> None:
    wanted = rerun(tmp_path, hydrogen, longest=Longest())
    folder = ResultsFolder(tmp_path)
    empty = folder.load(wanted.run.path).isel(frame=slice(0, 0))
    failed = {"outcome": "failed", "failure_kind": "nan", "failure_time_fs": 0.0, "failure_step": 0}
    folder.write_dataset(wanted.run.path, empty.assign_attrs(failed))
    _, text = rows(SilentModel(), wanted)[AS_RUN, TRIPPED, "h2"]
    assert text == f"within {FEWEST_STEPS * 0.1 / 1000:.3g} ps"
