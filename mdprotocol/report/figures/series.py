"""What the figures draw from: the runs of a model, each read once, with long series thinned."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mdprotocol.contracts import Report, Role, RunRow
from mdprotocol.report.summary import role_of
from mdprotocol.units import FS_PER_PS, MEV_PER_EV
from mdprotocol.verdicts import Level, ModelVerdict

MOST_POINTS = 800
"""More points than a panel has pixels."""
MOST_SIMULATIONS = 3


class NothingToDraw(Exception):
    """A figure has no data; the text says why."""


@dataclass(frozen=True)
class Series:
    """One run, reduced to what is drawn.

    Attributes:
        time: (f,) ps.
        energy: (f,) conserved energy minus its start, meV/atom; empty where not recorded.
        temperature: (f,) K; empty where not recorded.
        sample_time: (s,) ps, times at which the reference was asked.
        force, reference: (s, n, 3) eV/Å at those times.
    """

    row: RunRow
    time: np.ndarray
    energy: np.ndarray
    temperature: np.ndarray
    sample_time: np.ndarray
    force: np.ndarray
    reference: np.ndarray

    @property
    def failed(self) -> bool:
        return self.row.outcome == "failed"

    @property
    def force_rmse(self) -> np.ndarray:
        """(s,) eV/Å: root mean square over atoms and components at each sample."""
        return np.sqrt(np.mean((self.force - self.reference) ** 2, axis=(1, 2)))


@dataclass
class Material:
    """The runs of one model, read when first asked for."""

    report: Report
    verdict: ModelVerdict
    unreadable: list[str] = field(default_factory=list)

    @functools.cached_property
    def all(self) -> list[Series]:
        """Every readable run of the model's deciding simulations."""
        chosen = self.simulations
        rows = [r for r in self.report.runs if r.model == self.verdict.model and r.simulation in chosen]
        found = (self._read(row) for row in rows if row.outcome in ("completed", "failed"))
        return [series for series in found if series is not None]

    @functools.cached_property
    def simulations(self) -> list[str]:
        """The simulations that decide (those behind the criteria, `must` first), and one more in which runs failed."""
        own = [row for row in self.report.runs if row.model == self.verdict.model]
        present = dict.fromkeys(row.simulation for row in own)
        broken = {row.simulation for row in own if row.outcome == "failed"}
        order = (Level.MUST, Level.SHOULD, Level.NICE)
        criteria = sorted(self.verdict.criteria, key=lambda c: order.index(c.level))
        named = (str(condition.measurement.where.get("simulation")) for c in criteria for condition in c.conditions)
        ranked = [name for name in dict.fromkeys([*named, *present]) if name in present]
        more = [name for name in ranked[MOST_SIMULATIONS:] if name in broken]
        return ranked[:MOST_SIMULATIONS] + more[:1]

    def bound(self, role: Role, simulation: str) -> float | None:
        """The tightest upper bound that a criterion sets in a simulation on a quantity of this role."""
        bounds = [
            criterion.maximum
            for criterion in self.verdict.criteria
            if criterion.maximum is not None
            and role_of(self.report, criterion.quantity) is role
            and any(condition.measurement.where.get("simulation") == simulation for condition in criterion.conditions)
        ]
        return min(bounds, default=None)

    def _read(self, row: RunRow) -> Series | None:
        try:
            with self.report.open_run(row.run) as dataset:
                return _series(row, dataset)
        except Exception as error:  # a broken file costs its line in a figure, never the report
            self.unreadable.append(f"{row.run} ({type(error).__name__})")
            return None


def _series(row: RunRow, dataset: Any) -> Series:
    atoms = max(dataset.sizes.get("atom", 1), 1)
    time = _values(dataset, "time") / FS_PER_PS
    energy = _values(dataset, "conserved_energy", "total_energy")
    if energy.size:
        energy = (energy - energy[0]) * MEV_PER_EV / atoms
    frames = _values(dataset, "sample_frame").astype(int)
    reference = _values(dataset, "reference_force")
    labelled = bool(frames.size and reference.size and "force" in dataset)
    force = dataset["force"].isel(frame=frames).values.astype(float) if labelled else np.empty((0, atoms, 3))
    return Series(
        row=row,
        time=time,
        energy=energy,
        temperature=_values(dataset, "temperature"),
        sample_time=time[frames] if labelled else np.empty(0),
        force=force,
        reference=reference if labelled else np.empty((0, atoms, 3)),
    )


def _values(dataset: Any, *names: str) -> np.ndarray:
    """The first of these variables that is there, else nothing."""
    for name in names:
        if name in dataset.variables:
            return np.asarray(dataset[name].values, dtype=float)
    return np.empty(0)


def grouped(found: Iterable[Series], *keys: str) -> dict[tuple[Any, ...], list[Series]]:
    """Runs by attributes of their row, in order of appearance."""
    groups: dict[tuple[Any, ...], list[Series]] = {}
    for series in found:
        groups.setdefault(tuple(getattr(series.row, key) for key in keys), []).append(series)
    return groups


def systems(found: Sequence[Series]) -> list[str]:
    """Names of the systems, in order of appearance."""
    return list(dict.fromkeys(series.row.system for series in found))


def finite(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The points that have a number: a failing run may end in NaN."""
    known = np.isfinite(x) & np.isfinite(y)
    return (x, y) if known.all() else (x[known], y[known])


def thin(x: np.ndarray, y: np.ndarray, most: int = MOST_POINTS) -> tuple[np.ndarray, np.ndarray]:
    """At most `most` points that keep every extreme: the lowest and the highest of each stretch of a long series."""
    x, y = finite(x, y)
    if len(x) <= most:
        return x, y
    stretches = most // 2 - 1
    short, longer = divmod(len(x), stretches)  # so many are longer by one
    keep = [np.array([0, len(x) - 1])]
    for first, table in (
        (0, y[: longer * (short + 1)].reshape(longer, short + 1)),
        (longer * (short + 1), y[longer * (short + 1) :].reshape(stretches - longer, short)),
    ):
        starts = first + table.shape[1] * np.arange(len(table))
        keep += [starts + table.argmin(axis=1), starts + table.argmax(axis=1)]
    index = np.unique(np.concatenate(keep))
    return x[index], y[index]


def running_mean(y: np.ndarray, width: int) -> np.ndarray:
    """Mean over a centred window of `width` frames, narrower at the ends."""
    if width < 2 or len(y) < 2:
        return y
    total = np.concatenate([[0.0], np.cumsum(y)])
    index = np.arange(len(y))
    low, high = np.maximum(index - width // 2, 0), np.minimum(index + width // 2 + 1, len(y))
    return (total[high] - total[low]) / (high - low)
