"""Faults of the evidence: which run loses what, which simulation is skipped, and who labels."""

from __future__ import annotations

from typing import Any

import xarray as xr

from mdprotocol_plugins.faults.evidence import LostVariable, OwnReference, SkippedSimulation


def run(*names: str) -> xr.Dataset:
    return xr.Dataset({name: ("frame", [0.0, 1.0]) for name in names})


def test_the_first_run_with_labels_loses_them() -> None:
    runs = {"a": run("velocity"), "b": run("velocity", "reference_force"), "c": run("velocity", "reference_force")}
    spoiled = LostVariable().spoiled(runs)
    assert {path: sorted(map(str, made.variables)) for path, made in spoiled.items()} == {"b": ["velocity"]}


def test_without_labels_the_first_run_loses_its_velocities() -> None:
    spoiled = LostVariable().spoiled({"a": run("velocity", "position"), "b": run("velocity")})
    assert {path: sorted(map(str, made.variables)) for path, made in spoiled.items()} == {"a": ["position"]}
    assert LostVariable().spoiled({}) == {}


def test_the_first_simulation_is_skipped_and_the_model_labels_its_own_frames() -> None:
    model: Any = object()
    assert list(SkippedSimulation().skipped(["nve", "nvt"])) == ["nve"]
    assert OwnReference().labelled_by(model, object()) is model  # type: ignore[arg-type]
