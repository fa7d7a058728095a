"""What `where` names is promised: a name or a combination that selects nothing is refused at its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from protocol_kit import fails

from mdprotocol.plan import Plan, expand_runs, make_study
from mdprotocol.plan.covering import covering
from mdprotocol.plan.select import SYSTEM_ONLY, covered, unselected
from mdprotocol.protocol import read_document, validate
from mdprotocol.protocol.schema import Criterion, Protocol
from mdprotocol.registry import Registry
from mdprotocol.verdicts import Level

Make = Callable[..., Plan]
OTHER = "  other: {timestep_fs: 0.5, duration_ps: 1, temperatures_K: [500], systems: [short]}\ncriteria:\n"
"""A second simulation: only the short molecule, only at 500 K."""
TWO_MODELS = ("  good:", "  second: {type: teacher, accuracy: 2}\n  good:")
PROBED = "force_error.rmse, max: 0.2, where: {simulation: nve}"


@pytest.fixture
def protocol(write: Callable[..., Path], registry: Registry) -> Callable[..., Protocol]:
    return lambda *replacements: validate(read_document(write(*replacements)), registry)


@pytest.mark.parametrize(
    ("where", "place", "parts"),
    [
        ("{system: [short, long], temperature: [300, 500]}", "22:60: criteria.force.where: ",
         ["`where` names long at 500 K, but no simulation runs it",
          "there is long at 100 K in nve, long at 300 K in nve, short at 500 K in other"]),
        ("{system: long, temperature: 500}", "22:60: criteria.force.where: ", ["`where` names long at 500 K, but"]),
        ("{simulation: nve, temperature: 500}", "22:60: criteria.force.where: ",
         ["`where` names simulation nve at 500 K, but no simulation runs it; there is short at 100 K in nve"]),
        ("{simulation: [nve, other], temperature: [100, 300]}", "22:60: criteria.force.where: ",
         ["names simulation other at 100 K, simulation other at 300 K, but no simulation runs it"]),
        ("{simulation: [nve, other], temperature: 500}", "22:60: ", ["names simulation nve at 500 K"]),
    ],
)  # fmt: skip
def test_a_combination_that_nobody_runs_is_refused(plan: Make, where: str, place: str, parts: list[str]) -> None:
    [message] = fails(plan, ("criteria:\n", OTHER), ("{simulation: nve}", where))
    assert message.startswith(f"p.yaml:{place}"), message
    assert all(part in message for part in parts), message


def test_a_system_that_no_simulation_runs_is_refused_at_its_value(plan: Make) -> None:
    only = ("  nve:\n", "  nve:\n    systems: [short]\n")
    [message] = fails(plan, only, ("{simulation: nve}", "{system: [short, long]}"))
    assert message.startswith("p.yaml:22:84: criteria.force.where.system.1: `where` names long, but no simulation")
    assert "there is short" in message


def test_every_combination_that_is_there_is_allowed(plan: Make) -> None:
    made = plan(("{simulation: nve}", "{system: [short, long], temperature: [100, 300], simulation: nve}"))
    assert len(made.sources[1].runs["good"]) == 16


def test_what_a_metric_needs_counts_too(plan: Make) -> None:
    """Runs of another simulation that nobody labels are none that a force error could be measured from."""
    blind = OTHER.replace("systems:", "reference_every_fs: null, systems:")
    [message] = fails(plan, ("criteria:\n", blind), ("{simulation: nve}", "{simulation: [nve, other]}"))
    assert (
        "criteria.force.where.simulation.1: `where` names simulation other, but no run has what 'force_error' needs"
        in message
    )


def test_a_model_that_a_simulation_leaves_out_is_warned_about(plan: Make) -> None:
    kept_out = OTHER.replace("systems:", "models: [good], systems:")
    made = plan(TWO_MODELS, ("criteria:\n", kept_out), ("{simulation: nve}", "{simulation: [nve, other]}"))
    [named] = [text for text in made.warnings if "criteria.force" in text]
    assert "`where` names simulation other, which model 'second' does not have" in named
    [unnamed] = [text for text in made.warnings if "criteria.drift" in text]
    assert "speaks of less for model 'second', which does not run other" in unnamed


def test_a_simulation_named_before_its_time_steps_means_all_of_them(protocol: Callable[..., Protocol]) -> None:
    runs = expand_runs(protocol(("timestep_fs: 0.5", "timestep_fs: [0.5, 1]")))
    assert unselected(runs, named(simulation="nve")) == []
    assert unselected(runs, named(simulation=["nve", "nve_1fs"], temperature=[300, 100.0])) == []
    assert unselected(runs, named(simulation="nve_2fs", system=["short", "long"])) == [
        {"system": "short", "simulation": "nve_2fs"},
        {"system": "long", "simulation": "nve_2fs"},
    ]
    assert unselected([], named(system="short")) == [{"system": "short"}]
    assert unselected([], named()) == []


def named(**where: object) -> Criterion:
    return Criterion.model_validate({"level": Level.MUST, "metric": "drift.per_atom", "max": 1, "where": where})


def test_a_system_that_a_criterion_names_is_probed_though_nothing_runs_it(
    protocol: Callable[..., Protocol], registry: Registry
) -> None:
    only = ("  nve:\n", "  nve:\n    systems: [short]\n")
    probes = make_study(
        protocol(only, (PROBED, "speed.median, max: 1, where: {system: [short, long]}")), registry
    ).probes
    assert [(probe.system, probe.batch_sizes) for probe in probes] == [("short", (1, 8)), ("long", (1,))]
    unnamed = make_study(protocol(only, (PROBED, "speed.median, max: 1")), registry).probes
    assert [probe.system for probe in unnamed] == ["short"]


def test_a_probe_of_dynamics_needs_a_simulation_of_what_it_names(plan: Make) -> None:
    only = ("  nve:\n", "  nve:\n    systems: [short]\n")
    [message] = fails(plan, only, (PROBED, "reversal.median, max: 1, where: {system: [short, long]}"))
    assert "where.system.1: `where` names long, but no simulation moves it; there is short" in message


def test_what_is_covered_is_kept(protocol: Callable[..., Protocol], registry: Registry) -> None:
    made = protocol(("criteria:\n", OTHER))
    runs = expand_runs(made)
    both = named(system=["short", "long"], temperature=[100, 300, 500])
    kept = covered(runs, both)
    assert kept is not None
    assert kept.where == {"system": ["short", "long"], "temperature": [100, 300]}
    assert covered(runs, named(system="short")) == named(system="short")
    assert covered(runs, named(simulation="nve", temperature=500)) is None
    assert covered([], named(system=["short"]), SYSTEM_ONLY) is None
    smaller = made.model_copy(update={"criteria": {"gone": named(temperature=900), "kept": both, "all": named()}})
    assert list(covering(smaller, registry).criteria) == ["kept", "all"]
