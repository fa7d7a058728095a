"""Measuring: every way in which a run can fail to give a number ends as a reason; the dataset survives its file."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import ClassVar, Literal

import numpy as np
import pytest
import xarray as xr

from mdprotocol.assess import from_dataset, measure, measuring, tabulate
from mdprotocol.assess.measuring import measure_part
from mdprotocol.contracts import Metric, Quantity, ReplicaComparison


def reason_of(made, index=0, quantity="level.mean"):
    return made.measure().reading(quantity, made.runs[index].id).reason


def test_a_measured_run_has_its_value_and_no_reason(world):
    made = world().fill(lambda run: 0.25)
    reading = made.measure().reading("level.mean", made.runs[0].id)
    assert reading.values == {(): 0.25}
    assert reading.reason == ""


def test_a_missing_run_is_a_reason(world):
    made = world().fill(lambda run: None if run.replica == 0 else 1.0)
    assert reason_of(made) == "the run is missing or its file is damaged"


def test_a_torn_file_is_not_trusted(world):
    made = world().fill(lambda run: 1.0)
    path = made.folder.path(made.runs[0].path)
    path.write_bytes(path.read_bytes()[:2000])
    assert reason_of(made) == "the run is missing or its file is damaged"


def test_a_stored_run_of_another_identity_is_not_trusted(world):
    from dataclasses import replace

    from mdprotocol.assess import measure

    made = world().fill(lambda run: 1.0)
    planned = [replace(run, identity="ff" * 32) for run in made.runs]
    found = measure(replace(made.study, runs=tuple(planned), probes=()), made.folder)
    assert "not the planned one" in found.reading("level.mean", planned[0].id).reason


@pytest.mark.parametrize(
    ("key", "attrs"),
    [
        ("seed", {"seed": "1"}),
        ("timestep_fs", {"settings": '{"timestep_fs": 0.5}'}),
        ("integrator", {"settings": '{"integrator": {"class": "any", "options": {"type": "other"}}}'}),
    ],
)
def test_a_stored_run_with_other_settings_is_not_trusted(world, key, attrs):
    made = world().fill(lambda run: 1.0, **attrs)
    assert f"other settings than the protocol's ({key})" in reason_of(made)


def test_where_a_plugin_lies_makes_no_other_settings(world):
    moved = '{"integrator": {"class": "elsewhere.AnyIntegrator", "options": {"type": "any"}}}'
    assert reason_of(world().fill(lambda run: 1.0, settings=moved)) == ""


def test_a_missing_variable_is_a_reason(world):
    made = world().fill(lambda run: 1.0)
    attrs = {"identity": "ab" * 32, "outcome": "completed"}
    made.folder.write_dataset(made.runs[0].path, xr.Dataset(attrs=attrs))
    assert reason_of(made) == "the run has no signal"


def test_a_nan_in_a_needed_variable_is_a_reason(world):
    made = world().fill(lambda run: np.nan if run.replica == 0 else 1.0)
    assert "signal is not finite (first at frame 0)" in reason_of(made)


def test_what_a_metric_raises_is_a_reason(world):
    assert "ZeroDivisionError: a fault of the metric" in reason_of(world().fill(lambda run: 98.0))
    assert reason_of(world().fill(lambda run: 99.0)) == "99 is no number"


def test_the_reason_tells_that_the_run_failed(world):
    failed = {"outcome": "failed", "failure_kind": "broken_bond", "failure_time_fs": 12.0}
    made = world().fill(lambda run: 99.0, **failed)
    assert reason_of(made) == "the run failed (broken_bond at 12 fs): 99 is no number"


def test_a_comparison_needs_the_references_run(world):
    assert "no reference trajectory" in reason_of(world().fill(lambda run: 1.0), quantity="difference.signed")


class Yardstick(ReplicaComparison):
    """Gives the number of the reference's other replicas, and the sum of their signals."""

    type: Literal["yardstick"] = "yardstick"
    quantities: ClassVar = {"count": Quantity("1", "others"), "sum": Quantity("eV", "sum of the others' signals")}

    def compare_replicas(self, run, reference, others):
        return {"count": len(others), "sum": sum(float(other["signal"].mean()) for other in others)}


