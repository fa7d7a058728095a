"""Expansion: which runs and probes there are, in which order, with which seeds and whole steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mdprotocol.errors import ProtocolError
from mdprotocol.plan import expand_runs, make_study
from mdprotocol.plan.batches import batch_sizes, grouped
from mdprotocol.plan.expand import MAX_RUNS
from mdprotocol.plan.findings import Findings
from mdprotocol.plan.seeds import probe_seed, run_seed
from mdprotocol.plan.steps import frames_of, labels_of
from mdprotocol.protocol import read_document, validate
from mdprotocol.protocol.schema import Addition, Protocol
from mdprotocol.registry import Registry

TWO = (
    "  good: {type: spring, checkpoint: good.json}",
    "  good: {type: spring, checkpoint: good.json}\n  other: teacher",
)
SPEED = ("recommendations", "  speed: {level: nice, metric: speed.median, max: 1}\nrecommendations")


@pytest.fixture
def protocol(write: Callable[..., Path], registry: Registry) -> Callable[..., Protocol]:
    def make(*replacements: tuple[str, str], sets: tuple[str, ...] = ()) -> Protocol:
        return validate(read_document(write(*replacements), sets), registry)

    return make


def test_runs_are_the_product_in_the_order_of_the_file(protocol: Callable[..., Protocol]) -> None:
    runs = expand_runs(protocol(TWO, sets=("simulations.nve.replicas=2",)))
    assert [run.id for run in runs[:5]] == [
        "runs/good/short/nve/T100K_r0",
        "runs/good/short/nve/T100K_r1",
        "runs/good/short/nve/T300K_r0",
        "runs/good/short/nve/T300K_r1",
        "runs/good/long/nve/T100K_r0",
    ]
    assert len(runs) == len({run.id for run in runs}) == 2 * 2 * 2 * 2
    assert {run.identity for run in runs} == {""}


def test_a_list_of_time_steps_gives_a_simulation_each_with_equal_seeds(protocol: Callable[..., Protocol]) -> None:
    runs = expand_runs(protocol(("timestep_fs: 0.5", "timestep_fs: [0.5, 1]")))
    assert list(dict.fromkeys(run.simulation for run in runs)) == ["nve_0.5fs", "nve_1fs"]
    fine, coarse = ([r for r in runs if r.simulation == name] for name in ("nve_0.5fs", "nve_1fs"))
    assert [run.seed for run in fine] == [run.seed for run in coarse]
    assert (fine[0].settings.steps, coarse[0].settings.steps) == (2000, 1000)


def test_seeds_match_between_models_and_differ_otherwise(protocol: Callable[..., Protocol]) -> None:
    runs = expand_runs(protocol(TWO))
    one, other = ([run.seed for run in runs if run.model == model] for model in ("good", "other"))
    assert one == other
    assert len(set(one)) == len(one)
    assert all(0 <= seed < 2**63 for seed in one)
    assert set(one).isdisjoint(run.seed for run in expand_runs(protocol(TWO, sets=("seed=1",))))


def test_a_runs_seed_never_changes() -> None:
    assert run_seed(20261123, "water", "nve_10ps", 300, 0) == 4916681938473950624
    assert probe_seed(20261123, "water", "inference_time") == 4143333352671081255


def test_given_seeds_are_used_as_they_are(protocol: Callable[..., Protocol]) -> None:
    runs = expand_runs(protocol(("  nve:\n", "  nve:\n    replicas: 2\n    seeds: [7, 9]\n")))
    assert {(run.replica, run.seed) for run in runs} == {(0, 7), (1, 9)}


def test_the_reference_runs_too_where_asked_and_never_labels_itself(protocol: Callable[..., Protocol]) -> None:
    runs = expand_runs(protocol(("  nve:\n", "  nve:\n    reference_trajectory: true\n")))
    own = [run for run in runs if run.model == "reference"]
    assert [run.seed for run in own] == [run.seed for run in runs if run.model == "good"]
    assert {run.settings.reference_every for run in own} == {0}
    assert runs[-1].model == "reference"


def test_systems_and_models_can_be_chosen(protocol: Callable[..., Protocol]) -> None:
    runs = expand_runs(protocol(TWO, ("  nve:\n", "  nve:\n    systems: [long]\n    models: [other]\n")))
    assert {(run.system, run.model) for run in runs} == {("long", "other")}


def test_settings_are_whole_steps(protocol: Callable[..., Protocol]) -> None:
    settings = expand_runs(protocol())[0].settings
    assert (settings.steps, settings.record_every, settings.reference_every, settings.guard_every) == (2000, 20, 10, 10)
    assert (frames_of(settings), labels_of(settings)) == (101, 11)


@pytest.mark.parametrize(
    ("timestep", "duration", "steps"), [(0.1, 0.3, 3000), (0.7, 0.7, 1000), (0.3, 50.1, 167_000), (1 / 3, 1, 3000)]
)
def test_decimal_fractions_are_whole_steps(
    protocol: Callable[..., Protocol], timestep: float, duration: float, steps: int
) -> None:
    sets = (f"simulations.nve.timestep_fs={timestep!r}", f"simulations.nve.duration_ps={duration!r}")
    assert expand_runs(protocol(sets=sets))[0].settings.steps == steps


def test_a_duration_that_is_no_whole_number_of_steps_is_an_error(protocol: Callable[..., Protocol]) -> None:
    broken = protocol(("timestep_fs: 0.5", "timestep_fs: 0.3"), ("duration_ps: 0.2", "duration_ps: 0.2001"))
    with pytest.raises(ProtocolError) as caught:
        expand_runs(broken)
    assert [p.path for p in caught.value.problems] == [
        "simulations.nve.duration_ps",
        "simulations.nve.equilibration.duration_ps",
    ]
    assert "1 ps is not a whole number of steps of 0.3 fs; the nearest that is: 0.9999" in str(caught.value)


def test_intervals_are_rounded_with_a_warning(protocol: Callable[..., Protocol]) -> None:
    found = Findings()
    sets = ("simulations.nve.record_every_fs=3.3", "simulations.nve.reference_every_fs=5")
    [run, *_] = expand_runs(protocol(sets=sets), found)
    assert (run.settings.record_every, run.settings.reference_every) == (7, 1)
    assert found.problems == []
    assert any("3.3 fs is rounded to every 7 steps of 0.5 fs, that is every 3.5 fs" in w for w in found.warnings)
    assert any("5 fs is rounded to every 1 frames of 3.5 fs" in w for w in found.warnings)


@pytest.mark.parametrize(
    ("override", "warning"),
    [
        ("timestep_fs=4", "4 fs is long"),
        ("record_every_fs=5000", "only its first frame is kept"),
        ("equilibration.integrator=velocity_verlet", "'velocity_verlet' has no thermostat"),
        ("duration_ps=10000", "1,000,000 frames a run"),
        ("guards.bond_stretch=null", "guards.bond_stretch: is off"),
        ("guards.new_bond=null", "guards.new_bond: is off"),
        ("guards.max_temperature_factor=1000", "no run is ended below 300,500 K"),
        ("guards.max_temperature_offset_K=50000", "no run is ended below 51,500 K"),
    ],
)
def test_doubtful_settings_are_warned_about(protocol: Callable[..., Protocol], override: str, warning: str) -> None:
    found = Findings()
    expand_runs(protocol(sets=(f"simulations.nve.{override}",)), found)
    assert any(warning in text for text in found.warnings)


def test_usual_settings_are_not(protocol: Callable[..., Protocol]) -> None:
    for override in ("duration_ps=1", "temperatures_K=[10, 300, 2500]", "guards.max_temperature_factor=12"):
        found = Findings()
        expand_runs(protocol(sets=(f"simulations.nve.{override}",)), found)
        assert found.warnings == []


def test_too_many_runs_are_refused_before_they_are_made(protocol: Callable[..., Protocol]) -> None:
    many = protocol(("[100, 300]", str(list(range(1, 65)))), sets=("simulations.nve.replicas=10000",))
    with pytest.raises(ProtocolError, match=f"at most {MAX_RUNS:,}"):
        expand_runs(many)


def test_probes_are_model_by_system_by_probe_metric(protocol: Callable[..., Protocol], registry: Registry) -> None:
    probes = make_study(protocol(TWO, SPEED), registry).probes
    assert [probe.id for probe in probes] == [
        "probes/good/short/speed",
        "probes/good/long/speed",
        "probes/other/short/speed",
        "probes/other/long/speed",
    ]
    assert {probe.batch_sizes for probe in probes} == {(1, 8)}
    assert probes[0].seed == probes[2].seed != probes[1].seed
    assert make_study(protocol(), registry).probes == ()


def test_probes_stay_with_the_systems_of_a_model(protocol: Callable[..., Protocol], registry: Registry) -> None:
    probes = make_study(
        protocol(TWO, SPEED, ("  nve:\n", "  nve:\n    systems: [long]\n    models: [good]\n")), registry
    ).probes
    assert [(probe.model, probe.system) for probe in probes] == [
        ("good", "long"),
        ("other", "short"),
        ("other", "long"),
    ]


def test_probes_are_planned_where_a_criterion_looks(protocol: Callable[..., Protocol], registry: Registry) -> None:
    only = (SPEED[0], SPEED[1].replace("max:", "where: {system: [long]}, max:"))
    assert {probe.system for probe in make_study(protocol(TWO, only), registry).probes} == {"long"}
    for_its_own_sake = ("criteria:\n", "metrics:\n  quick: speed\ncriteria:\n")
    probes = make_study(protocol(TWO, only, for_its_own_sake), registry).probes
    assert {(probe.metric, probe.system) for probe in probes} == {
        ("speed", "long"),
        ("quick", "short"),
        ("quick", "long"),
    }


def test_additions_extend_replicas_in_batches_of_their_own(protocol: Callable[..., Protocol]) -> None:
    """The runs that were planned keep their seeds, and the batches of their replicas stay as they were."""
    before = protocol(TWO, sets=("simulations.nve.replicas=2",))
    addition = {"replicas": 5, "models": ["other"], "systems": ["short"], "temperatures_K": [300]}
    again = {"replicas": 6, "models": ["other"], "systems": ["short"], "temperatures_K": [300]}
    nve = before.simulations["nve"].model_copy(update={"additions": [Addition(**addition), Addition(**again)]})
    after = before.model_copy(update={"simulations": before.simulations | {"nve": nve}})
    old, new = expand_runs(before), expand_runs(after)
    assert [run for run in new if run.stage == 0] == list(old)
    added = [run for run in new if run.stage]
    assert [(run.id, run.stage) for run in added] == [
        ("runs/other/short/nve/T300K_r2", 1),
        ("runs/other/short/nve/T300K_r3", 1),
        ("runs/other/short/nve/T300K_r4", 1),
        ("runs/other/short/nve/T300K_r5", 2),
    ]
    assert added[0].seed == run_seed(after.seed, "short", "nve", 300, 2)
    assert set(grouped(old)) < set(grouped(new))
    assert sorted(len(group) for group in grouped(new) if group[0].stage) == [1, 3]
    assert batch_sizes(old) == batch_sizes(new)
