"""All criteria at a glance: how much of its bound each uses, with its confidence interval, coloured by outcome."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from mdprotocol.report import numbers
from mdprotocol.report.figures import style
from mdprotocol.report.figures.series import Material, NothingToDraw
from mdprotocol.report.tables import by_level, value_of
from mdprotocol.verdicts import CriterionResult, Measurement, Outcome

LOW, HIGH = 0.003, 30.0
"""Ends of the axis; what lies beyond is drawn at the end, as an arrow."""


def overview(material: Material) -> bytes:
    """A row a criterion: the worst condition with its interval, the other conditions as faint dots, the bound at 1."""
    criteria = by_level(material.verdict)
    if not criteria:
        raise NothingToDraw("there are no criteria")
    canvas, axes = style.panels(1, 1, width=8.6, height=0.9 + 0.3 * len(criteria))
    one = axes[0, 0]
    for row, criterion in enumerate(criteria):
        _row(one, row, criterion)
    _frame(one, criteria)
    handles = [
        Line2D([], [], color=style.OUTCOME_COLOURS[o], marker=style.OUTCOME_MARKERS[o], linestyle="", label=str(o))
        for o in Outcome
        if any(c.outcome is o for c in criteria)
    ]
    canvas.legend(handles=handles, loc="outside upper left", ncols=4)
    return style.png(canvas)


def _row(axes: Any, row: int, criterion: CriterionResult) -> None:
    colour, marker = style.OUTCOME_COLOURS[criterion.outcome], style.OUTCOME_MARKERS[criterion.outcome]
    for condition in criterion.conditions[1:]:
        use = _use(condition.measurement.value, criterion)
        if math.isfinite(use) and LOW < use < HIGH:
            axes.plot(use, row, ".", color=style.OUTCOME_COLOURS[condition.outcome], alpha=0.35, markersize=5, zorder=2)
    worst = criterion.worst
    if worst is None or criterion.outcome is Outcome.NOT_MEASURED or math.isnan(worst.measurement.value):
        axes.plot(LOW, row, marker, color=colour, markersize=7, clip_on=False)
        axes.text(LOW * 1.25, row, "not measured", va="center", color=style.SOFT, fontsize=8)
    else:
        _interval(axes, row, criterion, worst.measurement, colour)
        axes.plot(_clip(_use(worst.measurement.value, criterion)), row, marker, color=colour, markersize=7,
                  clip_on=False, zorder=4)  # fmt: skip
    axes.text(1.03, row, _told(criterion), va="center", fontsize=8, transform=axes.get_yaxis_transform())


def _interval(axes: Any, row: int, criterion: CriterionResult, found: Measurement, colour: str) -> None:
    """The interval as a bar of uses; both of its ends and the value bound it, whatever the direction of the bound."""
    ends = [_use(end, criterion) for end in (found.low, found.high, found.value) if not math.isnan(end)]
    axes.plot([_clip(min(ends)), _clip(max(ends))], [row, row], color=colour, linewidth=2, alpha=0.7, clip_on=False)


def _use(value: float, criterion: CriterionResult) -> float:
    return numbers.bound_use(value, criterion.minimum, criterion.maximum)


def _clip(use: float) -> float:
    return min(max(use, LOW), HIGH)


def _told(criterion: CriterionResult) -> str:
    allowed = numbers.bound(criterion.minimum, criterion.maximum, criterion.units)
    worst = criterion.worst
    if worst is None or math.isnan(worst.measurement.value):
        return f"{numbers.MISSING}  ({allowed})"
    return f"{value_of(worst.measurement)}  ({allowed})"


def _frame(axes: Any, criteria: list[CriterionResult]) -> None:
    axes.set_xscale("log")
    axes.set_xlim(LOW, HIGH)
    axes.set_ylim(len(criteria) - 0.4, -0.6)
    axes.axvspan(1, HIGH, color=style.VERMILLION, alpha=0.07, linewidth=0)
    axes.axvline(1, color=style.INK, linewidth=1)
    axes.xaxis.set_major_locator(FixedLocator([LOW, 0.01, 0.1, 1, 10, HIGH]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(_tick))
    axes.set_xlabel("share of the bound that is used (worst condition, confidence interval; faint: other conditions)")
    names = [style.short(f"{c.name} ({c.level})", 44) for c in criteria]
    axes.set_yticks(range(len(criteria)), names)
    for label, criterion in zip(axes.get_yticklabels(), criteria, strict=True):
        label.set_color(style.INK)
        label.set_fontweight("bold" if criterion.level == "must" else "normal")
    axes.tick_params(axis="y", length=0, pad=8)
    axes.grid(axis="y", color="#ebebeb", linewidth=0.8)
    axes.set_axisbelow(True)


def _tick(value: float, _: int) -> str:
    ends = {LOW: "0", HIGH: "more"}
    return ends.get(value, "bound" if value == 1 else f"{100 * value:g} %")
