"""The plan as a whole: identities, batches, sources of criteria, and what must fail before the first step."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import protocol_kit as kit
import pytest

from mdprotocol.errors import ProtocolError
from mdprotocol.plan import Plan, make_plan
from mdprotocol.plan.batches import MAX_COPIES, grouped
from mdprotocol.plan.describe import describe, duration, simulation_rows, size
from mdprotocol.plan.estimate import HEADER_BYTES, Cost, estimate, run_bytes
from mdprotocol.protocol import read_document, validate
from mdprotocol.registry import Registry

TEACHER_RUNS = ("  nve:\n", "  nve:\n    reference_trajectory: true\n")
SPEED = ("recommendations", "  speed: {level: nice, metric: speed.median, max: 1}\nrecommendations")
Make = Callable[..., Plan]


@pytest.fixture
def plan(write: Callable[..., Path], registry: Registry) -> Make:
    def make(*replacements: tuple[str, str], sets: tuple[str, ...] = ()) -> Plan:
        document = read_document(write(*replacements), sets)
        return make_plan(validate(document, registry), document.base, registry, document)

    return make


def fails(plan: Make, *replacements: tuple[str, str], sets: tuple[str, ...] = ()) -> list[str]:
    with pytest.raises(ProtocolError) as caught:
        plan(*replacements, sets=sets)
    return [
        str(problem).rpartition("/")[2] if "p.yaml" in str(problem) else str(problem)
        for problem in caught.value.problems
    ]


def identities(plan: Plan) -> dict[str, str]:
    return {item.id: item.identity for item in (*plan.runs, *plan.probes)}


def test_a_plan_is_the_same_every_time(plan: Make) -> None:
    one, other = plan(TEACHER_RUNS, SPEED), plan(TEACHER_RUNS, SPEED)
    assert identities(one) == identities(other)
    assert [batch.runs for batch in one.batches] == [batch.runs for batch in other.batches]
    assert all(len(identity) == 64 for identity in identities(one).values())
    assert len(set(identities(one).values())) == len(identities(one))


@pytest.mark.parametrize(
    "override",
    [
        "seed=1",
        "models.good.precision=float64",
        "reference={type: teacher, accuracy: 2}",
        "simulations.nve.timestep_fs=0.25",
        "simulations.nve.record_every_fs=20",
        "simulations.nve.guards.bond_stretch=2",
        "simulations.nve.equilibration.duration_ps=0.1",
        "simulations.nve.equilibration.integrator={type: langevin, friction_per_ps: 3}",
        "simulations.nve.integrator=langevin",
    ],
)
def test_what_determines_a_run_changes_its_identity(plan: Make, override: str) -> None:
    old, new = identities(plan()), identities(plan(sets=(override,)))
    assert old.keys() == new.keys()
    assert set(old.values()).isdisjoint(new.values())


@pytest.mark.parametrize(
    "override",
    [
        "criteria.drift.max=7",
        "name=another",
        "description=words",
        "simulations.nve.replicas=5",
        "simulations.nve.temperatures_K=[100, 300, 500]",
        "systems.third={type: chain}",
    ],
)
def test_what_does_not_concern_a_run_keeps_its_identity(plan: Make, override: str) -> None:
    old, new = identities(plan()), identities(plan(sets=(override,)))
    assert old.items() <= new.items()


def test_a_model_is_its_content_and_not_its_name_or_path(plan: Make, tmp_path: Path) -> None:
    old = list(identities(plan()).values())
    (tmp_path / "copy.json").write_text("{}")
    renamed = plan(("good: {type: spring, checkpoint: good.json}", "renamed: {type: spring, checkpoint: copy.json}"))
    assert list(identities(renamed).values()) == old
    (tmp_path / "copy.json").write_text("{ }")
    changed = plan(("good: {type: spring, checkpoint: good.json}", "renamed: {type: spring, checkpoint: copy.json}"))
    assert set(identities(changed).values()).isdisjoint(old)


def test_another_geometry_is_another_run(plan: Make) -> None:
    old, new = identities(plan()), identities(plan(("atoms: 2", "atoms: 2, cell_A: [9, 9, 9]")))
    changed = {run for run in old if old[run] != new[run]}
    assert changed == {run for run in old if "/short/" in run}


def test_the_reference_counts_only_where_it_labels(plan: Make) -> None:
    no_labels = ("force_error.rmse", "crash.count"), ("  nve:\n", "  nve:\n    reference_every_fs: null\n")
    assert identities(plan(*no_labels)) == identities(
        plan(*no_labels, sets=("reference={type: teacher, accuracy: 2}",))
    )


@pytest.mark.parametrize(
    ("metric", "override", "changes"),
    [
        ("frequencies", "reference={type: teacher, accuracy: 2}", True),
        ("speed", "reference={type: teacher, accuracy: 2}", False),
        ("reversal", "simulations.nve.integrator=langevin", True),
        ("speed", "simulations.nve.integrator=langevin", False),
    ],
)
def test_what_a_probe_needs_is_part_of_its_identity(plan: Make, metric: str, override: str, changes: bool) -> None:
    probe = (SPEED[0], SPEED[1].replace("speed.median", f"{metric}.median"))
    old, new = (plan(probe, sets=sets).probes for sets in ((), (override,)))
    assert all((a.identity != b.identity) is changes for a, b in zip(old, new, strict=True))


def test_a_probe_is_told_how_its_system_moves(plan: Make) -> None:
    made = plan((SPEED[0], SPEED[1].replace("speed.median", "reversal.median")))
    assert [[d.simulation for d in probe.dynamics] for probe in made.probes] == [["nve"], ["nve"]]
    assert made.probes[0].dynamics[0].temperatures_K == (100.0, 300.0)
    assert all(batch.reference is None for batch in made.probe_batches)


def test_batches_hold_all_replicas_and_temperatures_of_a_system(plan: Make) -> None:
    made = plan(TEACHER_RUNS, ("timestep_fs: 0.5", "timestep_fs: [0.5, 1]"))
    assert len(made.batches) == 2 * 2 * 2
    assert sorted(run.id for batch in made.batches for run in batch.runs) == sorted(run.id for run in made.runs)
    for batch in made.batches:
        assert len(batch.runs) == 8
        assert {(run.model, run.system, run.settings) for run in batch.runs} == {
            (batch.model, batch.runs[0].system, batch.settings)
        }
        assert list(batch.structures) == [batch.runs[0].system]
        assert (batch.reference is None) == (batch.model == "reference")


def test_batches_are_ordered_by_cost(plan: Make) -> None:
    made = plan(("timestep_fs: 0.5", "timestep_fs: [1, 0.5]"))
    assert [(b.runs[0].system, b.settings.timestep_fs) for b in made.batches[:1]] == [("long", 0.5)]
    assert (made.batches[-1].runs[0].system, made.batches[-1].settings.timestep_fs) == ("short", 1)


def test_large_batches_are_split_evenly(plan: Make) -> None:
    runs = plan(sets=("simulations.nve.replicas=50", "simulations.nve.systems=[short]")).runs
    assert [len(group) for group in grouped(runs)] == [50, 50]
    assert [len(group) for group in grouped(runs, max_copies=30)] == [25, 25, 25, 25]
    assert max(len(group) for group in grouped(runs)) <= MAX_COPIES


def test_batches_travel_to_other_processes(plan: Make) -> None:
    made = plan(SPEED)
    again = pickle.loads(pickle.dumps((made.batches, made.probe_batches)))
    assert [batch.runs for batch in again[0]] == [batch.runs for batch in made.batches]
    assert again[1][0].probes == made.probes


def test_sources_name_the_runs_behind_a_criterion(plan: Make) -> None:
    made = plan(SPEED, ("{simulation: nve}", "{system: long, temperature: [300]}"))
    sources = {source.criterion: source for source in made.sources}
    assert len(sources["drift"].runs["good"]) == 16
    assert sources["force"].runs["good"] == tuple(f"runs/good/long/nve/T300K_r{i}" for i in range(4))
    assert sources["force"].units == "eV/Å"
    assert sources["speed"].runs["good"] == ("probes/good/short/speed", "probes/good/long/speed")


def test_comparisons_come_from_runs_that_the_reference_has_too(plan: Make) -> None:
    second = "  other: {timestep_fs: 0.5, duration_ps: 1, temperatures_K: [300]}\ncriteria:\n"
    made = plan(
        TEACHER_RUNS,
        ("criteria:\n", second),
        ("force_error.rmse, max: 0.2, where: {simulation: nve}", "bonds.distance, max: 1"),
    )
    [source] = [source for source in made.sources if source.criterion == "force"]
    assert len(source.runs["good"]) == 16
    assert all("/nve/" in run for run in source.runs["good"])


@pytest.mark.parametrize(
    ("replacements", "message"),
    [
        (
            [("  nve:\n", "  nve:\n    reference_every_fs: null\n")],
            "p.yaml:22:32: criteria.force.metric: 'force_error' could never be measured here: it needs frames labelled",
        ),
        (
            [("force_error.rmse", "bonds.distance")],
            "p.yaml:21:32: criteria.force.metric: 'bonds' could never be measured here: it needs the reference's own",
        ),
        (
            [("{simulation: nve}", "{temperature: 100, system: []}")],
            "p.yaml:21:60: criteria.force.where: no run is left by `where`",
        ),
        (
            [("force_error.rmse, max: 0.2, where: {simulation: nve}", "speed.median, max: 1, where: {system: []}")],
            "criteria.force.where: no system is left on which 'speed' could be measured",
        ),
        (
            [
                ("force_error.rmse, max: 0.2, where: {simulation: nve}", "frequencies.median, max: 1"),
                ("reference: teacher\n", ""),
            ],
            "p.yaml:20:32: criteria.force.metric: 'frequencies' needs a reference; give one under `reference:`",
        ),
        ([("good.json", "absent.json")], "p.yaml:4:36: models.good.checkpoint: the file absent.json does not exist"),
        ([("atoms: 5", "atoms: 13")], "p.yaml:8:3: systems.long: thirteen atoms bring bad luck"),
        (
            [("duration_ps: 1\n", "duration_ps: 0.00049\n")],
            "p.yaml:12:18: simulations.nve.duration_ps: 0.00049 ps is not",
        ),
    ],
)
def test_what_could_never_work_fails_at_its_place(
    plan: Make, replacements: list[tuple[str, str]], message: str
) -> None:
    [problem] = fails(plan, *replacements)
    assert message in problem


def test_all_problems_of_a_plan_come_at_once(plan: Make) -> None:
    found = fails(
        plan, ("atoms: 5", "atoms: 13"), ("good.json", "absent.json"), ("timestep_fs: 0.5", "timestep_fs: 0.3")
    )
    assert [problem.split(": ")[1] for problem in found] == [
        "models.good.checkpoint",
        "systems.long",
        "simulations.nve.duration_ps",
    ]


def test_without_a_document_problems_still_name_the_path(write: Callable[..., Path], registry: Registry) -> None:
    document = read_document(write(("good.json", "absent.json")))
    with pytest.raises(
        ProtocolError, match=r"<protocol>:1:1: models\.good\.checkpoint: the file absent\.json does not exist"
    ):
        make_plan(validate(document, registry), document.base, registry)


def test_a_metric_that_the_registry_lacks_is_a_problem(write: Callable[..., Path], registry: Registry) -> None:
    document = read_document(write())
    fewer = kit.registry_of({kind: classes for kind, classes in kit.COMPONENTS.items() if kind != "metrics"})
    with pytest.raises(ProtocolError, match=r"p\.yaml:15:1: criteria: unknown metric 'drift'; allowed: nothing"):
        make_plan(validate(document, registry), document.base, fewer, document)


def test_a_single_run_in_a_cell_is_warned_about(plan: Make) -> None:
    one = ("simulations.nve.replicas=1",)
    assert sum("no confidence interval" in warning for warning in plan(sets=one).warnings) == 2
    assert sum("no confidence interval" in w for w in plan(sets=(*one, "criteria.drift.per=[]")).warnings) == 1
    assert plan().warnings == ()


def test_a_model_without_runs_for_a_criterion_is_warned_about(plan: Make) -> None:
    made = plan(("  good:", "  other: {type: teacher, accuracy: 2}\n  good:"), sets=("simulations.nve.models=[good]",))
    assert sum("not measured for model 'other'" in warning for warning in made.warnings) == 2


def test_disk_is_the_sum_of_the_variables(plan: Make) -> None:
    made = plan()
    run = made.runs[0]
    atoms, frames, labels, plain = 2, 101, 11, 4
    numbers = frames * (1 + 3 * 3 * atoms + 4 + 1) + 2 * atoms + 3 * atoms + 9 + 3
    numbers += (labels + plain) * (1 + 3 * atoms + 1)
    assert run_bytes(run, atoms) == HEADER_BYTES + 8 * numbers
    assert estimate(made).bytes == sum(run_bytes(r, len(made.structures[r.system])) for r in made.runs)


def test_a_call_costs_its_overhead_copies_atoms_and_pairs() -> None:
    assert Cost(call=1, copy=10, atom=100, pair=1000).seconds([2, 3]) == 1 + 20 + 500 + 13_000


def test_more_work_takes_longer_and_more_workers_less(plan: Make) -> None:
    made = plan()
    alone = estimate(made, 1).seconds
    assert estimate(made, 2).seconds < alone
    assert estimate(plan(sets=("simulations.nve.duration_ps=2",)), 1).seconds > alone
    assert made.atom_steps == (2 + 5) * 8 * (2000 + 400)


def test_the_description_tells_what_will_be_done(plan: Make, write: Callable[..., Path], registry: Registry) -> None:
    made = plan(TEACHER_RUNS, SPEED, sets=("simulations.nve.timestep_fs=3", "simulations.nve.duration_ps=3"))
    lines = describe(made, workers=2)
    text = "\n".join(lines)
    assert "Protocol demo" in text
    assert "32 runs in 4 batches, 2 probes" in text
    assert "on 2 workers" in text
    assert "drift.per_atom ≤ 1 meV/atom/ps" in text
    assert "16 runs of nve" in text
    assert "2 probes" in text
    assert any(line.startswith("warning: ") and "3 fs is long" in line for line in lines)
    assert [(row.model, row.runs, row.steps, row.labels) for row in simulation_rows(made)] == [
        ("good", 16, 1400, 31),
        ("reference", 16, 1400, 0),
    ]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0.4 s"), (40, "40 s"), (600, "10 min"), (7200, "2 h"), (4 * 86400, "4 d")]
)
def test_durations_are_readable(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(12, "12 B"), (1500, "1.5 kB"), (2_340_000, "2.34 MB"), (5 * 10**9, "5 GB")]
)
def test_sizes_are_readable(count: int, text: str) -> None:
    assert size(count) == text
