"""Labels that failed, that are missing, that are there twice or of other frames: whoever made the file, they are counted."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from mdprotocol.assess import from_dataset, tabulate
from mdprotocol.assess.labelled import LabelCount, count_labels
from mdprotocol.errors import StoreError
from mdprotocol.plan.identity import settings_facts
from mdprotocol.protocol.schema import LabelRules
from mdprotocol.testing.datasets import make_run
from mdprotocol.verdicts import Outcome
from mdprotocol_plugins.metrics.ensemble import Ensemble
from mdprotocol_plugins.metrics.force_error import ForceError
from mdprotocol_plugins.metrics.temperature import Temperature

RULES = LabelRules()


@pytest.fixture
def planned(world) -> Any:
    """A run of 101 frames, of which each tenth is to be labelled: 11 labels."""
    return world(reference="teacher").runs[0]


def sound(**options: Any) -> Any:
    return make_run(**options)


def test_labels_that_are_all_there_are_counted(planned) -> None:
    assert count_labels(planned, sound(), RULES) == LabelCount(11, 11, "")


def test_failed_labels_are_too_many_beyond_the_declared_share(planned) -> None:
    run = sound(reference_failures=2, reference_failure_detail="frame 40: SCF did not converge")
    run = run.isel(sample=[0, 1, 2, 3, 6, 7, 8, 9, 10])
    found = count_labels(planned, run, RULES)
    assert (found.planned, found.given) == (11, 9)
    assert found.problem == "2 of 11 labels failed (frame 40: SCF did not converge); at most 0 % may"
    assert count_labels(planned, run, LabelRules(max_failed_share=0.2)).problem == ""
    assert "at most 15 % may" in count_labels(planned, run, LabelRules(max_failed_share=0.15)).problem


FORGED = {
    "shorter": (lambda run: run.isel(sample=slice(5)), "6 of 11 labels are missing; at most 0 % may"),
    "of fewer frames": (
        lambda run: run.isel(frame=slice(21), sample=slice(3)),
        "8 of 11 labels are missing; at most 0 % may",
    ),
    "none at all": (
        lambda run: run.drop_vars(["sample_frame", "reference_force", "reference_energy"]),
        "11 of 11 labels are missing; at most 0 % may",
    ),
    "twice": (lambda run: run.isel(sample=[0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8]), "frame 80 is labelled 3 times"),
    "added twice": (lambda run: run.isel(sample=[*range(11), 0]), "frame 0 is labelled 2 times"),
    "of another frame": (
        lambda run: run.assign(sample_frame=run["sample_frame"] + 1).isel(sample=slice(10)),
        "frame 1 has a label, and none was planned for it",
    ),
    "of no frame": (
        lambda run: run.assign(sample_frame=run["sample_frame"] * 11),
        "frame 110 has a label, and none was planned for it",
    ),
    "of half a frame": (
        lambda run: run.assign(sample_frame=run["sample_frame"] + 0.5),
        "sample_frame holds no numbers of frames",
    ),
    "fewer than said": (lambda run: run.assign_attrs(reference_failures=4), "4 of 11 labels failed; at most 0 % may"),
    "some failed, more gone": (
        lambda run: run.isel(sample=slice(5)).assign_attrs(reference_failures=1),
        "6 of 11 labels failed or are missing; at most 0 % may",
    ),
    "one answer for all": (
        lambda run: run.assign(reference_force=run["reference_force"] * 0 + 0.5),
        "the reference's forces are the same on all of the 11 labelled frames: they follow no geometry",
    ),
    "words for a number": (
        lambda run: run.isel(sample=slice(10)).assign_attrs(reference_failures="none"),
        "1 of 11 labels are missing; at most 0 % may",
    ),
}


@pytest.mark.parametrize("how", FORGED)
def test_what_is_not_as_planned_is_not_compared(planned, how: str) -> None:
    forge, said = FORGED[how]
    assert count_labels(planned, forge(sound()), RULES).problem == said


def test_of_a_failed_run_the_labels_up_to_its_failure_are_planned(planned) -> None:
    run = sound(frames=43, outcome="failed")
    assert count_labels(planned, run, RULES) == LabelCount(5, 5, "")
    assert count_labels(planned, run.isel(sample=slice(4)), RULES).given == 4
    assert "1 of 5 labels" in count_labels(planned, run.isel(sample=slice(4)), RULES).problem
    early = sound(frames=10, outcome="failed")
    assert count_labels(planned, early, RULES).problem == "the run has 1 label; a comparison needs 2 (`labels: least`)"
    assert count_labels(planned, early, LabelRules(least=1)).problem == ""


# ------------------------------------------------------------------------------------------ through measuring to a verdict


def filled(world, metric: Any, quantity: str, maim: Any = lambda run: run, **options: Any) -> Any:
    """A world with files of real layout, water at 300 K; `maim` changes those of the model's replica 1."""
    criteria = {"c": {"level": "must", "metric": f"{metric.type}.{quantity}", "min": -1e9, "max": 1e9,
                      "where": {"system": "water", "temperature": 300}}}  # fmt: skip
    made = world(criteria, replicas=3, metrics={metric.type: metric}, reference="teacher", **options)
    for run in made.runs:
        if run.system == "water" and run.temperature_K == 300:
            facts = {
                "settings": json.dumps(settings_facts(run.settings)), "seed": str(run.seed), "replica": run.replica,
                "identity": "ab" * 32,
            }  # fmt: skip
            own = run.model == "reference"
            data = make_run(seed=run.replica + 10 * own, model=run.model, reference_every=0 if own else 10)
            data["force"] = data["force"] * (1 + 0.01 * run.replica)  # identical errors would decide nothing
            data = maim(data) if run.replica == 1 and not own else data
            made.folder.write_dataset(run.path, data.assign_attrs(facts))
    return made


