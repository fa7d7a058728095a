"""From measurements to a verdict with all that the folder knows, reports and an exit code."""

from __future__ import annotations

from app_kit import PROTOCOL, Gate

from mdprotocol.verdicts import Decision


def test_planned_runs_that_are_missing_leave_the_verdict_open(gate: Gate) -> None:
    """Whoever draws on them: a model is not approved while some of what was planned has not been seen."""
    criteria = {"size": PROTOCOL["criteria"]["size"], "crash": {**PROTOCOL["criteria"]["no_crash"], "level": "nice"}}
    gate.write(criteria=criteria)
    assert gate.run().verdicts[0].decision is Decision.APPROVED
    (gate.results / "runs/m/copper/nve/T300K_r1.nc").unlink()
    verdict = gate.judge().verdicts[0]
    assert verdict.decision is Decision.UNDECIDED
    assert verdict.reasons[0] == "1 planned run is missing"


def test_guards_that_see_little_are_in_the_head(gate: Gate) -> None:
    finished = gate.run("simulations.nve.guards={bond_stretch: 1000, new_bond: null, check_every_fs: 1e6}")
    assert [line.partition(",")[0] for line in finished.verdicts[0].guards] == [
        "nve: bond_stretch: lets bonds grow to 1000 times their length",
        "nve: new_bond: is off",
        "nve: check_every_fs: guards look every 1e+06 fs only",
    ]
    assert "lets bonds grow to 1000 times" in (gate.results / "verdict.md").read_text()
