"""How all figures look: one style, colours that colour-blind readers tell apart, the same bytes every day."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

INK, SOFT = "#222222", "#6b6b6b"
BLUE, ORANGE, GREEN, VERMILLION, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#8C8C8C"
"""Okabe and Ito's palette (https://jfly.uni-koeln.de/color/)."""

OUTCOME_COLOURS = {"PASS": GREEN, "FAIL": VERMILLION, "INCONCLUSIVE": ORANGE, "NOT MEASURED": GREY}
OUTCOME_MARKERS = {"PASS": "o", "FAIL": "X", "INCONCLUSIVE": "D", "NOT MEASURED": "s"}
DECISION_COLOURS = {"APPROVED": GREEN, "REJECTED": VERMILLION, "UNDECIDED": ORANGE}

DPI = 130
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.edgecolor": SOFT,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.useoffset": False,
    "axes.unicode_minus": True,
    "text.color": INK,
    "text.parse_math": False,
    "axes.labelcolor": INK,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "path.simplify": True,
}


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """matplotlib's defaults plus our style, whatever the user's own settings; put back afterwards."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def panels(rows: int, columns: int, width: float = 3.1, height: float = 2.4) -> tuple[Canvas, np.ndarray]:
    """A canvas with rows × columns axes of the given size in inches; axes as a (rows, columns) array."""
    canvas = Canvas(figsize=(max(width * columns, 4.5), height * rows), dpi=DPI, layout="constrained")
    FigureCanvasAgg(canvas)
    return canvas, canvas.subplots(rows, columns, squeeze=False)


def png(canvas: Canvas) -> bytes:
    """The picture; no metadata, so that equal data give equal bytes."""
    # The layout is settled once here; left on, every save would settle it twice.
    engine = canvas.get_layout_engine()
    if engine is not None:
        engine.execute(canvas)
        canvas.set_layout_engine("none")
    data = io.BytesIO()
    # Not by `savefig`, which draws once to ask for the layout and once more to save.
    FigureCanvasAgg(canvas).print_png(data, metadata={"Software": None})
    return data.getvalue()


def temperature_colours(temperatures: Sequence[float]) -> dict[float, Any]:
    """Cold to hot: blue to vermillion for up to four, a perceptually uniform map beyond."""
    known = sorted(set(temperatures))
    few = {1: [BLUE], 2: [BLUE, VERMILLION], 3: [BLUE, GREEN, VERMILLION], 4: [BLUE, GREEN, ORANGE, VERMILLION]}
    if len(known) in few:
        return dict(zip(known, few[len(known)], strict=True))
    return dict(zip(known, matplotlib.colormaps["cividis"](np.linspace(0.0, 0.9, len(known))), strict=True))


def plain_log(axis: Any, ticks: Sequence[float] = ()) -> None:
    """Label a logarithmic axis with plain numbers, at `ticks` where given."""
    axis.set_major_locator(FixedLocator(list(ticks)) if ticks else LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def short(text: str, most: int = 34) -> str:
    """A label that fits, on one line, in characters that the font can draw."""
    clean = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return clean if len(clean) <= most else clean[: most - 1] + "…"


def note(axes: Any, text: str) -> None:
    """An empty panel that says why it is empty."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", color=SOFT, transform=axes.transAxes, wrap=True)
