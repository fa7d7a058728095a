"""What a corpus case is, and a child process that opens many of them under the eyes of a clock and a scale.

Every case is a folder's files and a protocol in it; `mdprotocol check` must refuse it with exit code 2 and one message
that names the place. The child measures, for each case, processor time and how much the peak of its memory grew.
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import resource
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PROTOCOL = """\
mdprotocol: 1
name: corpus
models:
  mine: {type: tblite, method: GFN1-xTB}
reference: {type: tblite, method: GFN2-xTB}
systems:
  water: {type: builtin, name: water}
simulations:
  nve:
    integrator: {type: velocity_verlet}
    timestep_fs: 0.5
    duration_ps: 1
    temperatures_K: [300]
    replicas: 4
    equilibration: {duration_ps: 0.1}
    record_every_fs: 5
    reference_every_fs: 50
criteria:
  no_crash: {level: must, metric: stability.crashed, max: 0}
  forces: {level: must, metric: force_error.rmse, units: eV/Å, max: 0.2}
recommendations:
  - {use: production MD, requires: [must]}
"""


@dataclass(frozen=True)
class Case:
    """Files of a case, the protocol among them, and words that its message must hold."""

    name: str
    says: tuple[str, ...]
    protocol: bytes = PROTOCOL.encode()
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Opened:
    """What `check` did with a case."""

    code: int
    text: str
    seconds: float
    """Processor time."""
    grown_mb: float
    """Growth of the process's peak memory."""


def edited(name: str, old: str, new: str, *says: str) -> Case:
    """The protocol with one part replaced."""
    assert old in PROTOCOL, old
    return Case(name, says, PROTOCOL.replace(old, new, 1).encode())


def write(case: Case, folder: Path) -> Path:
    """Write a case's files; the path of its protocol."""
    folder.mkdir(parents=True)
    for name, content in case.files.items():
        (folder / name).write_bytes(content)
    path = folder / "p.yaml"
    path.write_bytes(case.protocol)
    return path


def open_all(paths: Iterable[Path]) -> list[Opened]:
    """Check each protocol in one child process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.map(_open, list(paths), chunksize=1)


def _open(path: Path) -> Opened:
    from mdprotocol.cli import main

    with contextlib.chdir(path.parent):
        _warm_up(path.parent)
        out, error = io.StringIO(), io.StringIO()
        peak, began = _peak_mb(), time.process_time()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
            code = _exit_code(main, path)
        return Opened(code, error.getvalue(), time.process_time() - began, _peak_mb() - peak)


def _exit_code(main: Callable[[list[str]], int], path: Path) -> int:
    try:
        return main(["check", path.name])
    except SystemExit as leaving:
        return int(leaving.code or 0)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


_warm: list[bool] = []


def _warm_up(folder: Path) -> None:
    """Import everything that a sound protocol imports, so that no case pays for it; torch for its checkpoints too."""
    if _warm:
        return
    import torch  # noqa: F401

    from mdprotocol.cli import main

    sound = folder / "sound.yaml"
    sound.write_text(PROTOCOL)
    with contextlib.redirect_stdout(io.StringIO()):
        assert main(["check", str(sound)]) == 0
    _warm.append(True)
