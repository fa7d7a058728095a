"""The guards' list of pairs in periodic systems: taken up from a checkpoint it is the list that it would have been."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
import xarray as xr
from engine_kit import make_batch, settings

from mdprotocol.contracts import Evaluation, Evaluator, ForceField, Model, Structure, Topology
from mdprotocol.engine import journal
from mdprotocol.engine.batch import run_batch
from mdprotocol.engine.contacts import Pairs, Strangers
from mdprotocol.protocol.schema import Guards
from mdprotocol.store import ResultsFolder
from mdprotocol.store.work import Work
from mdprotocol.testing.structures import make_structure, molecule_structure
from mdprotocol_plugins.integrators.velocity_verlet import VelocityVerlet

CELL = [[9.0, 0, 0], [2.0, 9.0, 0], [0, 1.0, 9.0]]


def gas() -> Structure:
    """Eight atoms in a slanted cell, none bonded to another or to an image."""
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)], dtype=float)
    return make_structure(
        [6] * 8, corners @ (np.array(CELL) / 2) + 0.3 * np.sin(np.arange(24)).reshape(8, 3), cell=CELL
    )


def chain() -> Structure:
    """An open structure that is too large for a list of all pairs."""
    return make_structure([6] * 70, np.column_stack([3.0 * np.arange(70), np.zeros(70), np.zeros(70)]))


def same(one: Pairs, other: Pairs) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("i", "j", "shift", "limit"))


def near(pairs: Pairs, positions: np.ndarray) -> set[object]:
    return set(pairs.where(pairs.distances(positions) < pairs.limit).keys().tolist())


def test_restored_it_is_the_same_list_then_and_from_then_on() -> None:
    structures = [gas(), molecule_structure("H2O"), chain()]
    offsets = np.cumsum([0, *map(len, structures)])
    random = np.random.default_rng(5)
    positions = np.concatenate([s.positions for s in structures])
    kept, alive, made = Strangers(structures, offsets, 0.85), np.array([True, True, True]), 0
    for step in range(60):
        positions = positions + random.normal(0.0, 0.25, positions.shape)
        alive[2] = step < 30  # the chain leaves: its list stays as it was
        before = kept.found_at().copy()
        pairs = kept.pairs(positions, alive)
        made += not np.array_equal(before, kept.found_at())
        again = Strangers(structures, offsets, 0.85)
        again.restore(kept.found_at().copy())
        assert same(again.pairs(positions, alive), pairs), step
    assert made > 5
    assert not np.array_equal(kept.found_at(), positions)  # in between two lists, where it matters


def test_no_near_pair_is_missed_on_the_way() -> None:
    """Against a list that is made at every step."""
    structure, offsets, random = gas(), np.array([0, 8]), np.random.default_rng(6)
    strangers, positions, hits = Strangers([structure], offsets, 0.85), structure.positions.copy(), 0
    for _ in range(300):
        positions = positions + random.normal(0.0, 0.2, positions.shape)
        pairs = strangers.pairs(positions, np.array([True]))
        fresh = Strangers([structure], offsets, 0.85)
        fresh.restore(positions)
        every = fresh.pairs(positions, np.array([True]))
        found = near(pairs, positions)
        assert found == near(every, positions)
        hits += len(found)
    assert hits > 5


class Free(ForceField):
    """No forces at all: atoms fly straight on, through walls and into each other."""

    def prepare(self, topology: Topology) -> Evaluator:
        return lambda positions, cells: Evaluation(
            torch.zeros(topology.copies, dtype=torch.float64), torch.zeros_like(positions)
        )


class FreeModel(Model):
    """No forces at all."""

    type: Literal["test_free"] = "test_free"

    def load(self, base: Path) -> ForceField:
        return Free()


class Killed(BaseException):
    """Ends a batch as a kill does."""


def test_a_periodic_batch_that_is_killed_again_and_again_fails_at_the_same_bond(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guards = Guards(bond_stretch=None, new_bond=0.85, max_temperature_factor=1e6)
    run = settings(VelocityVerlet(), 160, timestep_fs=10.0, record_every=4, guard_every=2, guards=guards)
    batch = make_batch(run, FreeModel(), gas(), copies=6)
    batch = replace(batch, runs=tuple(replace(r, temperature_K=300.0 * (b + 1)) for b, r in enumerate(batch.runs)))
    run_batch(batch, tmp_path / "whole", lambda event: None)
    monkeypatch.setattr(journal, "SEGMENT_SECONDS", 0.0)
    append, kills = Work.append, 0

    def killing(self: Work, *args: object) -> None:
        append(self, *args)  # type: ignore[arg-type]
        raise Killed

    monkeypatch.setattr(Work, "append", killing)
    while True:
        try:
            run_batch(batch, tmp_path / "killed", lambda event: None)
            break
        except Killed:
            kills += 1
    assert kills > 20
    whole, killed = ResultsFolder(tmp_path / "whole"), ResultsFolder(tmp_path / "killed")
    assert whole.run_ids() == killed.run_ids()
    kinds = set()
    for name in whole.run_ids():
        with whole.open(name + ".nc") as one, killed.open(name + ".nc") as other:
            xr.testing.assert_identical(one.load(), other.load())
            kinds.add(one.attrs.get("failure_kind", ""))
    assert "new_bond" in kinds