@pytest.mark.parametrize(("lost", "others", "total"), [(None, 3, 9.0), (0, 2, 9.0), (3, 2, 3.0)])
def test_a_comparison_may_ask_for_the_references_other_replicas(world, lost, others, total):
    """The partner of replica 1 is the reference's replica 1; the signals of the others are 0, 3 and 6."""
    made = world(metrics={"yardstick": Yardstick()}, reference="teacher")
    made.fill(lambda run: {0: 0.0, 1: 1.0, 2: 3.0, 3: 6.0}[run.replica])
    for run in made.runs:
        if run.model == "reference" and run.replica == lost:
            made.write(run, 99.0, outcome="failed", failure_kind="nan", failure_time_fs=3.0)
    found = made.measure()
    place = made.runs[1].id
    assert found.reading("yardstick.count", place).values == {(): others}
    assert found.reading("yardstick.sum", place).values == {(): total}


def test_a_failed_probe_is_a_reason(world):
    made = world().fill(lambda run: 1.0)
    made.write_probe(made.probes[0], 1.0, outcome="failed", failure_detail="out of memory")
    found = made.measure()
    first, second = (found.reading("examined.found", probe.id).reason for probe in made.probes)
    assert "out of memory" in first
    assert second == "the probe is missing or its file is damaged"


class Frames(Metric):
    """Counts the frames of a run."""

    type: Literal["frames"] = "frames"
    quantities: ClassVar = {"count": Quantity("1", "frames")}

    def measure(self, run):
        return {"count": float(run.sizes["frame"])}


class OfCompleted(Frames):
    """A metric that only a completed run has something to say to."""

    type: Literal["of_completed"] = "of_completed"
    measures_failed: ClassVar = False


def test_a_metric_that_measures_no_failed_run_is_not_asked_about_one(world):
    made = world(metrics={"end": OfCompleted(), "any": Frames()}).fill(lambda run: 1.0)
    made.write(made.runs[0], 1.0, outcome="failed", failure_kind="nan", failure_time_fs=3.0)
    found = made.measure()
    place, other = (run.id for run in made.runs[:2])
    reason = "the run failed (nan at 3 fs): only runs that reached their end are measured"
    assert found.reading("end.count", place).reason == reason
    assert found.reading("any.count", place).values == found.reading("end.count", other).values


class Careless(Metric):
    """A third party's metric that returns what it should not."""

    type: Literal["careless"] = "careless"
    quantities: ClassVar = {"q": Quantity("1", "q"), "other": Quantity("1", "other")}
    returns: str

    def measure(self, run):
        if self.returns == "writes":
            run["signal"].values[:] = 7
        if self.returns == "drops":
            del run["signal"], run.attrs["outcome"]
        return {
            "nan": {"q": float("nan"), "other": 1.0},
            "text": {"q": "fast", "other": 1.0},
            "unknown": {"Q": 1.0},
            "partial": {"other": 1.0},
            "nothing": None,
            "dims": {"q": xr.DataArray([1.0], dims="replica"), "other": 1.0},
            "hole": {"q": xr.DataArray([1.0, np.nan], {"part": [0, 1]}, dims="part"), "other": 1.0},
        }.get(self.returns, {"q": 1.0, "other": 1.0})


@pytest.mark.parametrize(
    ("returns", "text"),
    [
        ("nan", "returned nan"),
        ("text", "unusable q"),
        ("unknown", "returned Q, which is not among its quantities"),
        ("partial", "gave no q"),
        ("nothing", "returned NoneType"),
        ("dims", "dim name replica is taken"),
        ("hole", "returned nan"),
    ],
)
def test_a_careless_metric_is_not_measured(world, returns, text):
    made = world(metrics={"careless": Careless(returns=returns)}).fill(lambda run: 1.0)
    assert text in reason_of(made, quantity="careless.q")


@pytest.mark.parametrize("returns", ["writes", "drops"])
def test_one_metric_cannot_change_what_the_next_one_sees(world, returns):
    first = world().metrics["level"]
    made = world(metrics={"careless": Careless(returns=returns), "level": first}).fill(lambda run: 1.0)
    assert made.measure().reading("level.mean", made.runs[0].id).values == {(): 1.0}


