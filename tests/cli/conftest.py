"""The command line as a user has it: a process of its own, in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

SMALL = """\
mdprotocol: 1
name: small
seed: 3
models:
  gfn1: {type: tblite, method: GFN1-xTB}
reference: {type: tblite, method: GFN2-xTB}
systems:
  water: {type: builtin, name: water}
simulations:
  nve:
    integrator: {type: velocity_verlet}
    timestep_fs: 0.5
    duration_ps: 0.1
    temperatures_K: [300]
    replicas: 3
    equilibration: {duration_ps: 0.05}
    record_every_fs: 5
    reference_every_fs: 20
criteria:
  no_crash: {level: must, metric: stability.crashed, max: 0}
  forces: {level: must, metric: force_error.rmse, units: eV/Å, max: 5}
recommendations:
  - {use: production MD, requires: [must]}
executor: {type: serial}
"""
"""GFN1-xTB judged against GFN2-xTB on water: real models, no training, under two seconds of computing."""


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A protocol file that runs in seconds."""
    path = tmp_path / "small.yaml"
    path.write_text(SMALL, encoding="utf-8")
    return path


@pytest.fixture
def cli(tmp_path: Path) -> Callable[..., Ended]:
    """Run `mdprotocol ...` in the test's folder."""

    def run(*arguments: object, path: str = "") -> Ended:
        environment = {**os.environ, "COLUMNS": "200", "PYTHONPATH": path, "CI": "true"}
        command = [sys.executable, "-c", "import sys; from mdprotocol.cli import main; sys.exit(main())"]
        done = subprocess.run(
            [*command, *map(str, arguments)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    return run
