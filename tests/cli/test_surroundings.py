"""The terminal, the locale and the environment decide nothing: the same exit code and the same verdict under each."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

NONE = str(Path("/nonexistent"))
ENVIRONMENTS: dict[str, dict[str, str | None]] = {
    "latin-1 terminal": {"PYTHONIOENCODING": "latin-1"},
    "ascii terminal": {"PYTHONIOENCODING": "ascii"},
    "another locale": {"LC_ALL": "en_US.ISO-8859-1"},
    "C locale": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "a notebook's backend": {"MPLBACKEND": "module://matplotlib_inline.backend_inline"},
    "no backend": {"MPLBACKEND": "nonsense"},
    "own style": {"MATPLOTLIBRC": "style/matplotlibrc"},
    "own style here": {"LC_ALL": "en_US.ISO-8859-1"},
    "no folders": {"HOME": None, "MPLCONFIGDIR": NONE, "XDG_CACHE_HOME": NONE},
    "dumb terminal": {"TERM": "dumb", "COLUMNS": "0", "NO_COLOR": "1"},
    "odd terminal": {"TERM": None, "COLUMNS": "wide", "FORCE_COLOR": "1"},
    "narrow terminal": {"COLUMNS": "1", "LINES": "1"},
    "warnings as errors": {"PYTHONWARNINGS": "error"},
    "no assertions": {"PYTHONOPTIMIZE": "2"},
    "interactive": {"PYTHONINSPECT": "1"},
}
SHELLS = {
    "stdin closed": "COMMAND <&-",
    "stdout closed": "COMMAND >&-",
    "stderr closed": "COMMAND 2>&-",
    "all closed": "COMMAND <&- >&- 2>&-",
    "full device": "COMMAND >/dev/full 2>/dev/full",
    "closed pipe": "COMMAND 2>&1 | true",
    "umask": "umask 077; COMMAND",
}
ENGINE = {"stdout closed", "all closed", "C locale", "no assertions"}
"""Where the simulation too is done again in the quick tests: these reached into it."""
STYLE = "text.usetex: true\naxes.formatter.use_locale: true\nbackend: QtAgg\nfont.family: serif\n"
XYZ = "3\nwäßrig\nO 0 0 0.12\nH 0 0.76 -0.48\nH 0 -0.76 -0.48\n"
PROTOCOL = """\
mdprotocol: 1
name: small
seed: 3
models:
  gfn1: {type: tblite, method: GFN1-xTB}
reference: {type: tblite, method: GFN2-xTB}
systems:
  water: {type: file, path: wäßrig.xyz}
simulations:
  nve:
    integrator: {type: velocity_verlet}
    timestep_fs: 0.5
    duration_ps: 0.05
    temperatures_K: [300]
    replicas: 2
    record_every_fs: 5
    reference_every_fs: 10
criteria:
  no_crash: {level: must, metric: stability.crashed, max: 0}
  forces: {level: must, metric: force_error.rmse, units: eV/Å, max: 0.001}
executor: {type: serial}
"""
"""REJECTED, and with characters that not every terminal has."""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run under usual circumstances."""
    folder = tmp_path_factory.mktemp("plain")
    (folder / "small.yaml").write_text(PROTOCOL, encoding="utf-8")
    (folder / "wäßrig.xyz").write_text(XYZ, encoding="utf-8")
    (folder / "style").mkdir()
    (folder / "style/matplotlibrc").write_text(STYLE, encoding="utf-8")
    assert mdprotocol(folder, {}, "COMMAND", "run", "small.yaml", "-o", "out", "-q", "--no-diagnosis") == 1
    return folder


def mdprotocol(folder: Path, environment: dict[str, str | None], shell: str, *arguments: str) -> int:
    """Exit code of the command under this environment, as the shell starts it."""
    told = {name: value for name, value in {**os.environ, **environment}.items() if value is not None}
    script = shell.replace("COMMAND", '{ "$@"; echo $? >code; }')
    subprocess.run(
        ["sh", "-c", script, "sh", sys.executable, "-m", "mdprotocol", *arguments],
        cwd=folder,
        env=told,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=300,
        check=False,
    )
    return int((folder / "code").read_text())


def verdict(folder: Path) -> dict[str, Any]:
    found = json.loads((folder / "out/verdict.json").read_text(encoding="utf-8"))
    return {name: found[name] for name in ("models", "measurements", "figures", "runs")}


def compare(plain: Path, folder: Path, case: str, anew: bool) -> None:
    shutil.copytree(plain, folder, dirs_exist_ok=True)
    if case == "own style here":
        shutil.copy(folder / "style/matplotlibrc", folder)
    if anew:
        shutil.rmtree(folder / "out")
        arguments = ["run", "small.yaml", "-o", "out", "-q", "--no-diagnosis"]
    else:
        (folder / "out/verdict.json").unlink()
        arguments = ["judge", "out"]
    assert mdprotocol(folder, ENVIRONMENTS.get(case, {}), SHELLS.get(case, "COMMAND"), *arguments) == 1
    assert verdict(folder) == verdict(plain)
    for figure in sorted((plain / "out/figures").iterdir()):
        assert (folder / "out/figures" / figure.name).read_bytes() == figure.read_bytes(), figure.name


@pytest.mark.parametrize("case", [*ENVIRONMENTS, *SHELLS])
def test_the_same_verdict(plain: Path, tmp_path: Path, case: str) -> None:
    compare(plain, tmp_path, case, case in ENGINE)


@pytest.mark.slow
@pytest.mark.parametrize("case", sorted({*ENVIRONMENTS, *SHELLS} - ENGINE))
def test_the_same_verdict_from_a_new_run(plain: Path, tmp_path: Path, case: str) -> None:
    compare(plain, tmp_path, case, anew=True)
