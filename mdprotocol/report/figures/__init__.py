"""All figures of a report, as PNG. A figure without data is left out with the reason; it never stops a report."""

from __future__ import annotations

from mdprotocol.report.figures import plain_matplotlib  # isort: skip  # noqa: F401 - before any other imports matplotlib

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from mdprotocol.contracts import Figure, Report
from mdprotocol.report import escape
from mdprotocol.report.figures import models, overview, parity, structures, style, survival, timelines
from mdprotocol.report.figures.series import Material, NothingToDraw
from mdprotocol.report.pictures import Picture


@dataclass(frozen=True)
class _Drawing:
    name: Picture
    title: str
    caption: str
    draw: Callable[[Material], bytes]


OF_A_MODEL = (
    _Drawing(
        Picture.CRITERIA,
        "Criteria at a glance",
        "How much of its bound each criterion uses: left of the line is inside. The marker is the worst condition, the bar "
        "its confidence interval, faint dots are the other conditions.",
        overview.overview,
    ),
    _Drawing(
        Picture.ENERGY,
        "Energy conservation",
        "Conserved energy minus its start; every replica is a line (running mean over a 25th of the run; faint: every "
        "frame), the one that moves most is thick. Dotted: the drift that is allowed, where it fits into the panel.",
        timelines.energy,
    ),
    _Drawing(
        Picture.TEMPERATURE,
        "Temperature",
        "Kinetic temperature, running mean over up to 0.5 ps; dashed: the target. At constant energy the replicas of a "
        "small molecule differ.",
        timelines.temperature,
    ),
    _Drawing(
        Picture.FORCE_ERROR,
        "Force error along the trajectories",
        "Root mean square difference to the reference's forces at the same positions; thin: replicas, thick: all of a "
        "temperature together. Dotted: the bound.",
        timelines.force_error,
    ),
    _Drawing(
        Picture.PARITY,
        "Forces of the model and of the reference",
        "Every force component of every labelled frame of one simulation, all temperatures together; darker is denser "
        "(logarithmic).",
        parity.parity,
    ),
    _Drawing(
        Picture.STRUCTURES,
        "Structures along the trajectory",
        "First, middle and last frame of the hottest run of each system, or of a failed one; turned onto the first "
        "frame.",
        structures.structures,
    ),
)


def draw(report: Report, model: int | None, names: Sequence[Picture]) -> list[Figure]:
    """Figures by their names: of a model (its place in the report), or of all models together, as far as they apply."""
    with style.styled():
        if model is not None:
            return list(_of_model(Material(report, report.verdicts[model]), names))
        return [figure for name in names for figure in OF_ALL[name](report)]


def _of_model(material: Material, names: Sequence[Picture]) -> Iterator[Figure]:
    model = material.verdict.model
    several = len(material.report.verdicts) > 1
    drawings = {drawing.name: drawing for drawing in OF_A_MODEL}
    for drawing in (drawings[name] for name in names):
        title = f"{drawing.title}: {model}" if several else drawing.title
        path = _path(f"{drawing.name}_{escape.file_name(model)}")
        yield _figure(path, title, drawing.caption, lambda d=drawing: d.draw(material), model)  # type: ignore[misc]


def _side_by_side(report: Report) -> Iterator[Figure]:
    if len(report.verdicts) > 1:
        yield _figure(
            _path(Picture.TRADE_OFF),
            "Accuracy against speed",
            "Worst force error against the time of one step; lower left is better, the colour is the decision.",
            lambda: models.trade_off(report),
        )


def _survival(report: Report) -> Iterator[Figure]:
    if any(row.outcome == "failed" for row in report.runs):
        yield _figure(
            _path(Picture.SURVIVAL),
            "Survival of the runs",
            "Kaplan-Meier estimate of the share of runs that are still going, over all systems (and temperatures) of a "
            "simulation, with its 95 % interval; marks: the cause of each failure.",
            lambda: survival.survival(report),
        )


def _speed(report: Report) -> Iterator[Figure]:
    if models.speeds_differ(report):
        yield _figure(
            _path(Picture.SPEED),
            "Time a step",
            "Median time of one evaluation of energy and forces, after warm-up, on the machine named below.",
            lambda: models.speed(report),
        )


OF_ALL = {Picture.TRADE_OFF: _side_by_side, Picture.SURVIVAL: _survival, Picture.SPEED: _speed}


def _path(name: str) -> str:
    return f"figures/{name}.png"


def _figure(path: str, title: str, caption: str, draw: Callable[[], bytes], model: str = "") -> Figure:
    try:
        return Figure(path, title, caption, draw(), model=model)
    except NothingToDraw as reason:
        return Figure(path, title, caption, missing=str(reason), model=model)
    except Exception as error:  # a report without this figure is worth more than no report
        return Figure(
            path, title, caption, missing=f"could not be drawn ({type(error).__name__}: {error})", model=model
        )
