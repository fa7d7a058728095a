"""The bench as a picture: time of a copy's step by batch size against plain ASE, and the speed-up with its spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mdprotocol.bench.samples import ENGINE, PLAIN_ASE
from mdprotocol.report.figures import style

Row = Mapping[str, Any]
COLOURS = (style.BLUE, style.VERMILLION, style.GREEN, style.ORANGE, style.GREY)


def draw(rows: Sequence[Row]) -> bytes:
    """The PNG; one row of panels a system."""
    systems = list(dict.fromkeys(row["system"] for row in rows))
    models = list(dict.fromkeys(row["model"] for row in rows))
    colours = {model: COLOURS[n % len(COLOURS)] for n, model in enumerate(models)}
    with style.styled():
        canvas, axes = style.panels(max(len(systems), 1), 2, width=3.9, height=2.5)
        if not rows:
            for one in axes.flat:
                style.note(one, "no model could be timed")
        for (left, right), system in zip(axes, systems, strict=False):
            own = [row for row in rows if row["system"] == system]
            _times(left, own, colours, system)
            _speedups(right, own, colours)
        return style.png(canvas)


def _times(axes: Any, rows: Sequence[Row], colours: Mapping[str, str], system: str) -> None:
    for model, colour in colours.items():
        line = [(r["copies"], r["us_a_copy_step"]) for r in rows if (r["model"], r["loop"]) == (model, ENGINE)]
        plain = [r["us_a_copy_step"] for r in rows if (r["model"], r["loop"]) == (model, PLAIN_ASE)]
        if line:
            axes.plot(
                *zip(*line, strict=True), "o-", color=colour, markersize=4, linewidth=1.2, label=style.short(model)
            )
        for value in plain:
            axes.axhline(value, color=colour, linestyle="--", linewidth=1)
    axes.set(xscale="log", yscale="log", xlabel="copies in the batch", ylabel="µs a copy and step")
    style.plain_log(axes.xaxis, sorted({r["copies"] for r in rows}))
    style.plain_log(axes.yaxis)
    axes.set_title(f"{style.short(system, 20)} (dashed: plain ASE)")
    axes.legend()


def _speedups(axes: Any, rows: Sequence[Row], colours: Mapping[str, str]) -> None:
    shown = [r for r in rows if r["loop"] == ENGINE and r["speedup_over_plain_ase"] is not None]
    for place, row in enumerate(shown):
        value = row["speedup_over_plain_ase"]
        below, above = value - row["speedup_over_plain_ase_low"], row["speedup_over_plain_ase_high"] - value
        axes.barh(place, value, 0.7, color=colours[row["model"]])
        axes.errorbar(value, place, xerr=[[max(below, 0)], [max(above, 0)]], color=style.INK, linewidth=1, capsize=2)
    axes.set_yticks(range(len(shown)), [f"{style.short(r['model'], 14)} × {r['copies']}" for r in shown])
    axes.invert_yaxis()
    axes.set_xlabel("times as fast as plain ASE")