def test_measurements_read_back_say_the_same(world):
    made = world().fill(lambda run: None if run.replica == 1 else 0.1 + run.replica, elements="H O")
    made.write_probe(made.probes[0], 4.0)
    before = made.measure()
    made.folder.write_dataset("measurements.nc", made.dataset(before))
    with made.folder.open("measurements.nc") as stored:
        after = from_dataset(stored.load())
    xr.testing.assert_identical(made.dataset(before).drop_attrs(), made.dataset(after).drop_attrs())
    assert after.quantities == before.quantities
    for run in made.runs:
        for quantity in before.quantities:
            assert after.reading(quantity, run.id) == before.reading(quantity, run.id)
    assert made.judge(after) == made.judge(before)
    rows = tabulate(made.study, after)
    assert repr(rows) == repr(tabulate(made.study, before))


def test_each_quantity_has_its_units_in_the_file(world):
    made = world().fill(lambda run: 1.0)
    dataset = made.dataset()
    assert dataset["level.mean"].attrs == {"units": "eV", "long_name": "signal, mean", "pool": "mean", "positive": 0}
    assert dataset["level.mean"].dims == ("model", "system", "simulation", "temperature", "replica")


def test_an_edited_threshold_needs_no_run_files(world, spread):
    found = world().fill(spread(0.5, 0.01)).measure()
    strict = world({"low": {"level": "must", "metric": "level.mean", "max": 0.1}})
    for run in strict.runs:
        strict.folder.path(run.path).unlink()
    assert strict.judge(found).decision == "REJECTED"


def test_a_plan_that_the_measurements_do_not_cover_is_not_measured(world):
    found = world(replicas=2).fill(lambda run: 0.5).measure()
    worst = world(replicas=3).judge(found).criteria[0].worst
    assert "do not cover it" in worst.measurement.reason


def test_the_full_table_has_a_row_a_cell(world):
    made = world().fill(lambda run: run.temperature_K)
    rows = [row for row in tabulate(made.study, made.measure()) if row.quantity == "level.mean"]
    assert [(row.where["system"], row.where["temperature"], row.value) for row in rows] == [
        ("water", 100.0, 100.0),
        ("water", 300.0, 300.0),
        ("methane", 100.0, 100.0),
        ("methane", 300.0, 300.0),
    ]
    assert all(len(row.runs) == 4 for row in rows)


def test_store_and_assess_never_import_torch():
    code = "import sys, mdprotocol.store, mdprotocol.assess, mdprotocol_plugins.metrics; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_who_measures_and_in_which_order_changes_nothing(world):
    """Parts go to other processes and come back in any order; the reasons and axes stay those of the plan."""

    def elsewhere(parts):
        assert len(parts) > 2
        found = [pickle.loads(pickle.dumps(measure_part(pickle.loads(pickle.dumps(part))))) for part in parts]
        return reversed(found)

    lost = {0: None, 2: float("nan")}
    made = world(reference="teacher").fill(lambda run: lost.get(run.replica, run.temperature_K + run.replica))
    for probe in made.probes[:1]:
        made.write_probe(probe, 0.5)
    here = made.measure()
    there = measure(made.study, made.folder, elsewhere)
    assert made.dataset(there).identical(made.dataset(here))
    assert list(made.dataset(there).variables) == list(made.dataset(here).variables)
    assert len({made.measure().reading("level.mean", run.id).reason for run in made.runs}) > 2


def test_a_variable_is_read_once_for_all_metrics_and_nobody_can_change_it(world, monkeypatch):
    """Also a large one is the same for each, whoever asks; it is only not kept."""

    class Spoiler(Metric):
        type: Literal["spoiler"] = "spoiler"
        needs: ClassVar = frozenset({"signal"})
        quantities: ClassVar = {"done": Quantity("1", "whether it could write", "mean")}

        def measure(self, run):
            run["signal"].values[:] = 7.0
            return {"done": 1.0}

    for most in (measuring.SHARED_BYTES, 0):
        monkeypatch.setattr(measuring, "SHARED_BYTES", most)
        made = world(criteria={}, metrics={"spoiler": Spoiler(), "level": world().metrics["level"]})
        made.fill(lambda run: 0.25)
        assert "read-only" in reason_of(made, quantity="spoiler.done")
        assert made.measure().reading("level.mean", made.runs[0].id).values == {(): 0.25}
