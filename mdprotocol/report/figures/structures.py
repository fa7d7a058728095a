"""Pictures along a trajectory: first, middle and last frame of the hottest (or a failed) run of each system."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ase.data import chemical_symbols, covalent_radii
from ase.data.colors import jmol_colors
from matplotlib.patches import Circle

from mdprotocol.chemistry import bonds
from mdprotocol.contracts import RunRow
from mdprotocol.report.figures import style
from mdprotocol.report.figures.series import Material, NothingToDraw
from mdprotocol.units import FS_PER_PS

ATOM_SCALE = 0.45
MOST_SYSTEMS = 6
FURTHEST = 3.0
"""How far beyond the first frame the picture reaches, Å: the pieces of an explosion fly out of it."""
DIRECTIONS = 200
"""Directions tried for the view."""


@dataclass(frozen=True)
class Snapshots:
    """Three frames of one run: numbers (n,), positions (3, n, 3) Å, times (3,) ps."""

    row: RunRow
    numbers: np.ndarray
    positions: np.ndarray
    times: np.ndarray


def structures(material: Material) -> bytes:
    """A row a system, a column a frame."""
    found = [s for s in (_read(material, row) for row in _chosen(material)) if s is not None]
    if not found:
        raise NothingToDraw("no run kept positions")
    canvas, axes = style.panels(len(found), 3, width=2.5, height=1.9)
    for line, snapshots in zip(axes, found, strict=True):
        _draw_row(line, snapshots)
    return style.png(canvas)


def _chosen(material: Material) -> list[RunRow]:
    """For each system a failed run if there is one, else the hottest."""
    rows = [s.row for s in material.all]
    names = list(dict.fromkeys(row.system for row in rows))[:MOST_SYSTEMS]
    return [
        max((r for r in rows if r.system == name), key=lambda r: (r.outcome == "failed", r.temperature_K))
        for name in names
    ]


def _read(material: Material, row: RunRow) -> Snapshots | None:
    with material.report.open_run(row.run) as dataset:
        if "position" not in dataset:
            return None
        whole = np.flatnonzero(np.isfinite(dataset["position"].values).all(axis=(1, 2)))
        if not whole.size:
            return None
        frames = whole[[0, len(whole) // 2, -1]]
        chosen = dataset.isel(frame=frames)
        numbers = np.asarray(chosen["atomic_number"].values, dtype=int)
        return Snapshots(row, numbers, chosen["position"].values.astype(float), chosen["time"].values / FS_PER_PS)


def _draw_row(line: Any, snapshots: Snapshots) -> None:
    turned = np.stack([_aligned(p, snapshots.positions[0]) for p in snapshots.positions])
    views = turned @ _best_view(turned).T
    start = views[0, :, :2]
    low = np.maximum(views[..., :2].min(axis=(0, 1)), start.min(axis=0) - FURTHEST) - 0.7
    high = np.minimum(views[..., :2].max(axis=(0, 1)), start.max(axis=0) + FURTHEST) + 0.7
    for axes, view, time in zip(line, views, snapshots.times, strict=True):
        draw_molecule(axes, snapshots.numbers, view)
        axes.set_xlim(low[0], high[0])
        axes.set_ylim(low[1], high[1])
        axes.set_aspect("equal")
        axes.set_axis_off()
        axes.set_title(f"{time:g} ps", fontsize=8, color=style.SOFT, fontweight="normal", loc="center")
    row = snapshots.row
    label = f"{style.short(row.system, 16)}\n{row.temperature_K:g} K" + (
        f"\n{style.short(row.simulation, 16)}\nfailed" if row.outcome == "failed" else ""
    )
    line[0].text(-0.02, 0.5, label, transform=line[0].transAxes, ha="right", va="center", fontweight="bold")


def _aligned(positions: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """Positions about their centre, turned onto another frame (Kabsch, Acta Cryst. A 32, 922 (1976))."""
    moved, target = positions - positions.mean(axis=0), onto - onto.mean(axis=0)
    u, _, vt = np.linalg.svd(moved.T @ target)
    u[:, -1] *= np.sign(np.linalg.det(u @ vt)) or 1.0
    return moved @ u @ vt


def _best_view(frames: np.ndarray) -> np.ndarray:
    """(3, 3) rows: right, up, towards the viewer; the direction from which atoms hide each other least in any frame.

    Directions are tried on a Fibonacci lattice on the half sphere (Gonzalez, Math. Geosci. 42, 49 (2010)).
    """
    index = np.arange(DIRECTIONS) + 0.5
    height, turn = 1 - index / DIRECTIONS, np.pi * (1 + 5**0.5) * index
    ring = np.sqrt(1 - height**2)
    directions = np.stack([ring * np.cos(turn), ring * np.sin(turn), height], axis=1)
    towards = max(directions, key=lambda d: round(min(_clearance(_seen(frame, d)) for frame in frames), 6))
    first = _seen(frames[0], towards)
    right = np.linalg.svd(first - first.mean(axis=0), full_matrices=True)[2][0]
    right *= np.sign(right[np.abs(right).argmax()])
    return np.stack([right, np.cross(towards, right), towards])


def _seen(frame: np.ndarray, towards: np.ndarray) -> np.ndarray:
    """(n, 3) Å: the frame without its depth."""
    return frame - np.outer(frame @ towards, towards)


def _clearance(flat: np.ndarray) -> float:
    """Smallest distance between two atoms as seen, Å."""
    distance = np.linalg.norm(flat[:, None] - flat[None], axis=-1)
    return float(distance[np.triu_indices(len(flat), k=1)].min(initial=np.inf))


def draw_molecule(axes: Any, numbers: np.ndarray, view: np.ndarray) -> None:
    """Atoms as circles in the usual colours, nearer ones on top; bonds as lines between them.

    Args:
        numbers: (n,) atomic numbers.  view: (n, 3) Å; x and y are drawn, z is the depth.
    """
    radii = covalent_radii[numbers]
    view = view - [0, 0, view[:, 2].min() - 1]
    for i, j in bonds(numbers, view):
        depth = float(min(view[i, 2], view[j, 2]))
        axes.plot(*view[[i, j], :2].T, color="#7a7a7a", linewidth=2.5, zorder=depth - 0.1, solid_capstyle="round")
    for number, place, radius in zip(numbers, view, radii, strict=True):
        colour = jmol_colors[number]
        circle = Circle(place[:2], ATOM_SCALE * radius + 0.12, facecolor=colour, edgecolor=style.INK, linewidth=0.8)
        circle.set_zorder(float(place[2]))
        axes.add_patch(circle)
        if number != 1:
            dark = float(np.dot(colour, (0.299, 0.587, 0.114))) < 0.5
            axes.text(*place[:2], chemical_symbols[number], ha="center", va="center", fontsize=7,
                      color="white" if dark else style.INK, zorder=float(place[2]) + 0.01)  # fmt: skip
