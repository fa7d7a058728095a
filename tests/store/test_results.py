"""Reading results: the stacked view is what the files hold, and says where there is nothing."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from mdprotocol.errors import StoreError
from mdprotocol.store import ResultsFolder, open_results

PROTOCOL = """
simulations:
  nve: {timestep_fs: [0.5, 1.0], temperatures_K: [1], replicas: 9}
  other: {timestep_fs: 0.5, temperatures_K: [100, 300], replicas: 3}
"""


@pytest.fixture
def folder(tmp_path, small_run, run_path):
    """100 K: replica 0 complete. 300 K: replica 0 complete, replica 1 failed after 3 of 5 frames."""
    folder = ResultsFolder(tmp_path)
    folder.write_dataset(run_path(100.0, 0), small_run(100.0, 0))
    folder.write_dataset(run_path(300.0, 0), small_run(300.0, 0))
    failed = small_run(300.0, 1, frames=3, outcome="failed", failure_kind="nan", failure_time_fs=17.0)
    failed["time"].values[2] = 17.0
    folder.write_dataset(run_path(300.0, 1), failed)
    return folder


@pytest.fixture
def stacked(folder):
    return open_results(folder.root).dataset("m", "water", "nve")


def test_dims_stand_in_front(stacked):
    assert stacked["position"].dims == ("temperature", "replica", "frame", "atom", "xyz")
    assert stacked["total_energy"].dims == ("temperature", "replica", "frame")
    assert stacked["initial_position"].dims == ("atom", "xyz")
    assert stacked["temperature"].values.tolist() == [100.0, 300.0]
    assert stacked["position"].attrs["units"] == "Å"


def test_every_run_is_where_its_file_says(stacked, folder, run_path):
    for kelvin, replica, frames in ((100.0, 0, 5), (300.0, 0, 5), (300.0, 1, 3)):
        with folder.open(run_path(kelvin, replica)) as run:
            part = stacked.sel(temperature=kelvin, replica=replica).isel(frame=slice(frames))
            np.testing.assert_array_equal(part["position"].values, run["position"].values)
            np.testing.assert_array_equal(part["total_energy"].values, run["total_energy"].values)


def test_what_is_not_there_is_nan_and_named(stacked):
    assert stacked["outcome"].values.tolist() == [["completed", "missing"], ["completed", "failed"]]
    assert stacked["failure_kind"].values[1, 1] == "nan"
    assert stacked["failure_time_fs"].values[1, 1] == 17.0
    energy = stacked["total_energy"]
    assert np.isnan(energy.sel(temperature=100, replica=1)).all()
    assert np.isnan(energy.sel(temperature=300, replica=1)).values.tolist() == [False] * 3 + [True] * 2
    assert stacked["time"].values.tolist() == [0.0, 10.0, 20.0, 30.0, 40.0]
    assert stacked["frame_time"].sel(temperature=300, replica=1).values[:3].tolist() == [0.0, 10.0, 17.0]
    assert stacked["seed"].values[1, 1] == 2**63 - 8
    assert stacked["sample_frame"].sel(temperature=300, replica=1).values.tolist() == [0, 2, -1]


@pytest.mark.parametrize(
    "key",
    [
        {"frame": 2},
        {"replica": 0, "frame": slice(1, 4)},
        {"temperature": [1, 0], "atom": 1},
        {"frame": [4, 0, 2], "xyz": [2, 0]},
        {"temperature": slice(1, None), "frame": slice(None, None, -2)},
        {"temperature": slice(0, 0)},
        {"frame": xr.DataArray([0, 1], dims="pick"), "atom": xr.DataArray([1, 0], dims="pick")},
        {"temperature": -1, "replica": -1},
    ],
)
def test_any_part_of_the_lazy_view_is_that_part_of_the_whole(folder, key):
    lazy = open_results(folder.root).dataset("m", "water", "nve")
    whole = open_results(folder.root).dataset("m", "water", "nve").load()
    xr.testing.assert_identical(lazy.isel(key).load(), whole.isel(key))


def test_only_the_asked_for_runs_are_read(folder, run_path):
    stacked = open_results(folder.root).dataset("m", "water", "nve")
    folder.path(run_path(300.0, 1)).unlink()
    assert stacked["position"].sel(temperature=100, replica=0).values[3, 0, 0] == 103.0


def test_the_stored_protocol_shows_which_runs_are_missing(folder):
    folder.write_bytes("protocol.yaml", PROTOCOL.replace("other", "nve").replace("nve", "older", 1).encode())
    stacked = open_results(folder.root).dataset("m", "water", "nve")
    assert stacked["outcome"].values.tolist() == [
        ["completed", "missing", "missing"],
        ["completed", "failed", "missing"],
    ]


@pytest.mark.parametrize(
    "name",
    ["on", "no", "1_000", "2026-11-29", "yes", "Off", "0b11", "1_0.5", "null", "1e3", "true", "007"],
)
def test_missing_runs_are_seen_whatever_the_simulation_is_called(tmp_path, small_run, name):
    """Other loaders take these names for true, false, 1000, a date, a number with another base, nothing."""
    folder = ResultsFolder(tmp_path)
    folder.write_dataset(f"runs/m/water/{name}/T300K_r0.nc", small_run(300.0, 0, simulation=name))
    text = f"simulations:\n  {name}: {{timestep_fs: 0.5, temperatures_K: [100, 300], replicas: 2}}\n"
    folder.write_bytes("protocol.yaml", text.encode())
    stacked = open_results(folder.root).dataset("m", "water", name)
    assert stacked["outcome"].values.tolist() == [["missing", "missing"], ["completed", "missing"]]


@pytest.mark.parametrize("text", ["", "[1]", "simulations: [1]", "a: *b", "extends: x.yaml"])
def test_without_a_stored_protocol_the_files_say_what_there_is(folder, text):
    folder.write_bytes("protocol.yaml", text.encode())
    stacked = open_results(folder.root).dataset("m", "water", "nve")
    assert stacked.sizes["replica"] == 2


def test_runs_run_and_json(folder, run_path):
    results = open_results(folder.root)
    assert results.runs["runs/m/water/nve/T300K_r1"]["outcome"] == "failed"
    with results.run("runs/m/water/nve/T300K_r1") as run:
        assert run.sizes["frame"] == 3
    folder.write_json("verdict.json", {"models": []})
    assert results.verdict() == {"models": []}


def test_what_does_not_exist_is_said(folder, tmp_path):
    with pytest.raises(StoreError, match="it has m/water/nve"):
        open_results(folder.root).dataset("m", "gold", "nve")
    with pytest.raises(StoreError, match="no results folder"):
        open_results(tmp_path / "nowhere")
    with pytest.raises(StoreError, match="is not there"):
        open_results(folder.root).run("runs/m/water/nve/T5K_r0")
    with pytest.raises(StoreError, match="not a path inside"):
        open_results(folder.root).run("../../x")


def test_added_replicas_are_seen_and_only_where_they_were_added(folder):
    """Replicas 2 and 3 were added at 300 K for this model: there they are missing; at 100 K nobody planned them."""
    addition = "{replicas: 4, models: [m], systems: [water], temperatures_K: [300], timesteps_fs: [0.5], look: 1}"
    other = "{replicas: 9, models: [another], look: 1}"
    simulation = f"timestep_fs: 0.5, temperatures_K: [100, 300], replicas: 2, additions: [{addition}, {other}]"
    folder.write_bytes("protocol.yaml", f"simulations: {{nve: {{{simulation}}}}}".encode())
    stacked = open_results(folder.root).dataset("m", "water", "nve")
    assert stacked["outcome"].values.tolist() == [
        ["completed", "missing", "not planned", "not planned"],
        ["completed", "failed", "missing", "missing"],
    ]
