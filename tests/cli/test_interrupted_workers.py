"""SIGINT and SIGTERM while two workers run: checkpoints are kept, and the same command ends as if nothing had been."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import netCDF4
import numpy as np
import pytest

PROTOCOL = """\
mdprotocol: 1
name: two
models: {trap: {type: harmonic_trap}}
reference: {type: harmonic_trap, stiffness_eV_per_A2: 1.1}
systems: {water: {type: builtin, name: water}, methane: {type: builtin, name: methane}}
simulations:
  nve:
    integrator: {type: langevin, friction_per_ps: 1}
    timestep_fs: 0.5
    duration_ps: STEPS
    record_every_fs: 50
    reference_every_fs: 500
    temperatures_K: [10]
    replicas: 2
    guards: {bond_stretch: null, new_bond: null, max_temperature_factor: 1000000}
criteria:
  no_crash: {level: must, metric: stability.crashed, max: 0}
  forces: {level: must, metric: force_error.rmse, units: eV/Å, max: 100}
reports: [{type: json}]
executor: {type: processes, workers: 2}
"""
CHECKPOINTS = """\
from mdprotocol.engine import journal
from mdprotocol.hookspecs import hookimpl

journal.SEGMENT_SECONDS = 0.1  # in workers too: they load the same plugins


@hookimpl
def mdprotocol_metrics():
    return []
"""


def start(folder: Path, out: str) -> subprocess.Popen[str]:
    main = "import sys; from mdprotocol.cli import main; sys.exit(main())"
    plugins = ["--plugin", "mdprotocol.testing.plugins", "--plugin", "often.py"]
    return subprocess.Popen(
        [sys.executable, "-c", main, "run", "two.yaml", "-o", out, "-q", *plugins],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    try:
        _, said = process.communicate(timeout=240)
    finally:
        process.kill()
    return process.returncode, said


def content(path: Path) -> dict[str, bytes]:
    """Every variable and attribute of a NetCDF file, as bytes."""
    with netCDF4.Dataset(path) as file:
        file.set_auto_mask(False)
        found = {name: _bytes(np.asarray(variable[...])) for name, variable in file.variables.items()}
        return found | {name: repr(file.getncattr(name)).encode() for name in file.ncattrs()}


def _bytes(values: np.ndarray) -> bytes:
    return repr(values.tolist()).encode() if values.dtype.kind == "O" else values.tobytes()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    (folder / "two.yaml").write_text(PROTOCOL.replace("STEPS", "4"))
    (folder / "often.py").write_text(CHECKPOINTS)
    code, said = finish(start(folder, "undisturbed"))
    assert code in (0, 3), said
    return folder


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("whom", ["the process", "its group"])
def test_what_two_workers_had_done_is_kept(undisturbed: Path, number: int, code: int, whom: str) -> None:
    """To the group: Ctrl-C in a terminal, or a batch system that ends a job, reaches the workers too."""
    out = undisturbed / f"out-{code}-{whom[4:]}"
    process = start(undisturbed, out.name)
    deadline = time.monotonic() + 240
    while not list(out.glob("work/*/md-*.seg")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    (os.kill if whom == "the process" else os.killpg)(process.pid, number)
    found, said = finish(process)
    assert found == code, said
    assert said == "mdprotocol: interrupted; what was done is kept, the same command goes on from there\n"
    done = {path.relative_to(out) for path in out.glob("runs/**/*.nc")}
    assert list(out.glob("work/*/md-*.seg")), "it had come to its end before the signal"
    before = {path: (out / path).read_bytes() for path in done}

    again, said = finish(start(undisturbed, out.name))
    assert again in (0, 3), said
    expected = sorted(
        path.relative_to(undisturbed / "undisturbed") for path in undisturbed.glob("undisturbed/runs/**/*.nc")
    )
    assert sorted(path.relative_to(out) for path in out.glob("runs/**/*.nc")) == expected
    assert all((out / path).read_bytes() == data for path, data in before.items())
    for path in (*expected, Path("measurements.nc")):
        assert content(out / path) == content(undisturbed / "undisturbed" / path), path
    assert not list(out.glob("work/*"))
    first, second = (json.loads((f / "verdict.json").read_text())["models"] for f in (undisturbed / "undisturbed", out))
    assert first == second
