"""Tables: the order and the numbers a reviewer reads."""

from mdprotocol.report import tables
from mdprotocol.testing import reports
from mdprotocol.verdicts import Level, Outcome


def row(table, first):
    """The row that starts with `first`, by column."""
    return next(
        dict(zip(table.columns, conditions, strict=True)) for conditions in table.rows if conditions[0] == first
    )


def test_a_criterion_is_told_by_its_worst_cell():
    verdict, _ = reports.troubled_verdict()
    found = row(tables.criteria(verdict, Level.MUST), "force_rmse")
    assert found == {
        "criterion": "force_rmse",
        "measured": "0.450 ± 0.010 eV/Å",
        "95 % interval": "0.430 to 0.470",
        "bound": "≤ 0.2 eV/Å",
        "outcome": "FAIL",
        "conditions passed": "8 of 9",
        "worst condition": "alanine, nve_10ps, 500 K",
    }


def test_a_criterion_without_cells_has_dashes():
    verdict, _ = reports.troubled_verdict()
    found = row(tables.criteria(verdict, Level.NICE), "speed")
    assert (found["measured"], found["outcome"], found["worst condition"]) == ("—", "NOT MEASURED", "—")


def test_must_comes_first():
    verdict, _ = reports.troubled_verdict()
    levels = [criterion.level for criterion in tables.by_level(verdict)]
    assert levels == sorted(levels, key=list(Level).index)


def test_every_criterion_that_did_not_pass_says_why():
    verdict, _ = reports.troubled_verdict()
    why = {criterion.name: text for criterion, text in tables.obstacles(verdict)}
    assert set(why) == {c.name for c in verdict.criteria if c.outcome is not Outcome.PASS}
    assert "9 more replicas would decide it" in why["energy_drift"]
    assert why["angle"] == "water: no reference forces"
    assert why["speed"] == "no probe was run"


def test_simulations_are_told_in_steps_and_counted():
    found = row(tables.simulations(reports.troubled_report()), "tiny")
    assert found["length"] == "10 ps = 20,000 steps of 0.5 fs"
    assert found["temperatures"] == "100, 300, 500 K"
    assert (found["completed"], found["failed"], found["missing"]) == ("15", "2", "1")


def test_a_list_of_time_steps_is_found_by_its_expanded_name():
    report = reports.sound_report()
    assert tables.length_and_integrator(report, "timestep_2fs") == ("10 ps = 5,000 steps of 2 fs", "velocity_verlet")
    assert tables.length_and_integrator(report, "unknown") == ("—", "—")
    assert tables.settings_of(report, "timestep_2fs") == (2.0, 10.0, "velocity_verlet")


def test_a_failed_run_is_the_worst_run_and_then_the_one_furthest_beyond_a_must_bound():
    report = reports.troubled_report()
    failed, beyond = tables.worst_runs(report, report.verdicts[0])
    assert failed.run == "runs/tiny/alanine/nve_10ps/T500K_r0"
    assert "broken_bond at 420 fs" in failed.text
    assert beyond.text.startswith("force_rmse is 0.46 eV/Å in this run, 230 %")


def test_crashes_are_counted_among_the_runs():
    verdict, _ = reports.troubled_verdict()
    assert row(tables.criteria(verdict, Level.MUST), "no_crash")["measured"] == "1 of 2"


def test_without_failures_the_run_nearest_to_a_must_bound_is_the_worst():
    report = reports.sound_report()
    (worst,) = tables.worst_runs(report, report.verdicts[0])
    assert worst.run == "runs/original/alanine/nve_10ps/T500K_r1"
    assert worst.text == "force_rmse is 0.062 eV/Å in this run, 31 % of what ≤ 0.2 eV/Å allows"


def test_no_runs_no_worst_run():
    report = reports.empty_report()
    assert tables.worst_runs(report, report.verdicts[0]) == []


def test_the_measurement_table_has_a_column_for_every_dim_and_the_reasons():
    verdict, found = reports.troubled_verdict()
    table = tables.measurements(found)
    assert table.columns[1:5] == ("model", "system", "simulation", "temperature")
    assert len(table.rows) == len(found)
    assert row(table, "force_error.angle")["note"] == "no reference forces"
    assert verdict.model in table.rows[0]


def test_a_table_holds_the_criteria_of_one_level():
    verdict, _ = reports.troubled_verdict()
    assert [conditions[0] for conditions in tables.criteria(verdict, Level.SHOULD).rows] == ["angle"]


def test_dims_of_a_metric_of_its_own_share_a_column():
    found = [
        reports.measurement("force_error.rmse_by_element", "eV/Å", 0.1, 0.01, model="m", system="water", element="H"),
        reports.measurement("bond_lengths.by_bond", "Å", 0.02, 0.001, model="m", system="water", bond="O1-H2"),
        reports.measurement("resources.parameters", "1", 3.0, 0.0, model="m"),
    ]
    table = tables.measurements(found)
    assert table.columns[:4] == ("quantity", "model", "system", "at")
    assert [conditions[3] for conditions in table.rows] == ["element H", "bond O1-H2", ""]
    assert {len(conditions) for conditions in table.rows} == {len(table.columns)}
    assert list(tables.by_metric(found)) == ["force_error", "bond_lengths", "resources"]


def test_the_diagnosis_names_cause_and_evidence():
    verdict, _ = reports.troubled_verdict()
    assert row(tables.diagnosis(verdict), "force_rmse")["cause"] == "broken symmetry"
    assert not tables.diagnosis(reports.sound_verdict()[0])
