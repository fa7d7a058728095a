"""The command line while it runs: a second one on the same folder, and a signal from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

LONG = """\
mdprotocol: 1
name: long
models: {trap: {type: harmonic_trap}}
systems: {water: {type: builtin, name: water}}
simulations:
  nve:
    integrator: {type: velocity_verlet}
    timestep_fs: 0.5
    duration_ps: 2000
    record_every_fs: 50
    temperatures_K: [10]
    replicas: 1
    guards: {bond_stretch: null, new_bond: null, max_temperature_factor: 1000000}
criteria:
  no_crash: {level: must, metric: stability.crashed, max: 0}
executor: {type: processes, workers: 1}
"""


def start(folder: Path) -> subprocess.Popen[str]:
    main = "import sys; from mdprotocol.cli import main; sys.exit(main())"
    arguments = ["run", "long.yaml", "-o", "out", "-q", "--plugin", "mdprotocol.testing.plugins"]
    return subprocess.Popen(
        [sys.executable, "-c", main, *arguments], cwd=folder, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def test_a_second_run_is_turned_away_and_sigterm_checkpoints(tmp_path: Path) -> None:
    (tmp_path / "long.yaml").write_text(LONG)
    first = start(tmp_path)
    try:
        deadline = time.monotonic() + 120
        while not list((tmp_path / "out" / "work").glob("*/batch.json")):
            assert time.monotonic() < deadline, "it never began"
            assert first.poll() is None, first.stderr and first.stderr.read()
            time.sleep(0.1)
        second = start(tmp_path)
        _, said = second.communicate(timeout=120)
        assert second.returncode == 2
        assert f"out is in use: process {first.pid} on " in said
        assert "Traceback" not in said
        os.kill(first.pid, signal.SIGTERM)
        _, said = first.communicate(timeout=120)
    finally:
        first.kill()
    assert first.returncode == 143
    assert said == "mdprotocol: interrupted; what was done is kept, the same command goes on from there\n"
    assert [path.name for path in (tmp_path / "out" / "work").rglob("*.seg")]
