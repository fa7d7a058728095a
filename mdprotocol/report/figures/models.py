"""Figures about models rather than runs: time a step by batch size, and accuracy against speed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from mdprotocol.contracts import Report, Role
from mdprotocol.report import side_by_side, summary
from mdprotocol.report.figures import style
from mdprotocol.report.figures.series import NothingToDraw
from mdprotocol.verdicts import Measurement

MARKERS = "osD^vPX*"


def speeds_differ(report: Report) -> bool:
    """Whether there is more to show than one number a system: several models, or several batch sizes."""
    return len(report.verdicts) > 1 or len(_sizes(report)) > 1


def speed(report: Report) -> bytes:
    """Median time of one evaluation; per molecule against batch size where several were timed, else bars."""
    role = Role.BATCH_TIME if len(_sizes(report)) > 1 else Role.STEP_TIME
    found = {v.model: summary.of_role(report, role, v.model) for v in report.verdicts}
    if not any(found.values()):
        raise NothingToDraw("inference time was not measured")
    canvas, axes = style.panels(1, 1, width=5.2, height=3.0)
    (_against_batch if len(_sizes(report)) > 1 else _bars)(axes[0, 0], found)
    return style.png(canvas)


def trade_off(report: Report) -> bytes:
    """Worst force RMSE against time a step, one point a model."""
    points = [(v, _worst_rmse(report, v.model), _slowest(report, v.model)) for v in report.verdicts]
    known = [(v, rmse, ms) for v, rmse, ms in points if math.isfinite(rmse) and math.isfinite(ms)]
    if len(known) < 2:
        raise NothingToDraw("it needs two models with a force error and a time")
    canvas, axes = style.panels(1, 1, width=5.2, height=3.2)
    one = axes[0, 0]
    for (verdict, rmse, ms), marker in zip(known, MARKERS * len(known), strict=False):
        colour = style.DECISION_COLOURS[verdict.decision]
        label = style.short(f"{verdict.model}: {verdict.decision}")
        one.plot(ms, rmse, marker, color=colour, markersize=9, label=label)
    one.set_xscale("log")
    one.margins(0.15)
    style.plain_log(one.xaxis)
    one.set_ylim(bottom=0)
    one.set_xlabel("time a step, one molecule (ms)")
    one.set_ylabel("force RMSE, worst condition (eV/Å)")
    one.legend()
    return style.png(canvas)


def _against_batch(axes: Any, found: dict[str, list[Measurement]]) -> None:
    colours = [style.BLUE, style.VERMILLION, style.GREEN, style.ORANGE, style.GREY]
    for i, (model, measured) in enumerate(found.items()):
        for j, system in enumerate(_systems(measured)):
            colour = colours[(i if len(found) > 1 else j) % len(colours)]
            here = [m for m in measured if m.where.get("system", "") == system]
            line = sorted((_batch(m), m.value / _batch(m)) for m in here)
            axes.plot(*zip(*line, strict=True), color=colour, marker=MARKERS[j % len(MARKERS)],
                      markersize=4, linewidth=1.2, label=style.short(f"{model}, {system}"))  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    style.plain_log(axes.xaxis, sorted({_batch(m) for measured in found.values() for m in measured}))
    style.plain_log(axes.yaxis)
    axes.set_xlabel("copies in the batch")
    axes.set_ylabel("time a step and copy (ms)")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))  # beside the lines, which are everywhere


def _systems(measured: Sequence[Measurement]) -> list[str]:
    return list(dict.fromkeys(str(m.where.get("system", "")) for m in measured))


def _bars(axes: Any, found: dict[str, list[Measurement]]) -> None:
    systems = _systems([m for measured in found.values() for m in measured])
    colours = [style.BLUE, style.ORANGE, style.GREEN, style.VERMILLION, style.GREY]
    width = 0.8 / max(len(systems), 1)
    for j, system in enumerate(systems):
        here = [[m for m in measured if str(m.where.get("system", "")) == system] for measured in found.values()]
        places = [i + (j - (len(systems) - 1) / 2) * width for i, ms in enumerate(here) if ms]
        axes.bar(
            places, [ms[0].value for ms in here if ms], width * 0.9, color=colours[j % 5], label=style.short(system)
        )
    axes.set_xticks(range(len(found)), [style.short(model, 18) for model in found])
    axes.set_ylabel("time a step (ms)")
    axes.legend()


def _sizes(report: Report) -> list[float]:
    """Batch sizes that were timed, rising."""
    timed = [m for v in report.verdicts for m in summary.of_role(report, Role.BATCH_TIME, v.model)]
    return sorted({_batch(m) for m in timed})


def _batch(found: Measurement) -> float:
    return float(found.where.get("batch_size", 1))


def _worst_rmse(report: Report, model: str) -> float:
    found = summary.of_role(report, Role.FORCE_RMSE, model, summary.CONDITION)
    return max((m.value for m in found), default=math.nan)


def _slowest(report: Report, model: str) -> float:
    return max((m.value for m in side_by_side.step_times(report, model)), default=math.nan)
