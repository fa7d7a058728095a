"""The M6 protocols as they are shipped: literal criteria by name, and guards against a fooled verdict that decide."""

from __future__ import annotations

from pathlib import Path

import pytest

from mdprotocol.protocol import read_document, validate
from mdprotocol.protocol.schema import Protocol
from mdprotocol.registry import build_registry
from mdprotocol.verdicts import Level

FOLDER = Path(__file__).parents[2] / "protocols"
LITERAL = {
    "no_crash": ("stability.crashed", 0),
    "energy_drift_percent": ("energy_drift.percent_of_total", 1),
    "force_rmse": ("force_error.rmse", 0.2),
    "inference_time": ("inference_time.median_ms", 10),
}
"""M6 as it was done by hand: metric and bound."""
GUARDS = {
    "force_consistency",
    "symmetry",
    "smoothness",
    "short_range_wall",
    "timestep_convergence",
    "reversibility",
    "kinematics",
    "momentum",
    "masses",
    "equipartition",
    "trajectory_divergence",
    "frequencies",
}


def _read(name: str) -> Protocol:
    return validate(read_document(FOLDER / f"{name}.yaml"), build_registry())


@pytest.mark.parametrize("name", sorted(file.stem for file in FOLDER.glob("*.yaml") if not file.stem.endswith("_base")))
def test_every_protocol_is_valid(name: str) -> None:
    assert _read(name).name == name


@pytest.mark.parametrize("name", ["m6_original", "m6_tiny", "m6_ultra_tiny", "m6_phase"])
def test_the_literal_criteria_are_there_by_name(name: str) -> None:
    criteria = _read(name).criteria
    assert {key: (criteria[key].metric, criteria[key].max) for key in LITERAL} == LITERAL
    assert all(criteria[key].level in (Level.MUST, Level.SHOULD) for key in LITERAL)


def test_what_guards_against_a_fooled_verdict_decides() -> None:
    must = {c.metric.partition(".")[0] for c in _read("m6_original").criteria.values() if c.level is Level.MUST}
    assert must >= GUARDS
