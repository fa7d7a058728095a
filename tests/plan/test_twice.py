"""A run that is there under two names is refused: as two samples it would narrow every interval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from protocol_kit import fails

from mdprotocol.app.resuming import pending
from mdprotocol.plan import Plan
from mdprotocol.plan.seeds import run_seed
from mdprotocol.store import ResultsFolder
from mdprotocol.store.work import Work

Make = Callable[..., Plan]
SEEDS = ("  nve:\n", "  nve:\n    replicas: 2\n    seeds: [1, 2]\n")
ALIAS = ("atoms: 2}\n", "atoms: 2}\n  alias: {type: chain, atoms: 2}\n")
POOLED = ("    max: 1\n", "    max: 1\n    per: []\n")


def simulation(changes: str = "") -> tuple[str, str]:
    """A second simulation with the settings of the first."""
    text = "  again: {timestep_fs: 0.5, duration_ps: 1, temperatures_K: [100, 300], replicas: 2, seeds: [1, 2],"
    text += " equilibration: {duration_ps: 0.2}}\n"
    old, _, new = changes.partition(" -> ")
    return ("criteria:\n", text.replace(old, new) + "criteria:\n")


def test_one_structure_under_two_names_with_equal_seeds_is_refused(plan: Make) -> None:
    [message] = fails(plan, SEEDS, ALIAS)
    assert message.startswith("p.yaml:8:3: systems.alias: systems 'short' and 'alias' are the same structure")
    assert "runs/good/short/nve/T100K_r0 and runs/good/alias/nve/T100K_r0 are the same run" in message
    eight = "".join(f"  alias{i}: {{type: chain, atoms: 2}}\n" for i in range(8))
    assert len(fails(plan, SEEDS, ("atoms: 2}\n", "atoms: 2}\n" + eight))) == 8


def test_seeds_that_differ_make_them_different_runs(plan: Make) -> None:
    assert len(plan(ALIAS).runs) == 24
    assert len(plan(ALIAS, POOLED).runs) == 24


def test_the_reference_s_own_runs_count_too(plan: Make) -> None:
    own = ("    timestep_fs: 0.5\n", "    timestep_fs: 0.5\n    models: []\n    reference_trajectory: true\n")
    with_model = "  plain: {timestep_fs: 0.5, duration_ps: 1, temperatures_K: [300]}\ncriteria:\n"
    [message] = fails(
        plan, SEEDS, ALIAS, own, ("criteria:\n", with_model), ("{simulation: nve}", "{simulation: plain}")
    )
    assert "runs/reference/alias/nve/T100K_r0 are the same run" in message


def test_two_simulations_of_equal_settings_and_seeds_are_refused(plan: Make) -> None:
    [message] = fails(plan, SEEDS, simulation())
    assert "simulations.again: simulations 'nve' and 'again' have the same settings and seeds" in message
    assert plan(SEEDS, simulation("seeds: [1, 2] -> seeds: [3, 4]"))


def test_a_replica_that_is_added_may_not_have_the_seed_of_a_planned_one(plan: Make) -> None:
    taken = run_seed(0, "short", "nve", 300, 1)
    added = f"  nve:\n    replicas: 1\n    seeds: [{taken}]\n    additions: [{{replicas: 2}}]\n"
    [message] = fails(plan, ("  nve:\n", added), ("[100, 300]", "[300]"))
    assert "simulations.nve.seeds: replicas 0 and 1 have the same seed" in message


@pytest.mark.parametrize(
    "change", ["duration_ps: 1 -> duration_ps: 2", "timestep_fs: 0.5 -> timestep_fs: 0.5, record_every_fs: 20",
               "timestep_fs: 0.5 -> timestep_fs: 0.5, reference_every_fs: null",
               "timestep_fs: 0.5 -> timestep_fs: 0.5, guards: {bond_stretch: 2}"],
)  # fmt: skip
def test_one_trajectory_of_two_lengths_or_recordings_is_refused_where_it_is_pooled(plan: Make, change: str) -> None:
    assert plan(SEEDS, simulation(change))
    [message] = fails(plan, SEEDS, simulation(change), POOLED)
    assert "criteria.drift.per: it pools runs/good/short/nve/T100K_r0 and runs/good/short/again/T100K_r0" in message
    assert "the same trajectory" in message


@pytest.mark.parametrize(
    "change", ["timestep_fs: 0.5 -> timestep_fs: 0.25", "timestep_fs: 0.5 -> timestep_fs: 0.5, integrator: langevin",
               "duration_ps: 0.2 -> duration_ps: 0.4", "seeds: [1, 2] -> seeds: [3, 4]"],
)  # fmt: skip
def test_equal_seeds_of_other_dynamics_may_be_pooled(plan: Make, change: str) -> None:
    assert plan(SEEDS, simulation(change), POOLED)


def test_a_structure_that_was_only_shifted_is_the_same(plan: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    import protocol_kit as kit

    build = kit.Chain.build

    def shifted(self: kit.Chain, name: str, base: Path) -> object:
        made = build(self, name, base)
        return replace(made, positions=made.positions + 7.0) if name == "alias" else made

    monkeypatch.setattr(kit.Chain, "build", shifted)
    assert plan(SEEDS, ALIAS)
    [message] = fails(plan, SEEDS, ALIAS, POOLED)
    assert "criteria.drift.per: it pools runs/good/short/nve/T100K_r0 and runs/good/alias/nve/T100K_r0" in message


def test_batches_of_equal_runs_have_work_folders_of_their_own(plan: Make) -> None:
    """Two that shared one overwrote each other's segments: "md-000001.seg cannot be read any more"."""
    batch = plan(SEEDS).batches[0]
    renamed = replace(batch, runs=tuple(replace(run, system="alias") for run in batch.runs))
    assert [run.identity for run in renamed.runs] == [run.identity for run in batch.runs]
    assert renamed.key != batch.key