def test_the_number_of_labels_is_beside_the_measurement(world) -> None:
    made = filled(world, ForceError(), "rmse")
    (result,) = made.judge().criteria
    assert result.outcome is Outcome.PASS
    assert result.conditions[0].measurement.labels == 33
    rows = {row.quantity: row for row in tabulate(made.study, made.measure()) if not row.reason}
    assert rows["force_error.rmse"].labels == 33
    assert filled(world, Temperature(), "mean").judge().criteria[0].conditions[0].measurement.labels is None


def test_they_are_stored_with_the_measurements(world) -> None:
    made = filled(world, ForceError(), "rmse")
    before = made.measure()
    made.folder.write_dataset("measurements.nc", made.dataset(before))
    stored = made.folder.load("measurements.nc")
    after = from_dataset(stored)
    run = next(r.id for r in made.runs if r.model != "reference" and r.system == "water" and r.temperature_K == 300)
    assert (after.labels[run].given, after.labels[run].planned) == (11, 11)
    assert after.reading("force_error.rmse", run).labels == 11
    assert made.judge(after) == made.judge(before)
    old = stored.drop_vars(["run_labels", "run_labels_planned"]).assign_attrs(mdprotocol_measurements=1)
    with pytest.raises(
        StoreError, match=r"format 1, and this version reads format 2\); `mdprotocol judge` measures again"
    ):
        from_dataset(old)
    with pytest.raises(StoreError, match="run_labels"):
        from_dataset(stored.drop_vars("run_labels"))


def test_one_run_with_missing_labels_leaves_the_condition_unmeasured(world) -> None:
    made = filled(world, ForceError(), "rmse", lambda run: run.isel(sample=slice(5)))
    (result,) = made.judge().criteria
    assert result.outcome is Outcome.NOT_MEASURED
    assert "6 of 11 labels are missing" in result.worst.measurement.reason
    tolerant = filled(
        world, ForceError(), "rmse", lambda run: run.isel(sample=slice(5)), extra={"labels": {"max_failed_share": 0.6}}
    )
    (result,) = tolerant.judge().criteria
    assert result.outcome is Outcome.PASS
    assert result.worst.measurement.labels == 27


def test_a_metric_that_uses_labels_without_saying_so_gets_none_where_some_are_missing(world) -> None:
    """The ensemble's shift is measured where there are labels; the rest of it needs none and is measured as before."""
    lacking = filled(world, Ensemble(), "potential_energy_shift", lambda run: run.isel(sample=slice(5)))
    (result,) = lacking.judge().criteria
    assert result.outcome is Outcome.NOT_MEASURED
    assert "6 of 11 labels are missing" in result.worst.measurement.reason
    assert filled(world, Ensemble(), "potential_energy_shift").judge().criteria[0].outcome is Outcome.PASS
    other = filled(world, Ensemble(), "temperature_difference", lambda run: run.isel(sample=slice(5)))
    assert other.judge().criteria[0].outcome is Outcome.PASS


@pytest.mark.parametrize("lost", ["failed", "missing"])
def test_a_lost_replica_of_the_reference_leaves_the_condition_unmeasured(world, lost: str) -> None:
    """Its own pair has no value, and the others alone would be a narrower yardstick."""
    made = filled(world, Ensemble(), "temperature_difference")
    run = next(r for r in made.runs if r.model == "reference" and r.system == "water" and r.temperature_K == 300)
    if lost == "missing":
        made.folder.path(run.path).unlink()
    else:
        stored = made.folder.load(run.path)
        made.folder.write_dataset(run.path, stored.assign_attrs(outcome="failed", failure_kind="nan"))
    (result,) = made.judge().criteria
    assert result.outcome is Outcome.NOT_MEASURED
    assert f"the reference's own run {run.id}: " in result.worst.measurement.reason


def test_labels_that_are_not_finite_are_no_labels(world) -> None:
    def spoiled(run: Any) -> Any:
        values = run["reference_force"].values.copy()
        values[3, 0, 0] = np.nan
        return run.assign(reference_force=(run["reference_force"].dims, values))

    assert filled(world, ForceError(), "rmse", spoiled).judge().criteria[0].outcome is Outcome.NOT_MEASURED
