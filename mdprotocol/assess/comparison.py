"""Two results folders side by side: each criterion's values, their difference, and whether it is more than noise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from mdprotocol.assess.measurements_file import from_dataset
from mdprotocol.assess.statistics import EXACT, identical
from mdprotocol.contracts import Pool, Quantity
from mdprotocol.errors import StoreError
from mdprotocol.store import ResultsFolder

ALPHA = 0.05


def welch(first: Sequence[float], second: Sequence[float], how: Pool, *, deterministic: bool = False) -> float:
    """Two-sided p value that two sets of replicas have the same mean (the same mean square for `rms`).

    Welch (1947), Biometrika 34, 28; for proportions Fisher's exact test. NaN where a single sample, or identical ones, say
    nothing about scatter, or where the quantity is exact: a difference is then a fact, not a chance.

    Args:
        deterministic: the quantity is the same in every replica by its nature; a difference is then certain.
    """
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if how in EXACT or min(len(a), len(b)) == 0:
        return math.nan
    if how == "proportion":
        return float(stats.fisher_exact([[x.sum(), len(x) - x.sum()] for x in (a, b)]).pvalue)
    if min(len(a), len(b)) < 2:
        return math.nan
    a, b = (a**2, b**2) if how == "rms" else (a, b)
    if identical(a) and identical(b) and identical([a[0], b[0]]):
        return 1.0
    if identical(a) or identical(b):
        return 0.0 if deterministic and identical(a) and identical(b) else math.nan
    return float(stats.ttest_ind(a, b, equal_var=False).pvalue)


def compare_results(first: ResultsFolder, second: ResultsFolder) -> list[Mapping[str, Any]]:
    """One row a criterion that both judged, for each pair of models (of the same name, or the only ones).

    A row tells of the condition in which the two differ most clearly; its p value is corrected for the number of conditions
    (Bonferroni). Columns: criterion, model, condition, A, B, units, difference, p, significant, outcome A, outcome B.

    Raises:
        StoreError: a folder has no verdict.json or no measurements.nc.
    """
    pairs = _pairs(_verdict(first), _verdict(second))
    quantities = _quantities(first) | _quantities(second)
    try:
        return _rows(pairs, quantities)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        both = f"{first.root} or {second.root}"
        raise StoreError(f"verdict.json of {both} is not a verdict of this program: {error!r}") from error


def _rows(pairs: Sequence[tuple[_Model, _Model]], quantities: Mapping[str, Quantity]) -> list[Mapping[str, Any]]:
    return [
        _row(one, other, name, quantities)
        for one, other in pairs
        for name in one.criteria
        if name in other.criteria and one.criteria[name]["quantity"] == other.criteria[name]["quantity"]
    ]


@dataclass(frozen=True)
class _Model:
    name: str
    criteria: Mapping[str, Mapping[str, Any]]


def _verdict(folder: ResultsFolder) -> list[_Model]:
    try:
        models = folder.read_json("verdict.json")["models"]
        return [_Model(model["model"], {found["name"]: found for found in model["criteria"]}) for model in models]
    except (KeyError, TypeError) as error:
        raise StoreError(f"{folder.root / 'verdict.json'} is not a verdict of this program: {error!r}") from error


def _quantities(folder: ResultsFolder) -> dict[str, Quantity]:
    return dict(from_dataset(folder.load("measurements.nc")).quantities)


def _pairs(a: Sequence[_Model], b: Sequence[_Model]) -> list[tuple[_Model, _Model]]:
    if len(a) == len(b) == 1:
        return [(a[0], b[0])]
    return [(one, other) for one in a for other in b if one.name == other.name]


def _row(one: _Model, other: _Model, name: str, quantities: Mapping[str, Quantity]) -> Mapping[str, Any]:
    a, b = one.criteria[name], other.criteria[name]
    model = one.name if one.name == other.name else f"{one.name} / {other.name}"
    quantity = quantities.get(a["quantity"], Quantity(a["units"], ""))
    how, fixed = quantity.pool, quantity.deterministic
    conditions = _common(a, b)
    scored = [(welch(x["samples"], y["samples"], how, deterministic=fixed), x, y) for x, y in conditions]
    clearest = min(scored, key=_rank, default=None)
    if clearest is None:
        where, p, x, y = "no condition measured in both", math.nan, math.nan, math.nan
    else:
        where, x, y = _words(clearest[1]["where"]), clearest[1]["value"], clearest[2]["value"]
        p = clearest[0] if math.isnan(clearest[0]) else min(1.0, clearest[0] * len(conditions))
    return {
        "criterion": name,
        "model": model,
        "condition": where,
        "A": x,
        "B": y,
        "units": a["units"],
        "difference": y - x,
        "p": p,
        "significant": _significant(p, x, y, exact=how in EXACT),
        "outcome A": a["outcome"],
        "outcome B": b["outcome"],
    }


def _rank(item: tuple[float, Mapping[str, Any], Mapping[str, Any]]) -> tuple[float, float]:
    p, x, y = item
    return (2.0 if math.isnan(p) else p), -abs(y["value"] - x["value"])


def _significant(p: float, a: float, b: float, *, exact: bool) -> str:
    if exact and not math.isnan(b - a):
        return "yes" if a != b else "no"
    return "unknown" if math.isnan(p) else "yes" if p < ALPHA else "no"


def _common(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Conditions measured on both sides at the same coordinates, models apart."""
    second = {_key(condition): condition for condition in _conditions(b) if condition["value"] is not None}
    return [(x, second[_key(x)]) for x in _conditions(a) if x["value"] is not None and _key(x) in second]


def _conditions(criterion: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The conditions of a criterion in a verdict file; version 1 called them cells."""
    found: Sequence[Mapping[str, Any]] = criterion["conditions" if "conditions" in criterion else "cells"]
    return found


def _key(condition: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted((dim, value) for dim, value in condition["where"].items() if dim != "model"))


def _words(where: Mapping[str, Any]) -> str:
    parts = (f"{value:g} K" if dim == "temperature" else str(value) for dim, value in where.items() if dim != "model")
    return ", ".join(parts) or "all together"
