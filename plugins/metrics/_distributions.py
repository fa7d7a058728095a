"""The common part of metrics that compare the distributions of internal coordinates with the reference's."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
import xarray as xr

from mdprotocol.api import ReplicaComparison, Values
from mdprotocol_plugins.metrics._reference import against_replicas, comparable
from mdprotocol_plugins.metrics._series import MIN_FRAMES, enough, finite


class Distributions(ReplicaComparison):
    """Base: W between two runs for each coordinate, its mean and worst, and the reference's own spread as yardstick."""

    @abstractmethod
    def samples(self, runs: Sequence[xr.Dataset]) -> list[np.ndarray]:
        """(frame, coordinate) of each run; the coordinates are those of the first run's initial geometry."""

    @staticmethod
    @abstractmethod
    def distances(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
        """(coordinate,) distance between the distributions of two samples (frame, coordinate)."""

    def compare_replicas(self, run: xr.Dataset, reference: xr.Dataset, others: Sequence[xr.Dataset]) -> Values:
        for other in (reference, *others):
            comparable(run, other)
        ours, own, *siblings = self.samples((run, reference, *others))
        for values in (ours, own, *siblings):
            enough(len(values), MIN_FRAMES)
        found = self.distances(ours, own)
        return {
            "mean": float(np.mean(found)),
            "worst": float(np.max(found)),
            "temperature_difference": temperature_difference(run, reference),
        } | against_replicas(ours, own, siblings, self.distances)


def temperature_difference(run: xr.Dataset, reference: xr.Dataset) -> float:
    """Mean kinetic temperature of a run minus that of the other, K."""
    return float(finite(run, "temperature").mean() - finite(reference, "temperature").mean())
