"""Energy, temperature and force error against time: a row of panels a simulation, a column a system."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.lines import Line2D

from mdprotocol.contracts import Role
from mdprotocol.report import numbers
from mdprotocol.report.figures import style
from mdprotocol.report.figures.series import (
    Material,
    NothingToDraw,
    Series,
    finite,
    grouped,
    running_mean,
    systems,
    thin,
)

MEAN_OVER_PS = 0.5
"""Width of the running mean of the temperature: a small molecule's temperature swings within a femtosecond."""

ENERGY_WINDOWS = 25
"""The energy's running mean is over a run's length divided by this: the drift is seen through the fluctuation."""
REACH = 8.0
"""A bound is drawn into a panel where it lies within this multiple of the data; else it would flatten them."""

Panel = Callable[[Any, Sequence[Series], dict[float, Any]], None]
"""Draws the runs of one simulation and system."""


def energy(material: Material) -> bytes:
    """Conserved energy minus its start; the run that strays furthest is thick, the drift that is allowed dotted."""
    usable = [s for s in material.all if np.isfinite(s.energy).sum() > 1]

    def panel(axes: Any, found: Sequence[Series], colours: dict[float, Any]) -> None:
        _energy_panel(axes, found, colours)
        _drift_bound(axes, found, material.bound(Role.ENERGY_DRIFT, found[0].row.simulation))

    return _grid(material, usable, panel, "energy − start (meV/atom)", "no run recorded an energy")


def temperature(material: Material) -> bytes:
    """Kinetic temperature; the target is dashed."""
    usable = [s for s in material.all if np.isfinite(s.temperature).sum() > 1]
    return _grid(material, usable, _temperature_panel, "temperature (K)", "no run recorded a temperature")


def force_error(material: Material) -> bytes:
    """Force RMSE against the reference at each labelled frame; the bound is dotted."""
    usable = [s for s in material.all if len(s.sample_time)]

    def panel(axes: Any, found: Sequence[Series], colours: dict[float, Any]) -> None:
        _force_panel(axes, found, colours)
        _rmse_bound(axes, material.bound(Role.FORCE_RMSE, found[0].row.simulation))

    return _grid(material, usable, panel, "force RMSE (eV/Å)", "no frame was given to the reference")


def _grid(material: Material, usable: list[Series], draw: Panel, label: str, empty: str) -> bytes:
    if not usable:
        raise NothingToDraw(empty)
    rows = [name for name in material.simulations if any(s.row.simulation == name for s in usable)]
    columns = systems(usable)
    colours = style.temperature_colours([s.row.temperature_K for s in usable])
    conditions = grouped(usable, "simulation", "system")
    canvas, axes = style.panels(len(rows), len(columns))
    for i, simulation in enumerate(rows):
        for j, system in enumerate(columns):
            if (simulation, system) in conditions:
                draw(axes[i, j], conditions[simulation, system], colours)
                axes[i, j].set_title(style.short(f"{system}, {simulation}"))
                axes[i, j].margins(x=0.01)
            else:
                axes[i, j].set_axis_off()
    _label_edges(axes, label)
    _legend(canvas, colours, any(s.failed for s in usable))
    return style.png(canvas)


def _label_edges(axes: np.ndarray, label: str) -> None:
    """Name the axes once: on the first panel of each row and the last of each column."""
    for row in axes:
        next(one for one in row if one.axison).set_ylabel(label)
    for column in axes.T:
        next(one for one in column[::-1] if one.axison).set_xlabel("time (ps)")


def _legend(canvas: Any, colours: dict[float, Any], failed: bool) -> None:
    handles = [Line2D([], [], color=colour, label=f"{t:g} K") for t, colour in colours.items()]
    if failed:
        handles.append(Line2D([], [], color=style.INK, marker="x", linestyle="", label="run failed here"))
    canvas.legend(handles=handles, loc="outside upper right", ncols=min(len(handles), 8))


