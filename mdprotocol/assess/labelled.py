"""How many of a run's planned labels are there: a comparison with the rest says nothing about the frames left out.

A reference often fails where the model is worst (a geometry that it finds strained), so that an error averaged over the
labels that are left is too small, and looks as sound as any.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from mdprotocol.plan.steps import labels_of
from mdprotocol.plan.types import Run
from mdprotocol.protocol.schema import LabelRules


@dataclass(frozen=True)
class LabelCount:
    """The reference's labels of a run.

    Attributes:
        planned: frames that it was to label, of those that the run has.
        given: frames that it did label.
        problem: why nothing is compared with them; empty where it may be.
    """

    planned: int = 0
    given: int = 0
    problem: str = ""


NO_LABELS = LabelCount()


def count_labels(run: Run, dataset: xr.Dataset, rules: LabelRules) -> LabelCount:
    """Labels of a run's file against those planned: of a failed run, those up to its failure."""
    planned, frames = _planned(run, dataset), _labelled_frames(dataset)
    if isinstance(frames, str):
        return LabelCount(planned, 0, frames)
    if not planned and not frames.size:
        return NO_LABELS
    given = len(np.unique(frames))
    problem = _misplaced(frames, run, dataset) or lost(planned, given, dataset.attrs, rules.max_failed_share)
    if not problem and given < rules.least:
        problem = f"the run has {_labels(given)}; a comparison needs {rules.least} (`labels: least`)"
    return LabelCount(planned, given, problem or _repeated(dataset))


def _repeated(dataset: xr.Dataset) -> str:
    """Whether the reference said the same on every frame: an answer that was remembered, or one to another question."""
    forces = dataset.variables.get("reference_force")
    if forces is None or forces.ndim != 3 or len(forces) < 2:
        return ""
    try:
        first = forces[0].values
        if not first.any() or any(not np.array_equal(forces[k].values, first) for k in range(1, len(forces))):
            return ""
    except Exception as error:  # readers raise whatever they stumble over
        return f"the labels cannot be read: {type(error).__name__}"
    return f"the reference's forces are the same on all of the {len(forces)} labelled frames: they follow no geometry"


def _planned(run: Run, dataset: xr.Dataset) -> int:
    every = run.settings.reference_every
    if not every:
        return 0
    there = -(-dataset.sizes.get("frame", 0) // every)
    return max(there, labels_of(run.settings)) if dataset.attrs.get("outcome") == "completed" else there


def _labelled_frames(dataset: xr.Dataset) -> np.ndarray | str:
    """(sample,) frames with a label, or why there are none to be had."""
    if "sample_frame" not in dataset.variables:
        return np.empty(0, dtype=np.int64)
    try:
        frames = np.asarray(dataset.variables["sample_frame"].values)
    except Exception as error:  # readers raise whatever they stumble over
        return f"the labels cannot be read: {type(error).__name__}"
    return frames if frames.dtype.kind in "iu" and frames.ndim == 1 else "sample_frame holds no numbers of frames"


def _misplaced(frames: np.ndarray, run: Run, dataset: xr.Dataset) -> str:
    """What is wrong with which frames have labels; empty where each is a planned one, once."""
    every = max(1, run.settings.reference_every)
    strange = frames[(frames < 0) | (frames >= dataset.sizes.get("frame", 0)) | (frames % every != 0)]
    if strange.size:
        return f"frame {strange[0]} has a label, and none was planned for it"
    found, counts = np.unique(frames, return_counts=True)
    return f"frame {found[counts > 1][0]} is labelled {counts.max()} times" if (counts > 1).any() else ""


def lost(planned: int, given: int, attrs: Mapping[str, Any], share: float) -> str:
    """Why too few labels are there; empty where no more than this share of them is missing."""
    failed, missing = _number(attrs.get("reference_failures", 0)), planned - given
    count = max(failed, missing)
    if count <= share * planned + 1e-9:
        return ""
    detail = str(attrs.get("reference_failure_detail", ""))
    what = "failed" if failed >= missing else "are missing" if not failed else "failed or are missing"
    return f"{count} of {_labels(planned)} {what}{f' ({detail})' if detail else ''}; at most {100 * share:g} % may"


def _number(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):  # whatever a file says; what is missing is counted anyway
        return 0


def _labels(count: int) -> str:
    return f"{count} label" if count == 1 else f"{count} labels"
