"""Segments with a sound checksum that this batch cannot have written: nobody goes on from them, the batch begins anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine_kit import SpringModel, make_batch, settings, triangle

from mdprotocol.engine import journal, labels
from mdprotocol.engine.batch import run_batch
from mdprotocol.store import ResultsFolder
from mdprotocol.store.atomic import write_atomically, write_parts
from mdprotocol.store.segment import decode, encode
from mdprotocol.store.work import Work
from mdprotocol_plugins.integrators.nose_hoover import NoseHoover

Parts = tuple[dict[str, Any], dict[str, np.ndarray]]


class Killed(BaseException):
    """Ends a batch as a kill does."""


def interrupted(root: Path, monkeypatch: pytest.MonkeyPatch, after: int) -> Any:
    """A batch that was killed after so many segments."""
    run = settings(NoseHoover(chain_length=3), 40, record_every=2, reference_every=2)
    batch = make_batch(run, SpringModel(), triangle(1.05), copies=2, reference=SpringModel(stiffness=18.0))
    append, written = Work.append, 0

    def killing(self: Work, *args: object) -> None:
        nonlocal written
        append(self, *args)  # type: ignore[arg-type]
        written += 1
        if written == after:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Work, "append", killing)
        patch.setattr(journal, "SEGMENT_SECONDS", 0.0)
        patch.setattr(labels, "SEGMENT_SECONDS", 0.0)
        with pytest.raises(Killed):
            run_batch(batch, root, lambda event: None)
    return batch


def forge(path: Path, change: Callable[[dict[str, Any], dict[str, np.ndarray]], object]) -> None:
    """Change what a segment says, with a checksum that is right."""
    found = decode(path)
    assert found is not None
    facts, arrays = dict(found.facts), {name: np.array(values) for name, values in found.arrays.items()}
    change(facts, arrays)
    write_atomically(path, lambda target: write_parts(target, encode(facts, arrays)))


def fact(name: str, value: Any) -> Callable[..., object]:
    return lambda facts, arrays: facts.update({name: value})


def array(name: str, make: Callable[[np.ndarray], np.ndarray]) -> Callable[..., object]:
    return lambda facts, arrays: arrays.update({name: make(arrays[name])})


def gone(name: str) -> Callable[..., object]:
    return lambda facts, arrays: arrays.pop(name)


CHECKPOINTS = {
    "a stage that is not there": fact("stage", 7),
    "a stage before the first": fact("stage", -1),
    "a step in words": fact("step", "last"),
    "no frames": fact("frames", None),
    "many frames": fact("frames", 10**12),
    "fewer copies": fact("alive", [True]),
    "no endings": fact("endings", []),
    "endings of another kind": fact("endings", [1, 2]),
    "no facts": lambda facts, arrays: facts.clear(),
    "no positions": gone("state:positions"),
    "no random numbers": gone("random:atoms.generators"),
    "no frame": gone("frame:position"),
    "no counts": gone("recorder:count"),
    "more atoms": array("state:positions", lambda x: np.concatenate([x, x])),
    "whole numbers": array("state:velocities", lambda x: x.astype(np.int64)),
    "half the precision": array("state:forces", lambda x: np.repeat(x, 2, axis=1).astype("f4")),
    "a copy more": array("state:energy", lambda x: np.append(x, 0.0)),
    "fractions of frames": array("recorder:count", lambda x: x + 0.5),
    "frames of other atoms": array("frame:force", lambda x: x[:, :1]),
    "times of nothing": array("frame:time", lambda x: np.zeros(99)),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("whole")
    run = settings(NoseHoover(chain_length=3), 40, record_every=2, reference_every=2)
    batch = make_batch(run, SpringModel(), triangle(1.05), copies=2, reference=SpringModel(stiffness=18.0))
    run_batch(batch, root, lambda event: None)
    return root


def check(root: Path, whole: Path) -> None:
    ids = ResultsFolder(whole).run_ids()
    assert ResultsFolder(root).run_ids() == ids
    assert len(ids) == 2
    for name in ids:
        assert ResultsFolder(root).load(name + ".nc").identical(ResultsFolder(whole).load(name + ".nc"))
    assert not list((root / "work").iterdir())


@pytest.mark.parametrize("how", CHECKPOINTS)
@pytest.mark.parametrize("which", ["md-000002.seg", "md-000000.seg"], ids=["the last", "the first"])
def test_no_checkpoint_of_this_batch(
    tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch, how: str, which: str
) -> None:
    batch = interrupted(tmp_path, monkeypatch, after=3)
    (path,) = tmp_path.glob(f"work/*/{which}")
    if how == "no random numbers":  # this integrator draws none: give one that it does not know
        forge(path, lambda facts, arrays: arrays.update({"random:normal.words.generators": np.zeros(3)}))
    else:
        forge(path, CHECKPOINTS[how])
    run_batch(batch, tmp_path, lambda event: None)
    check(tmp_path, whole)


LABELS = {
    "no facts": lambda facts, arrays: facts.clear(),
    "more than there are": fact("done", 10**9),
    "fewer than none": fact("kept", -3),
    "a reason that is none": fact("reason", None),
    "no forces": gone("reference_force"),
    "forces of other atoms": array("reference_force", lambda x: x[:, :2]),
    "energies of other frames": array("reference_energy", lambda x: np.append(x, 1.0)),
    "texts": array("sample_frame", lambda x: x.astype("S8")),
}


@pytest.mark.parametrize("how", LABELS)
def test_no_labels_of_this_batch(tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    batch = interrupted(tmp_path, monkeypatch, after=45)
    path = min(tmp_path.glob("work/*/labels-0-*.seg"))
    forge(path, LABELS[how])
    run_batch(batch, tmp_path, lambda event: None)
    check(tmp_path, whole)
