"""The matrix of a self-test: faults down, criteria across, the outcome as colour; `must` criteria first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch

from mdprotocol.protocol.schema import Protocol
from mdprotocol.report.figures.style import INK, OUTCOME_COLOURS, SOFT, VERMILLION, panels, png, short, styled
from mdprotocol.verdicts import Level, Outcome

if TYPE_CHECKING:
    from mdprotocol.assess.selftest import Power

ORDER = (Outcome.PASS, Outcome.INCONCLUSIVE, Outcome.NOT_MEASURED, Outcome.FAIL)
PALE = 0.45
"""Opacity of criteria below `must`."""


def matrix_figure(protocol: Protocol, power: Power) -> bytes:
    """The picture as PNG: the first row is the model without a fault."""
    names = sorted(power.baseline.outcomes, key=lambda name: protocol.criteria[name].level is not Level.MUST)
    rows = [power.baseline.outcomes, *(seen.outcomes for seen in power.faults)]
    labels = ["without a fault", *(seen.fault.name for seen in power.faults)]
    marks = [INK, *(INK if seen.as_expected else SOFT if seen.caught else VERMILLION for seen in power.faults)]
    codes = np.array([[ORDER.index(row[name]) for name in names] for row in rows])
    must = sum(protocol.criteria[name].level is Level.MUST for name in names)
    with styled():
        canvas, axes = panels(1, 1, width=2.6 + 0.24 * len(names), height=2.4 + 0.2 * len(rows))
        _draw(axes[0, 0], codes, names, labels, marks, must)
        axes[0, 0].set_title(
            f"{power.model}: {power.as_expected} of {len(power.faults)} faults caught as they should be"
        )
        return png(canvas)


def _draw(axes: Any, codes: np.ndarray, names: list[str], labels: list[str], marks: list[str], must: int) -> None:
    colours = ListedColormap([OUTCOME_COLOURS[str(outcome)] for outcome in ORDER])
    alpha = np.ones(codes.shape)
    alpha[:, must:] = PALE
    axes.imshow(codes, cmap=colours, vmin=0, vmax=len(ORDER) - 1, alpha=alpha, aspect="auto", interpolation="nearest")
    axes.set_xticks(range(len(names)), [short(name) for name in names], rotation=90)
    axes.set_yticks(range(len(labels)), labels)
    for label, colour in zip(axes.get_yticklabels(), marks, strict=True):
        label.set_color(colour)
    axes.set_xticks(np.arange(len(names)) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(labels)) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=0.8)
    axes.tick_params(which="both", length=0)
    axes.axvline(must - 0.5, color=INK, linewidth=1.2)
    axes.axhline(0.5, color=INK, linewidth=1.2)
    patches = [Patch(color=OUTCOME_COLOURS[str(outcome)], label=str(outcome)) for outcome in ORDER]
    axes.legend(handles=patches, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axes.text(1.02, 0.0, "left of the line: must", color=SOFT, transform=axes.transAxes, fontsize=8)