def _drift_bound(axes: Any, found: Sequence[Series], bound: float | None) -> None:
    """Lines of the steepest slope that the criterion on the drift allows, or a word on it where they do not fit."""
    if bound is None:
        return
    end = max(float(series.time[-1]) for series in found)
    low, high = axes.get_ylim()
    if bound * end > REACH * max(-low, high):
        _word(axes, f"allowed: {numbers.plain(bound, 'meV/atom/ps')}")
        return
    for slope in (bound, -bound):
        axes.plot([0, end], [0, slope * end], color=style.INK, linestyle=":", linewidth=1)


def _rmse_bound(axes: Any, bound: float | None) -> None:
    if bound is None:
        return
    top = axes.get_ylim()[1]
    if bound > REACH * top:
        _word(axes, f"allowed: {numbers.plain(bound, 'eV/Å')}")
        return
    axes.axhline(bound, color=style.INK, linestyle=":", linewidth=1)
    axes.set_ylim(0, max(top, 1.08 * bound))


def _word(axes: Any, text: str) -> None:
    axes.text(0.99, 1.0, text, transform=axes.transAxes, ha="right", va="top", fontsize=7, color=style.SOFT)


def _energy_panel(axes: Any, found: Sequence[Series], colours: dict[float, Any]) -> None:
    lines = []
    for series in found:
        time, energy = finite(series.time, series.energy)
        smooth = running_mean(energy, len(energy) // ENERGY_WINDOWS)
        lines.append((series, time, energy - smooth[0], smooth - smooth[0]))
    worst = max(lines, key=lambda line: float(np.ptp(line[3])))[0]
    for series, time, energy, smooth in sorted(lines, key=lambda line: line[0] is worst):
        colour = colours[series.row.temperature_K]
        axes.plot(*thin(time, energy), color=colour, linewidth=0.5, alpha=0.15)
        axes.plot(*thin(time, smooth), color=colour, linewidth=2.2 if series is worst else 0.9)
        _mark_failure(axes, series, time, smooth)
    axes.axhline(0, color=style.SOFT, linewidth=0.6, zorder=0)


def _temperature_panel(axes: Any, found: Sequence[Series], colours: dict[float, Any]) -> None:
    for series in found:
        colour = colours[series.row.temperature_K]
        time, kelvin = finite(series.time, series.temperature)
        spacing = float(np.median(np.diff(time)))
        width = round(MEAN_OVER_PS / spacing) if spacing > 0 else 1
        smooth = running_mean(kelvin, min(width, len(time) // 5))
        axes.plot(*thin(time, smooth), color=colour, linewidth=0.9, alpha=0.7)
        axes.axhline(series.row.temperature_K, color=colour, linestyle="--", linewidth=0.8, alpha=0.8)
        _mark_failure(axes, series, time, smooth)
    axes.set_ylim(bottom=0)


def _force_panel(axes: Any, found: Sequence[Series], colours: dict[float, Any]) -> None:
    for series in found:
        y = series.force_rmse
        x, y = thin(series.sample_time, y)
        colour = colours[series.row.temperature_K]
        axes.plot(x, y, color=colour, linewidth=0.6, alpha=0.35, marker="." if len(x) == 1 else "")
    for (kelvin,), group in grouped(found, "temperature_K").items():
        longest = max(group, key=lambda s: len(s.sample_time)).sample_time
        mean = _pooled([series.force_rmse for series in group], len(longest))
        axes.plot(*thin(longest, mean), color=colours[kelvin], linewidth=1.8)
    axes.set_ylim(bottom=0)


def _pooled(found: Sequence[np.ndarray], length: int) -> np.ndarray:
    """Root mean square over the replicas that reach each sample; NaN where none does."""
    table = np.full((len(found), length), np.nan)
    for row, values in zip(table, found, strict=True):
        row[: len(values)] = values
    known = np.isfinite(table)
    total = np.where(known, table**2, 0.0).sum(axis=0)
    return np.sqrt(np.divide(total, known.sum(axis=0), out=np.full(length, np.nan), where=known.any(axis=0)))


def _mark_failure(axes: Any, series: Series, x: np.ndarray, y: np.ndarray) -> None:
    if series.failed:
        axes.plot(x[-1:], y[-1:], marker="x", color=style.INK, markersize=6, linestyle="")
