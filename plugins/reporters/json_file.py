"""verdict.json: the verdict for programs.

    schema_version   2; a change that breaks readers raises it (1 had `cells` only, which stays beside `conditions` in 2)
    protocol         {name, description}
    command          the command that reproduces the results
    models           a list of
        model, decision, reasons, notes
        runs             {planned, completed, failed, missing}
        recommendations  [{use, granted, blocked_by, text, warning, because, reason}]; reason: what else decided
                         (failed runs, a check of the installation), else empty
        diagnosis        [{criterion, cause, evidence}]
        criteria         [{name, level, description, quantity, units, minimum, maximum, outcome, reason, conditions}]
            conditions       worst first: a measurement, and {outcome, advice}
        installation_check  why nothing is recommended: this is a check of the installation; empty where it is not
        dropped          must criteria that were not applied, each with the reason in one sentence
        guards           guards that see little, each with what goes unnoticed
        changed          criteria that differ from those that stood when the data was made: "drift.max 1 → 1e9"
        further_runs     runs of this model under other seeds or settings that the folder has or had, in words
    expectations     [{name, metric, of, to, minimum, maximum, measured, outcome, by_system}]: ratios between models
    runs             [{run, model, system, simulation, temperature_K, replica, outcome, failure, time_ps}]
    measurements     [{quantity, units, where, value, standard_error, low, high, confidence, samples, runs, reason}];
                     and `labels`, their number, where it compares with the reference's labels
    figures          relative paths
    provenance       versions, hardware, seed, checkpoints, commit

A number that is not there (NaN, infinity) is null; text is UTF-8.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any, Literal

from mdprotocol.api import CriterionResult, Measurement, ModelVerdict, Report, Reporter
from mdprotocol.api.reporting import side_by_side

SCHEMA_VERSION = 2


class JsonReporter(Reporter):
    """verdict.json: the verdict, every measurement and the provenance, for programs."""

    type: Literal["json"] = "json"

    def render(self, report: Report) -> Mapping[str, bytes]:
        text = json.dumps(finite(content(report)), indent=2, ensure_ascii=False, allow_nan=False)
        return {"verdict.json": (text + "\n").encode("utf-8", "replace")}


def content(report: Report) -> dict[str, Any]:
    """The whole file as plain data."""
    return {
        "schema_version": SCHEMA_VERSION,
        "protocol": {"name": report.name, "description": report.description},
        "command": report.command,
        "models": [_model(verdict) for verdict in report.verdicts],
        "expectations": [dataclasses.asdict(found) for found in side_by_side.expected_ratios(report)],
        "runs": [dataclasses.asdict(row) for row in report.runs],
        "measurements": [_measurement(found) for found in report.measurements],
        "figures": [figure.path for figure in report.figures() if figure.png],
        "provenance": report.provenance,
    }


def _model(verdict: ModelVerdict) -> dict[str, Any]:
    return {
        "model": verdict.model,
        "decision": str(verdict.decision),
        "reasons": list(verdict.reasons),
        "notes": list(verdict.notes),
        "runs": {name: getattr(verdict, f"runs_{name}") for name in ("planned", "completed", "failed", "missing")},
        "recommendations": [dataclasses.asdict(use) for use in verdict.recommendations],
        "diagnosis": [dataclasses.asdict(found) for found in verdict.diagnosis],
        "criteria": [_criterion(criterion) for criterion in verdict.criteria],
        "installation_check": verdict.installation_check,
        "dropped": list(verdict.dropped),
        "guards": list(verdict.guards),
        "changed": list(verdict.changed),
        "further_runs": verdict.further_runs,
    }


def _criterion(criterion: CriterionResult) -> dict[str, Any]:
    names = ("name", "level", "description", "quantity", "units", "minimum", "maximum", "outcome", "reason")
    conditions = [
        _measurement(condition.measurement) | {"outcome": str(condition.outcome), "advice": condition.advice}
        for condition in criterion.conditions
    ]
    return {name: getattr(criterion, name) for name in names} | {"conditions": conditions, "cells": conditions}


def _measurement(found: Measurement) -> dict[str, Any]:
    names = ("quantity", "units", "value", "standard_error", "low", "high", "confidence", "samples", "runs", "reason")
    labels = {} if found.labels is None else {"labels": found.labels}
    return {"where": dict(found.where)} | {name: getattr(found, name) for name in names} | labels


def finite(data: Any) -> Any:
    """Plain JSON data: NaN and infinity as null, numpy's numbers as Python's."""
    if isinstance(data, Mapping):
        return {str(key): finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [finite(value) for value in data]
    if isinstance(data, bool | str | int | None):
        return data
    if hasattr(data, "item"):
        return finite(data.item())
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    return str(data)
