"""The catalogue: what stands in it, and that planting a fault changes the models' part of a plan and nothing else."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from mdprotocol.contracts import Fault, Metric
from mdprotocol.errors import UsageError
from mdprotocol.faults.catalogue import catalogue, chosen
from mdprotocol.faults.planting import plant
from mdprotocol.plan import Plan, make_plan
from mdprotocol.plan.identity import component_facts
from mdprotocol.protocol import read_document, validate
from mdprotocol.protocol.schema import REFERENCE
from mdprotocol.registry import build_registry

REGISTRY = build_registry()
CATALOGUE = tuple(catalogue(REGISTRY).values())

PROTOCOL = """\
mdprotocol: 1
name: faults
models: {gfn1: {type: tblite, method: GFN1-xTB}}
reference: tblite
systems: {water: {type: builtin, name: water}}
simulations:
  nve: {timestep_fs: 0.5, duration_ps: 0.01, temperatures_K: [300], replicas: 2, reference_trajectory: true}
  nvt: {integrator: langevin, timestep_fs: 0.5, duration_ps: 0.01, temperatures_K: [300], replicas: 2}
criteria:
  crash: {level: must, metric: stability.crashed, max: 0}
  size: {level: must, metric: resources.parameters, max: 1}
  back: {level: must, metric: reversibility.position_error, max: 1}
"""


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    path = tmp_path_factory.mktemp("faults") / "faults.yaml"
    path.write_text(PROTOCOL, encoding="utf-8")
    registry = build_registry()
    document = read_document(path)
    return make_plan(validate(document, registry), Path(path.parent), registry)


def test_there_are_at_least_24_faults_with_names_of_their_own() -> None:
    assert len(CATALOGUE) >= 24
    assert len({fault.type for fault in CATALOGUE}) == len(CATALOGUE)


def test_every_fault_should_be_seen_by_a_metric_that_exists_or_by_any() -> None:
    tested = {one for cls in REGISTRY.classes("metrics") if issubclass(cls, Metric) for one in cls.tests}
    unseen = [f.type for f in CATALOGUE if not f.breaks & tested and not any(one.in_every_metric for one in f.breaks)]
    assert not unseen


@pytest.mark.parametrize("fault", CATALOGUE, ids=lambda fault: fault.type)
def test_a_fault_leaves_the_reference_alone_and_marks_what_it_changes(fault: Fault, plan: Plan) -> None:
    faulty = pickle.loads(pickle.dumps(plant(fault, plan)))
    assert pickle.loads(pickle.dumps(fault)) == fault
    assert [run.id for run in faulty.runs] == [run.id for run in plan.runs]
    changed = {run.id for run, sound in zip(faulty.runs, plan.runs, strict=True) if run.identity != sound.identity}
    assert all(not name.startswith(f"runs/{REFERENCE}/") for name in changed)
    assert bool(changed) == (fault.type != "lost_variable")  # that one touches files, after the runs
    batches = {batch.runs[0].id: batch for batch in faulty.batches}
    for batch in plan.batches:
        if batch.model == REFERENCE:
            assert batches[batch.runs[0].id].component == batch.component
            assert batches[batch.runs[0].id].runs == batch.runs
    for batch in faulty.batches:
        assert {run.settings for run in batch.runs} == {batch.settings}
        assert set(batch.runs) <= set(faulty.runs)


def test_only_what_a_fault_touches_is_done_again(plan: Plan) -> None:
    def again(name: str) -> tuple[set[str], set[str]]:
        (fault,) = chosen(REGISTRY, [name])
        faulty = plant(fault, plan)
        known = {item.identity for item in (*plan.runs, *plan.probes)}
        return (
            {run.simulation for run in faulty.runs if run.identity not in known},
            {probe.metric for probe in faulty.probes if probe.identity not in known},
        )

    assert again("euler") == ({"nve"}, {"back"} if "back" in {p.metric for p in plan.probes} else {"reversibility"})
    assert again("curl") == ({"nve", "nvt"}, {"resources", "reversibility"})
    assert again("heavier_hydrogen") == ({"nve", "nvt"}, set())


def test_wrong_masses_are_those_of_hydrogen(plan: Plan) -> None:
    (fault,) = chosen(REGISTRY, ["heavier_hydrogen"])
    (batch, *_) = [b for b in plant(fault, plan).batches if b.model != REFERENCE]
    np.testing.assert_allclose(batch.structures["water"].masses / plan.structures["water"].masses, [1, 2, 2])


def test_a_faulty_integrator_is_written_down_as_the_sound_one(plan: Plan) -> None:
    (fault,) = chosen(REGISTRY, ["euler"])
    for faulty, sound in zip(plant(fault, plan).runs, plan.runs, strict=True):
        options = [component_facts(run.settings.integrator)["options"] for run in (faulty, sound)]
        assert options[0] == options[1]


def test_faults_are_chosen_by_name_and_size() -> None:
    one, two = chosen(REGISTRY, ["curl", "jump", "curl"], {"jump": 0.2})
    assert (one.type, two.size, two.label) == ("curl", 0.2, "jump 0.2")
    with pytest.raises(UsageError, match="did you mean 'curl'"):
        chosen(REGISTRY, ["curi"])
    with pytest.raises(UsageError, match="has no size"):
        chosen(REGISTRY, None, {"euler": 2.0})


def test_a_size_that_a_fault_cannot_have_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"'jump' cannot have the size -1: .*greater than 0"):
        chosen(REGISTRY, ["jump"], {"jump": -1.0})