def test_what_was_begun_is_found_by_its_name(plan: Make, tmp_path: Path) -> None:
    made, folder = plan(SEEDS), ResultsFolder(tmp_path / "results")
    batch = made.batches[0]
    part = replace(batch, runs=batch.runs[1:])
    facts = {"runs": [{"id": run.id, "identity": run.identity} for run in part.runs]}
    Work(folder, part.key).begin(facts)
    Work(folder, "good-0123456789abcdef").begin(facts | {"runs": facts["runs"][:1]})  # as an earlier version named it
    batches, _ = pending(made, folder)
    assert part.runs in [one.runs for one in batches]
    assert sorted(run.id for one in batches for run in one.runs) == sorted(run.id for run in made.runs)
    assert [path.name for path in folder.path("work").iterdir()] == [part.key]


@pytest.mark.parametrize("kelvin", ["100.01", "99.9", "101"])
def test_temperatures_that_hardly_differ_give_one_trajectory(plan: Make, kelvin: str) -> None:
    """With equal seeds the samples of 300 and 300.01 K differ by rounding, and would be counted as two."""
    near = ("[100, 300]", f"[100, {kelvin}, 300]")
    [message] = fails(plan, SEEDS, near, POOLED)
    assert "nearly equal system, settings, temperature" in message
    plan(near, POOLED)  # with seeds of their own they are two
    plan(SEEDS, POOLED)  # and temperatures apart are two conditions


def test_the_plan_warns_where_runs_with_equal_seeds_are_pooled(plan: Make) -> None:
    said = "it pools 8 runs of 2 seeds; runs with equal seeds count as one sample"
    warnings = plan(SEEDS, POOLED).warnings
    assert any(said in warning for warning in warnings), warnings
    for sound in ((SEEDS,), (POOLED,), ()):
        assert not any("equal seeds" in warning for warning in plan(*sound).warnings)
