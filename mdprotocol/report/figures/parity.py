"""Forces of the model against those of the reference, component by component, one panel a system."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mdprotocol.report.figures import style
from mdprotocol.report.figures.series import Material, NothingToDraw, Series, grouped

MOST_COLUMNS = 4


def parity(material: Material) -> bytes:
    """Density of force components of the simulation that decides most, all its temperatures and replicas together."""
    usable = [s for s in material.all if len(s.sample_time)]
    if not usable:
        raise NothingToDraw("no frame was given to the reference")
    first = min((s.row.simulation for s in usable), key=material.simulations.index)
    groups = grouped([s for s in usable if s.row.simulation == first], "system")
    columns = min(len(groups), MOST_COLUMNS)
    canvas, axes = style.panels(-(-len(groups) // columns), columns, height=3.0)
    for one, ((system,), found) in zip(axes.flat, groups.items(), strict=False):
        _panel(one, found)
        one.set_title(style.short(f"{system}, {first}"))
    for spare in axes.flat[len(groups) :]:
        spare.set_axis_off()
    for one in axes[:, 0]:
        one.set_ylabel("model force (eV/Å)")
    for one in axes[-1]:
        one.set_xlabel("reference force (eV/Å)")
    return style.png(canvas)


def agreement(reference: np.ndarray, model: np.ndarray) -> tuple[float, float]:
    """RMSE, and the coefficient of determination R² = 1 − Σ(m−r)²/Σ(r−⟨r⟩)² (NaN for a constant reference)."""
    residual, spread = np.sum((model - reference) ** 2), np.sum((reference - reference.mean()) ** 2)
    return float(np.sqrt(residual / reference.size)), float(1 - residual / spread) if spread > 0 else float("nan")


def _panel(axes: Any, found: Sequence[Series]) -> None:
    reference = np.concatenate([s.reference.ravel() for s in found])
    model = np.concatenate([s.force.ravel() for s in found])
    finite = np.isfinite(reference) & np.isfinite(model)
    reference, model = reference[finite], model[finite]
    if not reference.size:
        return style.note(axes, "no finite force")
    reach = 1.05 * float(max(np.abs(reference).max(), np.abs(model).max(), 1e-6))
    box = (-reach, reach, -reach, reach)
    axes.hexbin(reference, model, gridsize=60, bins="log", cmap="viridis_r", mincnt=1, linewidths=0, extent=box)
    axes.plot([-reach, reach], [-reach, reach], color=style.INK, linewidth=0.7)
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    axes.set_aspect("equal")
    rmse, r2 = agreement(reference, model)
    text = f"RMSE {rmse:.2g} eV/Å\nR² {r2:.6f}\n{reference.size:,} components"
    axes.text(0.04, 0.96, text, transform=axes.transAxes, va="top", fontsize=8)
    return None
