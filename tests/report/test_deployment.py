"""The deployment guide: uses by rule, conditions by outcome, the time step from the conditions that held."""

import dataclasses

from mdprotocol.contracts import RunRow
from mdprotocol.report import deployment
from mdprotocol.testing import reports
from mdprotocol.verdicts import Outcome


def answers(report, model):
    table = deployment.guide(report)
    return {cells[0]: cells[table.columns.index(model)] for cells in table.rows}


def with_time_steps(outcome):
    """An approved model that also ran with 1 and 2 fs; the criterion on 2 fs has this outcome."""
    verdict, found = reports.sound_verdict()
    extra, rows = [], reports.rows("original")
    for step, result in ((1, Outcome.PASS), (2, outcome)):
        name = f"timestep_{step}fs"
        value = reports.measurement("energy_drift.per_atom", "meV/atom/ps", 0.1, 0.01, model="original", system="water",
                                    simulation=name, temperature=300.0)  # fmt: skip
        extra.append(reports.criterion(f"drift_{step}fs", [value], result, maximum=1.0))
        rows.append(RunRow(f"runs/{name}", "original", "water", name, 300.0, 0, "completed"))
    time = reports.measurement("inference_time.median_ms", "ms", 2.0, 0.1, model="original", system="water")
    wider = dataclasses.replace(verdict, criteria=(*verdict.criteria, *extra))
    return reports.report([wider], rows, [*found, time])


def test_uses_and_warnings_are_the_rules():
    sound, troubled = answers(reports.sound_report(), "original"), answers(reports.troubled_report(), "tiny")
    assert sound["use it for"] == "production MD: At 100 to 500 K"
    assert sound["do not use it for"] == "anything not listed here"
    assert troubled["use it for"] == "none"
    refused = troubled["do not use it for"]
    assert refused.startswith("not for MD: Runs end early; production MD (needs no_crash, force_rmse)")


def test_the_time_step_is_the_largest_that_held():
    assert answers(with_time_steps(Outcome.PASS), "original")["largest time step that held"] == "2 fs"
    assert answers(with_time_steps(Outcome.FAIL), "original")["largest time step that held"] == "1 fs"
    assert answers(with_time_steps(Outcome.INCONCLUSIVE), "original")["largest time step that held"] == "1 fs"
    assert answers(reports.troubled_report(), "tiny")["largest time step that held"] == "none"


def test_speed_is_told_at_that_time_step():
    """1 fs every 2 ms: 43.2 million steps a day, 43.2 ns."""
    assert answers(with_time_steps(Outcome.FAIL), "original")["speed"].endswith("; 43 ns a day at 1 fs")


def test_conditions_say_what_did_not_hold():
    table = deployment.conditions(with_time_steps(Outcome.FAIL))
    held = {cells[0]: cells[-1] for cells in table.rows}
    assert held["timestep_1fs"] == "held: 1 of 1 criteria"
    assert held["timestep_2fs"] == "drift_2fs FAIL"
    assert held["nve_10ps"] == "held: 3 of 3 criteria"


def test_a_condition_that_nothing_judges_is_not_said_to_hold():
    report = reports.sound_report()
    row = RunRow("runs/x", "original", "water", "unjudged", 300.0, 0, "completed")
    (found,) = [
        c
        for c in deployment.conditions(dataclasses.replace(report, runs=(*report.runs, row))).rows
        if c[0] == "unjudged"
    ]
    assert found[-1] == "nothing judged"


def test_a_condition_with_failed_runs_has_not_held_whatever_passed():
    """Every criterion passed, and none of them sees that a run blew up."""
    verdict, found = reports.sound_verdict()
    blown = reports.report([verdict], reports.rows("original", failed=(3,)), found)
    assert dict(zip(*_columns(blown), strict=True))["original"] == "1 of 18 runs failed"
    assert deployment.time_step(blown, verdict) is None
    sound = reports.sound_report()
    assert dict(zip(*_columns(sound), strict=True))["original"].startswith("held: ")
    assert deployment.time_step(sound, verdict) == 0.5


def _columns(report):
    table = deployment.conditions(report)
    return table.columns, table.rows[0]
