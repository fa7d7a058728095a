"""Key numbers by system and temperature, and what is needed to repeat it."""

import dataclasses

from mdprotocol.report import summary
from mdprotocol.testing import reports


def test_a_row_a_system_and_temperature():
    table = summary.summary(reports.sound_report(), "original")
    assert table.columns == (
        "simulation",
        "system",
        "temperature",
        "force RMSE (eV/Å)",
        "energy drift (meV/atom/ps)",
        "crashed",
    )
    assert len(table.rows) == 9
    assert table.rows[0] == (
        "nve_10ps", "water", "100 K", "0.020 ± 0.002", "0.01 ± 0.02", "0 of 2",
    )  # fmt: skip


def test_a_metric_with_a_name_of_its_own_is_recognised():
    report = reports.sound_report()
    named = [dataclasses.replace(m, quantity=m.quantity.replace("force_error", "mine")) for m in report.measurements]
    protocol = {**report.protocol, "metrics": {"mine": {"type": "force_error"}}}
    renamed = dataclasses.replace(report, measurements=named, protocol=protocol)
    assert summary.summary(renamed, "original") == summary.summary(report, "original")


def test_facts_for_repeating_it():
    facts = dict(summary.reproduction(reports.sound_report()).rows)
    assert facts["seed"] == "20261123"
    assert facts["checkpoint of original"] == "original.safetensors, SHA-256 " + "ab" * 32
    assert facts["wall time"] == "5.2 min"
    assert facts["hardware"] == "Example CPU, 2 cores, 7.7 GiB, Linux 6"


def test_code_and_packages_of_models_are_among_the_facts():
    packages = {"ase": "3.29.0", "mace": "mace-torch 0.3.14", "own": ""}
    models = {"m": {"digest": "00", "files": {}, "sources": {"ff.py": "cd" * 32}, "packages": packages}, "n": {}}
    report = dataclasses.replace(reports.sound_report(), provenance={"models": models})
    assert dict(summary.reproduction(report).rows) == {
        "code of m": "ff.py, SHA-256 " + "cd" * 32,
        "packages of m": "ase 3.29.0, mace (mace-torch 0.3.14), own of no known version",
    }


def test_facts_of_an_old_folder_without_provenance():
    report = dataclasses.replace(reports.sound_report(), provenance={})
    assert not summary.reproduction(report)


def test_runs_that_were_taken_over_are_among_the_facts():
    whole = {
        "from": "m6_tiny",
        "protocol": "m6_tiny",
        "date": "2026-11-24",
        "commit": "c0ffee",
        "runs": {"a": "1", "b": "2"},
    }
    bare = {"from": "old", "runs": {"c": "3"}}
    report = dataclasses.replace(reports.sound_report(), provenance={"reused": [whole, bare]})
    assert list(summary.reproduction(report).rows) == [
        ("taken over", "2 runs from m6_tiny, m6_tiny, 2026-11-24, c0ffee"),
        ("taken over", "1 runs from old"),
    ]
    assert not summary.reproduction(dataclasses.replace(report, provenance={}))
