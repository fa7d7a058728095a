"""A drift in percent of a total energy never approves a model by itself."""

from __future__ import annotations

import pytest

from mdprotocol.contracts import Quantity
from mdprotocol.verdicts import Decision, Outcome
from mdprotocol_plugins.metrics.energy_drift import EnergyDrift

PERCENT = {"level": "must", "metric": "level.mean", "max": 1}
BESIDE = {"level": "must", "metric": "level.max", "max": 1}


@pytest.fixture
def judged(world, spread, monkeypatch):
    """Runs with a sound signal, judged; `level.mean` can be fooled alone."""

    def judge(criteria):
        made = world(criteria)
        quantities = dict(made.metrics["level"].quantities)
        quantities["mean"] = Quantity("eV", "mean", beside=("max",))
        monkeypatch.setattr(type(made.metrics["level"]), "quantities", quantities)
        sound = spread(0.5, 0.01)
        for run in made.runs:
            made.write(run, sound(run))
        return made.judge()

    return judge


def test_alone_it_passes_and_the_model_is_undecided(judged) -> None:
    verdict = judged({"percent": PERCENT})
    assert verdict.criteria[0].outcome is Outcome.PASS
    assert verdict.decision is Decision.UNDECIDED
    assert "percent can be fooled alone: a must criterion on level.max" in "; ".join(verdict.reasons)


@pytest.mark.parametrize(
    ("beside", "decision"),
    [
        (BESIDE, Decision.APPROVED),
        (BESIDE | {"level": "should"}, Decision.UNDECIDED),
        (BESIDE | {"where": {"system": "water"}}, Decision.UNDECIDED),
    ],
)
def test_beside_another_on_the_same_runs_it_approves(judged, beside, decision) -> None:
    assert judged({"percent": PERCENT, "beside": beside}).decision is decision


def test_the_percentage_of_m6_is_such_a_quantity() -> None:
    assert "per_atom" in EnergyDrift.quantities["percent_of_total"].beside
