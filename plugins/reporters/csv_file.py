"""verdict.csv: a row a model, criterion and condition, for spreadsheets and data frames."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from mdprotocol.api import ConditionResult, CriterionResult, ModelVerdict, Report, Reporter
from mdprotocol.api.reporting import escape

BEFORE = ("protocol", "model", "decision", "criterion", "level", "quantity", "units", "minimum", "maximum", "outcome")
AFTER = (
    "condition_outcome", "value", "standard_error", "low", "high", "confidence", "replicas", "labels", "reason", "advice"
)  # fmt: skip
USUAL_DIMS = ("system", "simulation", "temperature")


class CsvReporter(Reporter):
    """verdict.csv: one row a model, criterion and condition; an empty field is a number that is not there."""

    type: Literal["csv"] = "csv"

    def render(self, report: Report) -> Mapping[str, bytes]:
        dims = dict.fromkeys(USUAL_DIMS)
        dims |= {
            dim: None for _, c in report.criteria() for condition in c.conditions for dim in condition.measurement.where
        }
        dims.pop("model", None)
        text = io.StringIO()
        writer = csv.DictWriter(text, [*BEFORE, *dims, *AFTER], restval="", lineterminator="\n")
        writer.writeheader()
        for row in rows(report):
            writer.writerow({name: _field(value) for name, value in row.items()})
        return {"verdict.csv": text.getvalue().encode("utf-8", "replace")}


def rows(report: Report) -> Iterator[dict[str, Any]]:
    """One mapping a row; a criterion without conditions has one row with its reason."""
    for verdict, criterion in report.criteria():
        head = _head(report, verdict, criterion)
        if not criterion.conditions:
            yield head | {"condition_outcome": str(criterion.outcome), "reason": criterion.reason}
        for condition in criterion.conditions:
            yield head | _condition(condition)


def _head(report: Report, verdict: ModelVerdict, criterion: CriterionResult) -> dict[str, Any]:
    return {
        "protocol": report.name,
        "model": verdict.model,
        "decision": str(verdict.decision),
        "criterion": criterion.name,
        "level": str(criterion.level),
        "quantity": criterion.quantity,
        "units": criterion.units,
        "minimum": criterion.minimum,
        "maximum": criterion.maximum,
        "outcome": str(criterion.outcome),
    }


def _condition(condition: ConditionResult) -> dict[str, Any]:
    found = condition.measurement
    return {dim: value for dim, value in found.where.items() if dim != "model"} | {
        "condition_outcome": str(condition.outcome),
        "value": found.value,
        "standard_error": found.standard_error,
        "low": found.low,
        "high": found.high,
        "confidence": found.confidence,
        "replicas": len(found.samples),
        "labels": found.labels,
        "reason": found.reason,
        "advice": condition.advice,
    }


def _field(value: Any) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, str):
        return escape.csv_cell(value)
    return repr(value) if isinstance(value, int) else repr(float(value))
