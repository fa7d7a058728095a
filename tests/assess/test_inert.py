"""Runs in which nothing happened: seen before any metric is asked, from a part of the file where that is enough."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import xarray as xr

from mdprotocol.assess import inert as module
from mdprotocol.assess.inert import inert
from mdprotocol.plan.identity import settings_facts
from mdprotocol.testing.datasets import make_run
from mdprotocol.verdicts import Outcome
from mdprotocol_plugins.metrics.bond_lengths import BondLengths
from mdprotocol_plugins.metrics.stability import Stability


def scaled(factor: float, **options: Any) -> xr.Dataset:
    """A run whose forces are scaled."""
    run = make_run(**options)
    return run.assign(force=(run["force"].dims, factor * run["force"].values))


def test_a_sound_run_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    for kelvin in (1.5, 10.0, 300.0):
        assert inert(make_run(temperature_K=kelvin)) == ""
    monkeypatch.setattr(module, "CHUNK_BYTES", 100)
    assert inert(make_run()) == ""


@pytest.mark.parametrize("chunk", [100, 1 << 20])
def test_without_forces_or_motion_it_does_not(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(module, "CHUNK_BYTES", chunk)
    assert inert(scaled(0.0)).startswith("its forces are zero on every frame")
    assert "no force component is above" in inert(scaled(1e-9))
    assert "0.5 K, below 1 K" in inert(scaled(1.0, temperature_K=300, mean_temperature_K=0.5))


def test_one_frame_with_a_force_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK_BYTES", 100)
    run = scaled(0.0)
    run["force"][-1, 0, 0] = -2e-4
    assert inert(run) == ""


def test_a_run_that_failed_has_told_and_numbers_that_are_none_are_left_to_the_metrics() -> None:
    assert inert(scaled(0.0, outcome="failed")) == ""
    assert inert(scaled(np.nan)) == ""
    run = scaled(0.0)
    run["force"][3, 0, 0] = np.nan
    assert inert(run) != ""


@pytest.mark.parametrize("name", ["force", "temperature"])
def test_what_is_not_there_or_no_number_is_left_to_the_metrics(name: str) -> None:
    assert inert(make_run(drop=(name,))) == ""
    assert inert(make_run().assign({name: ((), 1.0)})) == ""
    assert inert(make_run().assign({name: ("frame", ["a"] * 101)})) == ""


def test_of_a_long_run_a_part_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """A frame at a time; and of a run with forces no more than the first."""
    monkeypatch.setattr(module, "CHUNK_BYTES", 100)
    make_run().to_netcdf(tmp_path / "run.nc")
    with xr.open_dataset(tmp_path / "run.nc") as run:
        read = [len(values) for values in module._chunks(run, "force")]
        assert read == [1] * 101
        assert not run.variables["force"]._in_memory


def test_a_reference_that_does_nothing_is_nobody_to_compare_with(world) -> None:
    """Nor is stability measured, which asks for no force."""

    def verdict(name: str, metric: Any, quantity: str, dead: str) -> Any:
        criteria = {"c": {"level": "must", "metric": f"{name}.{quantity}", "min": -1e9, "max": 1e9,
                          "where": {"system": "water", "temperature": 300}}}  # fmt: skip
        made = world(criteria, replicas=2, metrics={name: metric}, reference="teacher")
        for run in made.runs:
            facts = {
                "settings": json.dumps(settings_facts(run.settings)), "seed": str(run.seed), "replica": run.replica,
                "identity": "ab" * 32,
            }  # fmt: skip
            seed = run.replica + 10 * (run.model == "reference")
            data = scaled(0.0 if run.model == dead else 1.0, seed=seed, model=run.model)
            made.folder.write_dataset(run.path, data.assign_attrs(facts))
        (result,) = made.judge().criteria
        return result

    assert verdict("bond_lengths", BondLengths(), "mean", dead="").outcome is Outcome.PASS
    lost = verdict("bond_lengths", BondLengths(), "mean", dead="reference")
    assert lost.outcome is Outcome.NOT_MEASURED
    assert "the reference's own run runs/reference/" in lost.worst.measurement.reason
    assert "its forces are zero" in lost.worst.measurement.reason
    assert verdict("stability", Stability(), "crashed", dead="").outcome is Outcome.PASS
    assert verdict("stability", Stability(), "crashed", dead="student").outcome is Outcome.NOT_MEASURED


@pytest.mark.parametrize("chunk", [100, 1 << 20])
def test_atoms_that_stay_where_they_are_tell_nothing(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    """Heavy as lead by 10^12, moved for a hundredth of a femtosecond, or pinned by a model that writes into positions."""
    monkeypatch.setattr(module, "CHUNK_BYTES", chunk)
    run = make_run()
    pinned = run.assign(
        position=(run["position"].dims, np.repeat(run["position"].values[:1], run.sizes["frame"], axis=0))
    )
    assert "no coordinate moved by more than 0 Å" in inert(pinned)
    moved = pinned.copy(deep=True)
    moved["position"][-1, 0, 0] += 9e-4
    assert "no coordinate moved by more than 0.0009 Å" in inert(moved)
    moved["position"][-1, 0, 0] += 2e-4
    assert inert(moved) == ""
