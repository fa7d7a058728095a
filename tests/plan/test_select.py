"""Scope of a criterion: `where`, conditions of `per`, and names of metrics and quantities."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import protocol_kit as kit
import pytest

from mdprotocol.errors import UsageError
from mdprotocol.plan import expand_runs, make_study, metrics_of, select, split_quantity
from mdprotocol.plan.conditions import conditions
from mdprotocol.plan.metrics import is_probe, needs_labels, needs_reference_run, quantity_of
from mdprotocol.protocol import read_document, validate
from mdprotocol.protocol.schema import Criterion, Protocol
from mdprotocol.registry import Registry
from mdprotocol.verdicts import Level


def criterion(**options: object) -> Criterion:
    return Criterion.model_validate({"level": Level.MUST, "metric": "drift.per_atom", "max": 1, **options})


@pytest.fixture
def protocol(write: Callable[..., Path], registry: Registry) -> Protocol:
    path = write(
        ("timestep_fs: 0.5", "timestep_fs: [0.5, 1]\n    reference_trajectory: true"),
        ("recommendations", "  speed: {level: nice, metric: speed.median, max: 1}\nrecommendations"),
    )
    return validate(read_document(path), registry)


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ({}, 32),
        ({"simulation": "nve"}, 32),
        ({"simulation": "nve_1fs"}, 16),
        ({"simulation": ["nve_1fs", "nve"]}, 32),
        ({"temperature": 300}, 16),
        ({"temperature": [100, 300], "system": "long"}, 16),
        ({"system": ["short", "long"], "simulation": "nve_0.5fs", "temperature": 100}, 8),
        ({"simulation": "nv"}, 0),
        ({"system": []}, 0),
    ],
)
def test_where_keeps_runs_of_models_only(protocol: Protocol, where: dict[str, object], count: int) -> None:
    chosen = select(expand_runs(protocol), criterion(where=where))
    assert len(chosen) == count
    assert {run.model for run in chosen} <= {"good"}


def test_where_keeps_probes_by_system(protocol: Protocol, registry: Registry) -> None:
    probes = make_study(protocol, registry).probes
    assert [probe.system for probe in select(probes, criterion(where={"system": "long"}))] == ["long"]
    assert probes[0].coordinates == {"model": "good", "system": "short"}


def test_conditions_are_spanned_by_per(protocol: Protocol) -> None:
    runs = select(expand_runs(protocol), criterion())
    grouped = conditions(runs, criterion().per)
    assert len(grouped) == 2 * 2 * 2
    first = {"model": "good", "system": "short", "simulation": "nve_0.5fs", "temperature": 100.0}
    assert [run.replica for one in grouped if one.where == first for run in one.members] == [0, 1, 2, 3]
    assert len(conditions(runs, ["system"])) == 2
    assert [one.where for one in conditions(runs, [])] == [{"model": "good"}]


def test_metrics_are_those_that_criteria_and_the_protocol_name(protocol: Protocol, registry: Registry) -> None:
    assert metrics_of(protocol, registry) == {
        "drift": kit.Drift(),
        "force_error": kit.ForceError(),
        "speed": kit.Speed(),
    }
    named = protocol.model_copy(update={"metrics": {"drift": kit.Drift(skip_ps=1.0), "bonds": kit.Bonds()}})
    assert metrics_of(named, registry)["drift"] == kit.Drift(skip_ps=1.0)
    assert "bonds" in metrics_of(named, registry)


def test_metrics_that_do_not_exist_are_refused(protocol: Protocol) -> None:
    with pytest.raises(UsageError, match=r"unknown metric 'drift'; allowed: nothing"):
        metrics_of(protocol, kit.registry_of({}))


def test_quantities_and_needs() -> None:
    assert split_quantity("force_error.rmse") == ("force_error", "rmse")
    assert quantity_of(kit.Drift(), "percent").units == "%"
    with pytest.raises(UsageError, match="did you mean 'percent'"):
        quantity_of(kit.Drift(), "percnt")
    needs = [
        (needs_labels(m), needs_reference_run(m), is_probe(m)) for m in (kit.ForceError(), kit.Bonds(), kit.Speed())
    ]
    assert needs == [(True, False, False), (False, True, False), (False, False, True)]
