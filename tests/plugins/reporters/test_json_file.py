"""verdict.json: what programs rely on."""

import json

import numpy as np

from mdprotocol_plugins.reporters.json_file import JsonReporter, finite


def load(report):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    (data,) = JsonReporter().render(report).values()
    return json.loads(data, parse_constant=refuse)


def test_the_keys_are_those_of_the_documented_schema(report):
    found = load(report)
    assert found["schema_version"] == 2
    assert list(found) == [
        "schema_version", "protocol", "command", "models", "expectations", "runs", "measurements", "figures",
        "provenance",
    ]  # fmt: skip
    for model in found["models"]:
        assert list(model) == [
            "model", "decision", "reasons", "notes", "runs", "recommendations", "diagnosis", "criteria",
            "installation_check", "dropped", "guards", "changed", "further_runs",
        ]  # fmt: skip
        assert set(model["runs"]) == {"planned", "completed", "failed", "missing"}
        for criterion in model["criteria"]:
            assert list(criterion) == [
                "name", "level", "description", "quantity", "units", "minimum", "maximum", "outcome", "reason", "conditions",
                "cells",
            ]  # fmt: skip
            assert criterion["cells"] == criterion["conditions"], "the old name, for one release"
            for condition in criterion["conditions"]:
                assert set(condition) == {
                    "where", "quantity", "units", "value", "standard_error", "low", "high", "confidence", "samples",
                    "runs", "reason", "outcome", "advice",
                }  # fmt: skip


def test_numbers_that_are_not_there_are_null(made):
    angle = next(c for c in load(made("troubled"))["models"][0]["criteria"] if c["name"] == "angle")
    assert angle["outcome"] == "NOT MEASURED"
    assert angle["conditions"][0]["value"] is None
    assert angle["conditions"][0]["reason"] == "no reference forces"


def test_numbers_are_exact(made):
    report = made("sound")
    found = load(report)["models"][0]["criteria"][2]["conditions"][0]
    expected = report.verdicts[0].criteria[2].conditions[0].measurement
    assert (found["value"], found["samples"]) == (expected.value, list(expected.samples))
    assert found["where"] == {"model": "original", "system": "alanine", "simulation": "nve_10ps", "temperature": 500.0}


def test_every_model_has_its_decision(made):
    decisions = {model["model"]: model["decision"] for model in load(made("several"))["models"]}
    assert decisions == {"original": "APPROVED", "tiny": "REJECTED"}


def test_unusual_values_become_plain():
    assert finite({1: [np.float64("nan"), np.int64(3), float("inf"), True, None]}) == {"1": [None, 3, None, True, None]}


def test_expectations_and_diagnoses_are_there(made):
    (found,) = load(made("several"))["expectations"]
    assert (found["name"], found["measured"], found["outcome"]) == ("speed_up", 2.5, "below")
    tiny = next(model for model in load(made("several"))["models"] if model["model"] == "tiny")
    assert tiny["diagnosis"][0]["cause"] == "broken symmetry"
