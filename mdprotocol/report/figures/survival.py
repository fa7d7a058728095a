"""Survival of runs: the Kaplan-Meier curve over replicas, a panel a simulation, with the cause of each failure."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.lines import Line2D
from scipy import stats

from mdprotocol.contracts import Report, RunRow
from mdprotocol.report.figures import style
from mdprotocol.report.figures.series import NothingToDraw
from mdprotocol.report.side_by_side import cause

CONFIDENCE = 0.95
MOST_PANELS = 6
MARKS = "Xsv^dP*"
COLOURS = (style.BLUE, style.ORANGE, style.GREEN, style.VERMILLION, style.GREY)


def survival(report: Report) -> bytes:
    """Share of the runs that are still going, of each model (or temperature, where there is one model)."""
    timed = [row for row in report.runs if row.outcome in ("completed", "failed") and math.isfinite(row.time_ps)]
    broken = list(dict.fromkeys(row.simulation for row in timed if row.outcome == "failed"))[:MOST_PANELS]
    if not broken:
        raise NothingToDraw("no run ended early")
    causes = list(dict.fromkeys(cause(row) for row in timed if row.outcome == "failed"))
    columns = min(len(broken), 3)
    canvas, axes = style.panels(-(-len(broken) // columns), columns, width=3.4, height=2.7)
    for one, simulation in zip(axes.flat, broken, strict=False):
        _panel(one, [row for row in timed if row.simulation == simulation], len(report.verdicts) > 1, causes)
        one.set_title(style.short(simulation))
    for one in axes.flat[len(broken) :]:
        one.set_axis_off()
    marks = [
        Line2D(
            [], [], color=style.INK, marker=MARKS[k % len(MARKS)], linestyle="", markersize=5, label=style.short(name)
        )
        for k, name in enumerate(causes)
    ]
    canvas.legend(handles=marks, loc="outside upper left", ncols=min(len(marks), 4))
    return style.png(canvas)


def kaplan_meier(rows: Sequence[RunRow]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Times (ps) from 0 on, and from each on the surviving share with its 95 % interval.

    Kaplan and Meier (1958), J. Am. Stat. Assoc. 53, 457: runs that reached their end are censored there. The interval is
    Greenwood's on the scale log(-log S) (Kalbfleisch and Prentice, 1980), which stays inside 0 to 1; it is NaN where the
    share is 0 or 1, because the data then show no scatter.
    """
    failed = [row.time_ps for row in rows if row.outcome == "failed"]
    ended = [row.time_ps for row in rows if row.outcome == "completed"]
    curve = stats.ecdf(stats.CensoredData(uncensored=failed, right=ended)).sf
    with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The confidence interval is undefined", category=RuntimeWarning)
        band = curve.confidence_interval(CONFIDENCE, method="log-log")
    time = np.concatenate([[0.0], curve.quantiles])
    low, high = (np.concatenate([[np.nan], edge.probabilities]) for edge in (band.low, band.high))
    return time, np.concatenate([[1.0], curve.probabilities]), low, high


def _panel(axes: Any, rows: Sequence[RunRow], several: bool, causes: Sequence[str]) -> None:
    groups: dict[str, list[RunRow]] = {}
    for row in rows:
        groups.setdefault(row.model if several else f"{row.temperature_K:g} K", []).append(row)
    heat = style.temperature_colours([row.temperature_K for row in rows])
    for k, (name, group) in enumerate(groups.items()):
        colour = COLOURS[k % len(COLOURS)] if several else heat[group[0].temperature_K]
        failed = [row for row in group if row.outcome == "failed"]
        label = style.short(f"{name}: {len(failed)} of {len(group)} failed", 30)
        _curve(axes, group, failed, colour, label, causes)
    axes.set_ylim(-0.03, 1.05)
    axes.set_xlim(left=0)
    axes.set_xlabel("time (ps)")
    axes.set_ylabel("share of runs alive")
    axes.legend(loc="lower left", fontsize=7)


def _curve(
    axes: Any, rows: Sequence[RunRow], failed: Sequence[RunRow], colour: str, label: str, causes: Sequence[str]
) -> None:
    time, share, low, high = kaplan_meier(rows)
    axes.step(time, share, where="post", color=colour, linewidth=1.6, label=label)
    axes.fill_between(time, low, high, step="post", color=colour, alpha=0.12, linewidth=0)
    for row in failed:
        at = share[np.searchsorted(time, row.time_ps)]
        mark = MARKS[causes.index(cause(row)) % len(MARKS)]
        axes.plot(row.time_ps, at, mark, color=colour, markersize=7, markeredgecolor="white", markeredgewidth=0.6)
