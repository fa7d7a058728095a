"""1-Wasserstein distances between samples, on the line and on the circle, one for each variable."""

from __future__ import annotations

import numpy as np

TURN = 360.0


def on_line(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """(variables,) W = ∫ |F(x) - G(x)| dx of samples (frames, variables): Villani (2009), Optimal Transport, chapter 6."""
    from scipy.stats import wasserstein_distance  # half a second, which commands that measure nothing need not wait for

    return np.array([wasserstein_distance(a, b) for a, b in zip(ours.T, theirs.T, strict=True)])


def on_circle(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """(variables,) the same for angles in degrees, on the circle: at most 180."""
    return np.array([circular(a, b) for a, b in zip(ours.T, theirs.T, strict=True)])


def circular(first: np.ndarray, second: np.ndarray) -> float:
    """W = min over c of ∫ |F(x) - G(x) - c| dx around the circle, in degrees.

    The best c is the median of F - G over the circle: Rabin, Delon and Gousseau (2011), J. Math. Imaging Vis. 41, 147;
    Werman, Peleg and Rosenfeld (1985), Comput. Vis. Graph. Image Process. 32, 328. F - G is constant between samples,
    so that the median weighted by those lengths is exact.
    """
    points = np.concatenate([first, second]) % TURN
    steps = np.concatenate([np.full(len(first), 1 / len(first)), np.full(len(second), -1 / len(second))])
    order = np.argsort(points, kind="stable")
    points, difference = points[order], np.cumsum(steps[order])
    lengths = np.diff(points, append=points[0] + TURN)
    ranked = np.argsort(difference, kind="stable")
    half = np.searchsorted(np.cumsum(lengths[ranked]), TURN / 2)
    median = difference[ranked][min(int(half), len(ranked) - 1)]
    return float(lengths @ np.abs(difference - median))
