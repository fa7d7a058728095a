"""Two results folders side by side: each criterion's values, their difference, and whether it is more than noise."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import yaml
from pydantic import ValidationError
from scipy import stats

from mdprotocol.assess.cells import expanded_names
from mdprotocol.assess.judge import judge_criterion
from mdprotocol.assess.measurements import Measurements
from mdprotocol.assess.statistics import EXACT
from mdprotocol.components import Pool
from mdprotocol.errors import StoreError
from mdprotocol.protocol.schema import REFERENCE, Criterion, Simulation
from mdprotocol.store import ResultsFolder
from mdprotocol.verdicts import CellResult, CriterionResult, Measurement

ALPHA = 0.05


def welch(first: Sequence[float], second: Sequence[float], how: Pool) -> float:
    """Two-sided p value that two sets of replicas have the same mean (of squares for `rms`).

    Welch (1947), Biometrika 34, 28; Fisher's exact test for proportions; NaN where one sample says nothing about scatter,
    or where the quantity is exact (then a difference is a fact, not a chance).
    """
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if how in EXACT:
        return math.nan
    if how == "proportion":
        table = [[a.sum(), len(a) - a.sum()], [b.sum(), len(b) - b.sum()]]
        return float(stats.fisher_exact(table).pvalue)
    if min(len(a), len(b)) < 2:
        return math.nan
    a, b = (a**2, b**2) if how == "rms" else (a, b)
    if a.std() == 0 and b.std() == 0:
        return 1.0 if a[0] == b[0] else 0.0
    return float(stats.ttest_ind(a, b, equal_var=False).pvalue)


@dataclass(frozen=True)
class _Side:
    """One model of one results folder, judged by its own protocol's criteria without any plugin."""

    model: str
    criteria: Mapping[str, CriterionResult]
    measurements: Measurements


def compare_results(first: ResultsFolder, second: ResultsFolder) -> list[Mapping[str, Any]]:
    """One row a criterion that both have, for each pair of models (same name, or the only one of each folder).

    A row tells of the cell in which the two differ most clearly; its p value is corrected for the number of cells
    (Bonferroni). Columns: criterion, model, cell, A, B, units, difference, p, significant, outcome A, outcome B.

    Raises:
        StoreError: a folder has no measurements or no readable protocol.
    """
    a, b = _sides(first), _sides(second)
    rows: list[Mapping[str, Any]] = []
    for one, other in _pairs(a, b):
        for name, result in one.criteria.items():
            if name in other.criteria and other.criteria[name].quantity == result.quantity:
                rows.append(_row(one, other, result, other.criteria[name]))
    return rows


def _pairs(a: Sequence[_Side], b: Sequence[_Side]) -> list[tuple[_Side, _Side]]:
    if len(a) == len(b) == 1:
        return [(a[0], b[0])]
    return [(one, other) for one in a for other in b if one.model == other.model]


def _sides(folder: ResultsFolder) -> list[_Side]:
    with folder.open("measurements.nc") as dataset:
        measurements = Measurements(dataset.load())
    criteria, simulations, models = _protocol(folder)
    names, quantities = expanded_names(simulations), measurements.quantities
    sides = []
    for model in models:
        results = {}
        for name, criterion in criteria.items():
            known = quantities.get(criterion.metric)
            places = [p for p in measurements.places(criterion.metric) if p.model == model] if known else []
            results[name] = judge_criterion(name, criterion, known, places, names, measurements)
        sides.append(_Side(model, results, measurements))
    return sides


def _protocol(folder: ResultsFolder) -> tuple[dict[str, Criterion], dict[str, Simulation], list[str]]:
    """Criteria, simulations (integrators left out: they need plugins) and models of the stored protocol."""
    try:
        data = yaml.safe_load(folder.path("protocol.yaml").read_text(encoding="utf-8"))
        criteria = {name: Criterion.model_validate(section) for name, section in data["criteria"].items()}
        simulations = {
            name: Simulation.model_construct(timestep_fs=section["timestep_fs"])
            for name, section in data.get("simulations", {}).items()
        }
        return criteria, simulations, [model for model in data["models"] if model != REFERENCE]
    except (OSError, ValidationError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"the protocol in {folder.root} cannot be read: {error}") from error


def _row(one: _Side, other: _Side, a: CriterionResult, b: CriterionResult) -> Mapping[str, Any]:
    pairs = list(_common(a, b))
    how = one.measurements.quantities[a.quantity].pool if a.quantity in one.measurements.quantities else "mean"
    model = one.model if one.model == other.model else f"{one.model} / {other.model}"
    row = {"criterion": a.name, "model": model}
    if not pairs:
        return row | _columns("no common cell", None, None, a, b, math.nan)
    scored = [(welch(x.samples, y.samples, how), x, y) for x, y in pairs]
    p, x, y = min(scored, key=lambda item: (_or(item[0], 2.0), -abs(_or(item[2].value - item[1].value, 0.0))))
    where = ", ".join(str(value) for dim, value in x.where.items() if dim != "model")
    return row | _columns(where or "all together", x, y, a, b, min(1.0, p * len(pairs)) if p == p else p)


def _or(value: float, otherwise: float) -> float:
    return otherwise if math.isnan(value) else value


def _columns(
    cell: str, x: Measurement | None, y: Measurement | None, a: CriterionResult, b: CriterionResult, p: float
) -> dict[str, Any]:
    first, second = (found.value if found else math.nan for found in (x, y))
    exact = x is not None and y is not None and x.standard_error == y.standard_error == 0
    significant = "yes" if p < ALPHA or (exact and first != second) else "no" if p == p or exact else "unknown"
    return {
        "cell": cell,
        "A": first,
        "B": second,
        "units": a.units,
        "difference": second - first,
        "p": p,
        "significant": significant,
        "outcome A": str(a.outcome),
        "outcome B": str(b.outcome),
    }


def _common(a: CriterionResult, b: CriterionResult) -> Iterator[tuple[Measurement, Measurement]]:
    """Measured cells with the same coordinates, models apart."""
    second = {_key(cell): cell.measurement for cell in b.cells if not cell.measurement.reason}
    for cell in a.cells:
        if not cell.measurement.reason and _key(cell) in second:
            yield cell.measurement, second[_key(cell)]


def _key(cell: CellResult) -> tuple[tuple[str, str | float], ...]:
    return tuple(sorted((dim, value) for dim, value in cell.measurement.where.items() if dim != "model"))
