"""What metrics against the reference have in common: same atoms, no self-comparison, growth, the replica yardstick."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr

from mdprotocol.api import NotMeasurable
from mdprotocol_plugins.metrics._series import finite

SELF = "the model is then the reference, or was given its data, and the comparison says nothing"
THIRD = 3
ROUNDING = 1e-10
"""Differences below this share of the largest value are rounding: no model is that close to another."""
SINGLE_ROUNDING = 1e-7
"""The same for what single precision computes, whose last digit may depend on the batch."""


def differing(ours: np.ndarray, theirs: np.ndarray, what: str, rounding: float = ROUNDING) -> None:
    """Raise NotMeasurable where the model's values are the reference's own to rounding, on every frame."""
    if ours.shape == theirs.shape and np.abs(ours - theirs).max() <= rounding * np.abs(theirs).max():
        raise NotMeasurable(f"the model's {what} equal the reference's to the last digit on every frame: {SELF}")


def comparable(run: xr.Dataset, reference: xr.Dataset) -> None:
    """Raise NotMeasurable where two runs are not of the same atoms, or are one and the same trajectory."""
    if not np.array_equal(finite(run, "atomic_number"), finite(reference, "atomic_number")):
        raise NotMeasurable("the reference's run has other atoms")
    if run.sizes["frame"] > 1:
        differing(finite(run, "position"), finite(reference, "position"), "positions")


def late_to_early(sizes: np.ndarray) -> dict[str, float]:
    """Root mean square over the last third of the frames divided by that over their first; empty where too few."""
    count = len(sizes) // THIRD
    early, late = (float(np.sqrt((part**2).mean())) if count else 0.0 for part in (sizes[:count], sizes[-count:]))
    if count == 0 or early <= ROUNDING * float(np.abs(sizes).max()):
        return {}
    return {"late_to_early": late / early}


Distances = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Two samples, (frames, variables) each -> (variables,) distances between their distributions."""


def against_replicas(
    ours: np.ndarray, own: np.ndarray, others: Sequence[np.ndarray], distances: Distances
) -> dict[str, float]:
    """The yardstick: how far a model's run is from the reference's other replicas, next to how far its own run is.

        relative  mean D(model r, reference ≠ r) / mean D(reference r, reference ≠ r)
        excess    mean D(model r, reference ≠ r) - mean D(reference r, reference ≠ r)

    with `reference ≠ r` the pooled samples of the reference's replicas of every other seed, and the mean over
    variables. Both distances are between independent trajectories and carry the same sampling noise, so that a model
    that samples what the reference samples gives 1 and 0, however short the runs are. The distance of the pair of equal
    seed would be no fair numerator: those trajectories start together and stay alike for a while.

    Args:
        ours, own: (frames, variables) of the model's run, and of the reference's run of equal seed.
        others: the same of the reference's other replicas; nothing is measured where there is none.
    """
    if not others:
        return {}
    pool = np.concatenate(list(others))
    model, noise = (float(np.mean(distances(sample, pool))) for sample in (ours, own))
    return {"excess": model - noise} | ({"relative": model / noise} if noise > 0 else {})
